//! Tables as text, Markdown and CSV.

use crate::failure::Failure;

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns.
    #[default]
    Table,
    /// JSON, sizes in bytes.
    Json,
    /// Comma-separated values.
    Csv,
    /// A Markdown table.
    Markdown,
    /// A drawing of the bars (`vram estimate` only).
    Svg,
}

/// Rows under a header. Columns from `numbers` on are aligned to the right.
pub struct Table {
    /// Titles of the columns.
    pub header: Vec<String>,
    /// Cells, as many in each row as there are titles.
    pub rows: Vec<Vec<String>>,
    /// The first column with numbers.
    pub numbers: usize,
}

impl Table {
    /// Aligned columns.
    pub fn text(&self) -> String {
        let widths: Vec<usize> = (0..self.header.len())
            .map(|column| {
                self.lines().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in self.lines() {
            let mut line = String::new();
            for (column, (cell, &wide)) in row.iter().zip(&widths).enumerate() {
                let pad = " ".repeat(wide.saturating_sub(width(cell)));
                if column > 0 {
                    line.push_str("  ");
                }
                if column >= self.numbers {
                    line.push_str(&(pad + cell));
                } else {
                    line.push_str(&(cell.clone() + &pad));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// A Markdown table.
    pub fn markdown(&self) -> String {
        let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = (0..self.header.len()).map(|column| if column >= self.numbers { "--:" } else { "---" });
        let mut text = row(&self.header) + &format!("|{}|\n", rule.collect::<Vec<_>>().join("|"));
        for cells in &self.rows {
            text.push_str(&row(cells));
        }
        text
    }

    /// Comma-separated values.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub fn csv(&self) -> Result<String, Failure> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |error: &dyn std::fmt::Display| Failure::Output(error.to_string());
        for row in self.lines() {
            writer.write_record(row).map_err(|error| failed(&error))?;
        }
        let bytes = writer.into_inner().map_err(|error| failed(&error))?;
        String::from_utf8(bytes).map_err(|error| failed(&error))
    }

    fn lines(&self) -> impl Iterator<Item = &Vec<String>> {
        std::iter::once(&self.header).chain(&self.rows)
    }
}

/// Columns of a terminal that a text takes: Chinese characters take two.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| {
            if ('\u{1100}'..'\u{ffe6}').contains(&c) && !('\u{2000}'..'\u{2e80}').contains(&c) {
                2
            } else {
                1
            }
        })
        .sum()
}
