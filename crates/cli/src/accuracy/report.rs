//! Rows and summary of a comparison, as text, JSON, CSV or Markdown.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Errors, FIGURES, Golden, Unsupported, compare};
use crate::failure::Failure;
use crate::output::{Format, Table};

/// One run.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its identifier.
    pub id: String,
    /// Model, precision and shape, for reading.
    pub label: String,
    /// What kind of run it is.
    pub group: String,
    /// Relative errors, or why it is not supported.
    pub errors: Result<Errors, Unsupported>,
}

impl Row {
    /// One figure's error.
    pub fn error(&self, figure: &str) -> Option<f64> {
        let index = FIGURES.iter().position(|name| *name == figure)?;
        self.errors.as_ref().ok().and_then(|errors| errors.get(index).copied().flatten())
    }
}

/// All runs.
#[derive(Clone, Debug)]
pub struct Report {
    /// In the order of the files.
    pub rows: Vec<Row>,
}

/// Median, percentiles and largest of absolute errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Half are smaller.
    pub median: f64,
    /// Nine in ten are smaller.
    pub p90: f64,
    /// 95 in 100 are smaller.
    pub p95: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of absolute values; none where nothing was measured.
    pub(crate) fn of(errors: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = errors.map(f64::abs).collect();
        sorted.sort_by(f64::total_cmp);
        let max = *sorted.last()?;
        let at = |hundredths: usize| sorted.get(sorted.len() * hundredths / 100).copied().unwrap_or(max);
        let below = sorted.get((sorted.len() - 1) / 2).copied().unwrap_or(max);
        Some(Self { median: f64::midpoint(below, at(50)), p90: at(90), p95: at(95), max })
    }
}

impl Report {
    /// Compares every run.
    pub fn of(goldens: &[Golden]) -> Self {
        Self { rows: goldens.iter().map(compare).collect() }
    }

    /// The largest absolute error of `peak_requested`; nothing is further off where it was not measured.
    pub fn worst_peak(&self) -> f64 {
        self.spread("peak_requested", |_| true).map_or(0.0, |spread| spread.max)
    }

    /// Runs that could be expressed.
    pub fn supported(&self) -> usize {
        self.rows.iter().filter(|row| row.errors.is_ok()).count()
    }

    pub(super) fn spread(&self, figure: &str, which: impl Fn(&Row) -> bool) -> Option<Spread> {
        Spread::of(self.rows.iter().filter(|row| which(row)).filter_map(|row| row.error(figure)))
    }

    /// Prints rows and summary.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub fn print(&self, format: Format) -> Result<String, Failure> {
        match format {
            Format::Json => Ok(self.json().to_string() + "\n"),
            Format::Csv => self.table().csv(),
            Format::Markdown => Ok(self.markdown()),
            Format::Table | Format::Svg => {
                Ok(self.table().text() + "\n" + &self.groups().text() + "\n" + &self.summary())
            }
        }
    }

    /// The JSON whose keys others rely on.
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let errors: Map<String, Value> =
                    FIGURES.iter().map(|&figure| (figure.to_owned(), json!(row.error(figure)))).collect();
                let reason = row.errors.as_ref().err().map(|Unsupported(reason)| reason.clone());
                json!({
                    "id": row.id, "supported": row.errors.is_ok(), "errors": errors,
                    "group": row.group, "label": row.label, "reason": reason,
                })
            })
            .collect();
        let mut summary = Map::new();
        summary.insert("rows".to_owned(), json!(self.rows.len()));
        summary.insert("supported".to_owned(), json!(self.supported()));
        for figure in FIGURES {
            let [median, p95, max] = cuts(self.spread(figure, |_| true));
            summary.insert(figure.to_owned(), json!({ "median": median, "p95": p95, "max": max }));
        }
        json!({ "rows": rows, "summary": summary })
    }

    fn table(&self) -> Table {
        let mut header = vec!["id".to_owned(), "run".to_owned()];
        header.extend(FIGURES.iter().map(|figure| (*figure).to_owned()));
        let rows = self.rows.iter().map(|row| {
            let mut cells = vec![row.id.clone(), row.label.clone()];
            match &row.errors {
                Ok(errors) => {
                    cells.extend(errors.iter().map(|error| error.map_or_else(String::new, percent)));
                }
                Err(Unsupported(reason)) => {
                    cells.push(format!("unsupported: {reason}"));
                    cells.extend(FIGURES.iter().skip(1).map(|_| String::new()));
                }
            }
            cells
        });
        Table { header, rows: rows.collect(), numbers: 2 }
    }

    /// The kinds of run with their errors, as text.
    pub fn by_group(&self) -> String {
        self.groups().text()
    }

    fn groups(&self) -> Table {
        let mut groups: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for row in &self.rows {
            let (rows, supported) = groups.entry(&row.group).or_default();
            *rows += 1;
            *supported += usize::from(row.errors.is_ok());
        }
        let mut header: Vec<String> = ["group", "rows", "supported"].map(str::to_owned).to_vec();
        for figure in ["peak_requested", "peak_allocated", "peak_reserved"] {
            for cut in ["median", "p95", "max"] {
                header.push(format!("{figure} {cut}"));
            }
        }
        let rows = groups.iter().map(|(group, (rows, supported))| {
            let mut cells = vec![(*group).to_owned(), rows.to_string(), supported.to_string()];
            for figure in ["peak_requested", "peak_allocated", "peak_reserved"] {
                cells.extend(cuts(self.spread(figure, |row| row.group == *group)).map(percent_of));
            }
            cells
        });
        Table { header, rows: rows.collect(), numbers: 1 }
    }

    fn figures(&self) -> Table {
        let header = ["figure", "median", "p95", "max"].map(str::to_owned).to_vec();
        let rows = FIGURES.iter().map(|figure| {
            let mut cells = vec![(*figure).to_owned()];
            cells.extend(cuts(self.spread(figure, |_| true)).map(percent_of));
            cells
        });
        Table { header, rows: rows.collect(), numbers: 1 }
    }

    fn summary(&self) -> String {
        format!("{} rows, {} supported\n\n{}", self.rows.len(), self.supported(), self.figures().text())
    }

    /// The page `docs/accuracy.md`: summary, groups, the worst rows, what is not supported.
    fn markdown(&self) -> String {
        let mut worst: Vec<&Row> = self.rows.iter().filter(|row| row.errors.is_ok()).collect();
        worst.sort_by(|a, b| peak_error(b).total_cmp(&peak_error(a)));
        worst.truncate(12);
        let worst = Self { rows: worst.into_iter().cloned().collect() };
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for row in &self.rows {
            if let Err(Unsupported(reason)) = &row.errors {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        let unsupported = Table {
            header: ["not supported because of", "rows"].map(str::to_owned).to_vec(),
            rows: reasons.iter().map(|(reason, rows)| vec![(*reason).to_owned(), rows.to_string()]).collect(),
            numbers: 1,
        };
        format!(
            "{} rows, {} supported. Errors are relative to what PyTorch allocated; summaries are of absolute values.\n\n{}\n\
             ## By kind of run\n\n{}\n## The worst rows\n\n{}\n## Not supported\n\n{}",
            self.rows.len(),
            self.supported(),
            self.figures().markdown(),
            self.groups().markdown(),
            worst.table().markdown(),
            unsupported.markdown()
        )
    }
}

fn peak_error(row: &Row) -> f64 {
    row.error("peak_requested").map_or(0.0, f64::abs)
}

pub(super) fn percent(error: f64) -> String {
    format!("{:+.3} %", error * 100.0)
}

/// Nothing where there is nothing to say it of.
pub(super) fn percent_of(error: Option<f64>) -> String {
    error.map_or_else(String::new, |error| format!("{:.3} %", error * 100.0))
}

/// Median, 95 in 100, largest.
pub(super) fn cuts(spread: Option<Spread>) -> [Option<f64>; 3] {
    [spread.map(|of| of.median), spread.map(|of| of.p95), spread.map(|of| of.max)]
}
