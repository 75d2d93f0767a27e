//! What is covered: every choice of every field, with the runs that use it and how far they are off at the peak.

use std::fmt::Write as _;

use vram_core::model::Family;
use vram_core::scenario::LoraTargets;
use vram_core::{Scenario, link};
use vram_text::{Lang, field_name};

use super::golden::Golden;
use super::measured::MeasuredRow;
use super::report::{Report, Spread, percent_of};

const FAMILY: &str = "family";
/// A named way of spreading a run sets other fields, which are counted themselves; no link says it.
const SETS_OTHERS: &str = "spread";

/// A choice of a field.
struct Choice {
    key: &'static str,
    word: &'static str,
    /// Golden runs that use it.
    golden: usize,
    /// Their errors at the peak.
    peak: Option<Spread>,
    /// Runs on real GPUs that use it.
    measured: usize,
    /// Their errors of what the allocator counted.
    allocated: Option<Spread>,
    /// Whether it goes with any of the runs, were it chosen there.
    is_accepted: bool,
}

/// How each choice is backed.
pub struct Coverage {
    choices: Vec<Choice>,
}

/// A run's scenario, and its error at the peak where that was measured.
type Run<'a> = (&'a Scenario, Option<f64>);

impl Coverage {
    /// Counts the runs that use each choice. `report` is that of `goldens`.
    pub fn of(goldens: &[Golden], report: &Report, measured: &[MeasuredRow]) -> Self {
        let golden: Vec<Run<'_>> = goldens
            .iter()
            .zip(&report.rows)
            .filter(|(_, row)| row.errors.is_ok())
            .filter_map(|(golden, row)| Some((golden.scenario.as_ref().ok()?, row.error("peak_requested"))))
            .collect();
        let real: Vec<Run<'_>> = measured
            .iter()
            .filter_map(|row| Some((&row.compared.as_ref().ok()?.scenario, row.error("allocated"))))
            .collect();
        let choices = fields().flat_map(|key| words(key).into_iter().map(move |word| (key, word)));
        let choices = choices.map(|(key, word)| {
            let [golden_runs, real_runs] = [&golden, &real].map(|runs| using(runs, key, word));
            let is_used = !golden_runs.is_empty() || !real_runs.is_empty();
            Choice {
                is_accepted: is_used || is_accepted(&golden, key, word),
                key,
                word,
                golden: golden_runs.len(),
                peak: Spread::of(golden_runs.iter().filter_map(|(_, error)| *error)),
                measured: real_runs.len(),
                allocated: Spread::of(real_runs.iter().filter_map(|(_, error)| *error)),
            }
        });
        Self { choices: choices.collect() }
    }

    /// The choices that no golden run has: a key a line, for the page.
    pub fn derived(&self) -> String {
        let mut text = String::new();
        for key in fields() {
            let words: Vec<&str> = self
                .of_field(key)
                .filter(|of| of.golden + of.measured == 0 && of.is_accepted)
                .map(|of| of.word)
                .collect();
            if !words.is_empty() {
                text = text + key + " " + &words.join(" ") + "\n";
            }
        }
        text
    }

    /// A table of each field.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for key in fields() {
            let name = match key {
                FAMILY => "Model family (\"family\")".to_owned(),
                _ => field_name(&vram_core::Field::new(key), Lang::En),
            };
            // Writing to a String can't fail.
            let _ = writeln!(
                text,
                "\n## {name}\n\n| choice | backed by | golden runs | median | max | real GPUs | median | max |"
            );
            text += "|---|---|---:|---:|---:|---:|---:|---:|\n";
            for Choice { word, golden, peak, measured, allocated, is_accepted, .. } in self.of_field(key) {
                let backed = match (golden, measured) {
                    (1.., 1..) => "golden, measured",
                    (1.., 0) => "golden",
                    (0, 1..) => "measured",
                    (0, 0) if *is_accepted => "derived, not measured",
                    (0, 0) => "refused beside every run",
                };
                let [peak, allocated] = [peak, allocated]
                    .map(|of| [of.map(|of| of.median), of.map(|of| of.max)].map(percent_of).join(" | "));
                let _ =
                    writeln!(text, "| `{word}` | {backed} | {golden} | {peak} | {measured} | {allocated} |");
            }
        }
        text
    }

    fn of_field(&self, key: &str) -> impl Iterator<Item = &Choice> {
        self.choices.iter().filter(move |choice| choice.key == key)
    }
}

/// The fields with choices: the family first, then those of training.
fn fields() -> impl Iterator<Item = &'static str> {
    link::keys()
        .filter(|key| !words(key).is_empty() && (*key == FAMILY || !link::is_dimension(key)))
        .filter(|key| *key != SETS_OTHERS)
}

/// What a field may be. Families and targets are more than what is listed as accepted.
fn words(key: &str) -> Vec<&'static str> {
    match key {
        FAMILY => Family::ALL.map(Family::key).to_vec(),
        "lora_targets" => LoraTargets::KEYS.to_vec(),
        _ => link::words(key).to_vec(),
    }
}

/// Whether a choice goes with any run: by itself, or beside the one other choice that gives it an effect.
fn is_accepted(runs: &[Run<'_>], key: &'static str, word: &str) -> bool {
    runs.iter().any(|(scenario, _)| accepts(scenario, key, word))
        || runs.iter().filter(|(scenario, _)| !link::matters(scenario, key)).any(|(scenario, _)| {
            fields().flat_map(|other| words(other).into_iter().map(move |word| (other, word))).any(
                |(other, chosen)| {
                    let mut beside = (*scenario).clone();
                    other != key
                        && link::set(&mut beside, other, chosen).is_ok()
                        && accepts(&beside, key, word)
                },
            )
        })
}

/// Whether a scenario takes a choice, and it has an effect there.
fn accepts(scenario: &Scenario, key: &str, word: &str) -> bool {
    let mut changed = scenario.clone();
    link::set(&mut changed, key, word).is_ok() && link::matters(&changed, key) && changed.validate().is_ok()
}

/// The runs that use a choice. A field that doesn't matter to a run is not used by it, unless it only matters once it is chosen.
fn using<'a>(runs: &[Run<'a>], key: &str, word: &str) -> Vec<Run<'a>> {
    let chosen = |(scenario, _): &&Run<'a>| link::value(scenario, key).as_deref() == Some(word);
    // Links have always said these, with adapters or without.
    let is_of_adapters = key.starts_with("lora_") || key == "base_dtype";
    let matters =
        |(scenario, _): &&Run<'a>| link::matters(scenario, key) && (scenario.lora.is_on() || !is_of_adapters);
    let using: Vec<Run<'a>> = runs.iter().filter(chosen).filter(matters).copied().collect();
    if !using.is_empty() || is_of_adapters {
        return using;
    }
    let by_being_chosen = |(scenario, _): &&Run<'a>| {
        words(key).iter().any(|other| {
            let mut changed = (*scenario).clone();
            link::set(&mut changed, key, other).is_ok() && link::matters(&changed, key)
        })
    };
    runs.iter().filter(chosen).filter(by_being_chosen).copied().collect()
}
