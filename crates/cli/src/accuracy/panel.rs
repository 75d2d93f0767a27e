//! The page's panel "How accurate is this": a piece of HTML in each language, from the golden runs and from real GPUs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use vram_text::{Lang, accuracy as words};

use super::golden::Unsupported;
use super::measured::MEASURED_FIGURES;
use super::measured_report::MeasuredReport;
use super::report::{Report, Row, Spread, cuts, percent, percent_of};

/// How many of the worst runs are named.
const WORST: usize = 8;

/// The panel.
pub fn panel(report: &Report, measured: &MeasuredReport, lang: Lang) -> String {
    let peak = report.spread("peak_requested", |_| true);
    let cuts = cuts(peak).map(percent_of);
    [
        paragraph(&words::how_it_is_known(report.rows.len(), report.supported(), &cuts, lang)),
        groups(report, lang),
        paragraph(words::worst(lang)),
        worst(report, lang),
        paragraph(&words::on_real_gpus(measured.rows.len(), measured.expressed().count(), lang)),
        on_real_gpus(measured, lang),
        paragraph(words::not_expressed(lang)),
        not_expressed(report),
    ]
    .concat()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn put(html: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String can't fail.
    let _ = html.write_fmt(text);
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escaped(text))
}

/// A table; columns from the second one on are numbers.
fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let class = |column: usize| if column > 0 { " class=\"number\"" } else { "" };
    let mut html = String::from("<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>");
    for (column, title) in header.iter().enumerate() {
        put(&mut html, format_args!("<th scope=\"col\"{}>{}</th>", class(column), escaped(title)));
    }
    html += "</tr></thead>\n<tbody>";
    for row in rows {
        html += "<tr>";
        for (column, cell) in row.iter().enumerate() {
            let cell = escaped(cell);
            if column == 0 {
                put(&mut html, format_args!("<th scope=\"row\">{cell}</th>"));
            } else {
                put(&mut html, format_args!("<td class=\"number\">{cell}</td>"));
            }
        }
        html += "</tr>\n";
    }
    html + "</tbody></table></div>\n"
}

fn groups(report: &Report, lang: Lang) -> String {
    let mut groups: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for row in &report.rows {
        let (rows, supported) = groups.entry(&row.group).or_default();
        *rows += 1;
        *supported += usize::from(row.errors.is_ok());
    }
    let rows =
        groups.into_iter().filter(|(_, (_, supported))| *supported > 0).map(|(group, (rows, supported))| {
            let of = |figure| report.spread(figure, |row| row.group == group);
            let (peak, allocated, reserved) =
                (of("peak_requested"), of("peak_allocated"), of("peak_reserved"));
            let (median, max) = (|of: Spread| of.median, |of: Spread| of.max);
            let mut cells = vec![words::group(group, lang).to_owned(), format!("{supported} / {rows}")];
            cells.extend(
                [
                    peak.map(median),
                    peak.map(max),
                    allocated.map(max),
                    reserved.map(median),
                    reserved.map(|of| of.p95),
                ]
                .map(percent_of),
            );
            cells
        });
    table(&words::group_columns(lang), rows)
}

fn worst(report: &Report, lang: Lang) -> String {
    let error = |row: &Row| row.error("peak_requested").unwrap_or_default();
    let mut worst: Vec<&Row> = report.rows.iter().filter(|row| row.errors.is_ok()).collect();
    worst.sort_by(|a, b| error(b).abs().total_cmp(&error(a).abs()));
    let rows = worst.into_iter().take(WORST).map(|row| vec![row.label.clone(), percent(error(row))]);
    table(&words::worst_columns(lang), rows)
}

fn on_real_gpus(measured: &MeasuredReport, lang: Lang) -> String {
    let rows = measured.expressed().map(|row| {
        let mut cells = vec![row.run.clone()];
        cells.extend(
            MEASURED_FIGURES
                .iter()
                .map(|figure| row.error(figure.key).map_or_else(|| "–".to_owned(), percent)),
        );
        cells
    });
    table(&words::measured_columns(lang), rows)
}

fn not_expressed(report: &Report) -> String {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &report.rows {
        if let Err(Unsupported(reason)) = &row.errors {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let mut html = String::from("<ul>");
    for (reason, rows) in reasons {
        put(&mut html, format_args!("<li>{} ({rows})</li>", escaped(reason)));
    }
    html + "</ul>\n"
}
