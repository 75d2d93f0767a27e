//! The comparison with real GPUs, as text, JSON, CSV or Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use vram_core::units::Bytes;
use vram_text::{Unit, format_bytes};

use super::golden::Unsupported;
use super::measured::{GROUPS, MEASURED_FIGURES, MeasuredRow};
use super::report::{Spread, percent, percent_of};
use crate::failure::Failure;
use crate::output::{Format, Table};

/// All runs of a table.
#[derive(Clone, Debug)]
pub struct MeasuredReport {
    /// In the order of the table.
    pub rows: Vec<MeasuredRow>,
}

impl MeasuredReport {
    /// Runs that could be expressed.
    pub fn expressed(&self) -> impl Iterator<Item = &MeasuredRow> {
        self.rows.iter().filter(|row| row.compared.is_ok())
    }

    /// The largest absolute error of `max_memory_allocated`.
    pub fn worst(&self) -> f64 {
        self.spread("allocated").map_or(0.0, |spread| spread.max)
    }

    /// Absolute errors of a figure; none where nobody measured it.
    pub fn spread(&self, figure: &str) -> Option<Spread> {
        Spread::of(self.expressed().filter_map(|row| row.error(figure)))
    }

    /// Prints everything.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub fn print(&self, format: Format) -> Result<String, Failure> {
        match format {
            Format::Json => Ok(self.json().to_string() + "\n"),
            Format::Csv => self.table().csv(),
            Format::Markdown => Ok(self.markdown()),
            Format::Table | Format::Svg => {
                Ok(self.table().text() + "\n" + &self.not_expressed().text() + "\n" + &self.summary().text())
            }
        }
    }

    fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let errors: Map<String, Value> = MEASURED_FIGURES
                    .iter()
                    .map(|figure| (figure.key.to_owned(), json!(row.error(figure.key))))
                    .collect();
                let reason = row.compared.as_ref().err().map(|Unsupported(reason)| reason);
                json!({ "id": row.id, "run": row.run, "errors": errors, "reason": reason })
            })
            .collect();
        let summary: Map<String, Value> = MEASURED_FIGURES
            .iter()
            .map(|figure| {
                let [median, p90, max] = cuts(self.spread(figure.key));
                (figure.key.to_owned(), json!({ "median": median, "p90": p90, "max": max }))
            })
            .collect();
        json!({ "rows": rows, "summary": summary })
    }

    fn summary(&self) -> Table {
        let kinds =
            GROUPS.iter().flat_map(|group| MEASURED_FIGURES.iter().map(move |figure| (*group, figure.key)));
        let rows = kinds.filter_map(|(group, figure)| {
            let of_group = self.expressed().filter(|row| row.group == group);
            let errors: Vec<f64> = of_group.filter_map(|row| row.error(figure)).collect();
            let spread = Spread::of(errors.iter().copied())?;
            let mut cells = vec![group.to_owned(), figure.to_owned(), errors.len().to_string()];
            cells.extend(cuts(Some(spread)).map(percent_of));
            Some(cells)
        });
        Table {
            header: titles(&["runs on", "figure", "runs", "median", "p90", "max"]),
            rows: rows.collect(),
            numbers: 2,
        }
    }

    fn table(&self) -> Table {
        let mut header = titles(&["id", "run"]);
        for figure in &MEASURED_FIGURES {
            header.extend([format!("{} measured", figure.key), "error".to_owned()]);
        }
        header.extend(titles(&["in the band", "oracle allocated", "oracle reserved"]));
        let rows = self.expressed().map(|row| {
            let mut cells = vec![row.id.clone(), row.run.clone()];
            for (figure, measured) in MEASURED_FIGURES.iter().zip(row.measured) {
                cells.push(measured.map_or_else(String::new, size));
                cells.push(row.error(figure.key).map_or_else(String::new, percent));
            }
            let is_in_band = row.compared.as_ref().ok().and_then(|compared| compared.is_in_band);
            let in_words = |is_in_band| if is_in_band { "yes" } else { "no" };
            cells.push(is_in_band.map_or("", in_words).to_owned());
            cells.extend(row.oracle.map(|bytes| bytes.map_or_else(String::new, size)));
            cells
        });
        Table { header, rows: rows.collect(), numbers: 2 }
    }

    fn not_expressed(&self) -> Table {
        let rows = self.rows.iter().filter_map(|row| {
            let Unsupported(reason) = row.compared.as_ref().err()?;
            let (figure, bytes) = row.stated.clone().unwrap_or_default();
            Some(vec![row.id.clone(), row.run.clone(), reason.clone(), figure, size(bytes)])
        });
        Table {
            header: titles(&["id", "run", "because of", "figure", "measured"]),
            rows: rows.collect(),
            numbers: 4,
        }
    }

    fn reasons(&self) -> Table {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for Unsupported(all) in self.rows.iter().filter_map(|row| row.compared.as_ref().err()) {
            for reason in all.split(", ") {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        let rows = reasons.iter().map(|(reason, rows)| vec![(*reason).to_owned(), rows.to_string()]);
        Table { header: titles(&["not expressed because of", "rows"]), rows: rows.collect(), numbers: 1 }
    }

    /// A section of `docs/accuracy.md`.
    fn markdown(&self) -> String {
        let figures = MEASURED_FIGURES.iter().fold(String::new(), |mut list, figure| {
            let _ = writeln!(list, "- `{}`: {}.", figure.key, figure.what);
            list
        });
        format!(
            "## Against real GPUs\n\n\
             What others measured on real GPUs: every run of `tests/measured/rows.jsonl` (one GPU) and `several_gpus.jsonl`, and every \
             pipeline stage of `megatron.jsonl` (Megatron-LM on eight B200): {} runs, {} of them expressed. Each figure is compared with its \
             own:\n\n{figures}\n\
             The columns `oracle` are the same step of the same model on the stack that is modelled ([oracle.md](oracle.md)). What lies \
             between them and the estimate is the estimator's; what lies between them and the card is other versions'.\n\n\
             {}\n{}\n### Why a figure is off\n\n{}\n\
             ### What was taken for granted\n\n{}\n### Real runs that are not expressed\n\nA run can have several reasons.\n\n{}\n{}",
            self.rows.len(),
            self.expressed().count(),
            self.summary().markdown(),
            self.table().markdown(),
            self.explanations(),
            self.assumptions(),
            self.reasons().markdown(),
            self.not_expressed().markdown(),
        )
    }

    fn explanations(&self) -> String {
        let mut list = String::new();
        for row in self.expressed() {
            for (figure, why) in &row.off_because {
                let error = row.error(figure).map_or_else(String::new, percent);
                let _ = writeln!(list, "- {}, `{figure}`, {error}: {}", row.id, why.as_str().unwrap_or("?"));
            }
        }
        list
    }

    /// Each assumption once, with the runs that rest on it.
    fn assumptions(&self) -> String {
        let mut runs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for row in self.expressed() {
            for assumption in &row.assumptions {
                runs.entry(assumption).or_default().push(&row.id);
            }
        }
        runs.iter().fold(String::new(), |mut list, (assumption, ids)| {
            let _ = writeln!(list, "- {assumption} ({})", ids.join(", "));
            list
        })
    }
}

/// Median, nine in ten, largest.
fn cuts(spread: Option<Spread>) -> [Option<f64>; 3] {
    [spread.map(|of| of.median), spread.map(|of| of.p90), spread.map(|of| of.max)]
}

fn titles(titles: &[&str]) -> Vec<String> {
    titles.iter().map(|&title| title.to_owned()).collect()
}

fn size(bytes: u64) -> String {
    format_bytes(Bytes::new(bytes), Unit::GB)
}
