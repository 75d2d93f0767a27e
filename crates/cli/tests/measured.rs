//! The estimator beside real GPUs, on the project's table of published runs.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]
#![expect(clippy::cast_precision_loss, reason = "a relative error needs a few digits")]

mod common;

use std::collections::BTreeSet;

use serde_json::Value;
use vram::accuracy::{MEASURED_FIGURES, MeasuredReport, read_measured};
use vram_core::estimate;
use vram_core::ledger::Instant;
use vram_core::units::Count;

/// Published runs on one GPU that are complete: metric named, unit known, configuration whole.
const COMPLETE_RUNS: usize = 93;
/// An error that has to be explained.
const FAR_OFF: f64 = 0.08;

fn path() -> String {
    common::path("measured/rows.jsonl")
}

fn report() -> MeasuredReport {
    MeasuredReport { rows: read_measured(&path()).unwrap() }
}

fn table() -> Vec<Value> {
    let text = std::fs::read_to_string(path()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_run_is_accounted_for_by_a_scenario_or_by_reasons() {
    let table = table();
    let ids: BTreeSet<&str> = table.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!((table.len(), ids.len()), (COMPLETE_RUNS, COMPLETE_RUNS));
    for row in &table {
        let reasons = row["not_expressed"].as_array().map_or(0, Vec::len);
        assert_ne!(reasons > 0, row["scenario"].is_object(), "{} needs one of both", row["id"]);
        assert!(!row["measured"].as_object().unwrap().is_empty(), "{}", row["id"]);
        assert!(row["source"].is_string(), "{}", row["id"]);
    }
    assert_eq!(report().rows.len(), COMPLETE_RUNS);
}

#[test]
fn every_scenario_of_the_table_is_read() {
    for (row, line) in report().rows.iter().zip(table()) {
        if line["scenario"].is_object() {
            assert!(row.compared.is_ok(), "{} {:?}", row.id, row.compared);
            assert!(!row.assumptions.is_empty(), "{}", row.id);
            // The oracle has no GPTQ.
            let is_gptq = line["scenario"]["quantised_base"] == "gptq";
            assert!(is_gptq || row.oracle.iter().all(Option::is_some), "{}", row.id);
        }
    }
}

#[test]
fn every_figure_that_is_far_off_is_explained_and_no_other() {
    for row in report().expressed() {
        for figure in &MEASURED_FIGURES {
            let is_far_off = row.error(figure.key).is_some_and(|error| error.abs() > FAR_OFF);
            let is_explained = row.off_because.contains_key(figure.key);
            assert_eq!(is_explained, is_far_off, "{} {} {:?}", row.id, figure.key, row.error(figure.key));
        }
    }
}

/// The figures that were reached, rounded up in the last digit that is written. Better ones are welcome. What the card has beyond what is
/// allocated is the allocator's of torch 2.4, which no rule follows.
#[test]
fn errors_against_real_gpus_stay_as_small_as_they_are() {
    let reached =
        [("allocated", 0.000_6, 0.115), ("resident", 0.001_2, 0.003_2), ("device", 0.062_4, 0.146_6)];
    assert_reached(&of_base(Value::is_null), reached);
}

/// QLoRA and GPTQ-LoRA.
#[test]
fn errors_over_a_quantised_base_stay_as_small_as_they_are() {
    let reached = [("allocated", 0.000_5, 0.001_3), ("resident", 0.004_2, 0.01), ("device", 0.037, 0.09)];
    assert_reached(&of_base(|base| !base.is_null()), reached);
}

/// The runs whose scenario says so of its quantised base.
fn of_base(is_one: impl Fn(&Value) -> bool) -> MeasuredReport {
    let lines = table();
    let rows = report().rows.into_iter().zip(&lines);
    MeasuredReport {
        rows: rows
            .filter(|(_, line)| is_one(&line["scenario"]["quantised_base"]))
            .map(|(row, _)| row)
            .collect(),
    }
}

fn assert_reached(report: &MeasuredReport, reached: [(&str, f64, f64); 3]) {
    for (figure, median, p90) in reached {
        let spread = report.spread(figure).unwrap();
        println!("{figure}: {spread:?}");
        assert!(spread.median <= median && spread.p90 <= p90, "{figure} {spread:?}");
    }
}

/// The same step on the stack that is modelled, with the loss that ran: what is requested is the oracle's to the last digit; what is left are
/// the blocks that the replay takes whole.
#[test]
fn the_estimate_is_within_six_thousandths_of_the_oracle_on_every_expressed_run() {
    for row in report().expressed() {
        // Of GPTQ there is none (`every_scenario_of_the_table_is_read`).
        let [Some(oracle), _] = row.oracle else { continue };
        let [measured, ..] = row.measured;
        let ours = (1.0 + row.error("allocated").unwrap()) * measured.unwrap() as f64;
        let off = ours / oracle as f64 - 1.0;
        println!("{} {off:+.5}", row.id);
        assert!(off.abs() < 0.006, "{} {off}", row.id);
    }
}

/// FSDP1 over 2 to 64 GPUs. A peak at the optimizer's step is of sharded states alone.
#[test]
fn several_gpus_are_within_a_thousandth_at_the_step_and_explained_elsewhere() {
    let rows = read_measured(&common::path("measured/several_gpus.jsonl")).unwrap();
    assert_eq!(rows.len(), 20);
    let mut errors: Vec<f64> = Vec::new();
    for row in &rows {
        let error = row.error("allocated").unwrap().abs();
        let peak = estimate(&row.compared.as_ref().unwrap().scenario).unwrap().peak;
        // One key head for all is SantaCoder's: what it keeps more, 92 MB, isn't known.
        let scenario = &row.compared.as_ref().unwrap().scenario;
        let is_followed = scenario.model.architecture.kv_heads > Count::ONE;
        let limit = if peak == Instant::OptimizerStep && is_followed { 0.000_5 } else { 0.084 };
        assert!(error <= limit, "{} {error} {peak:?}", row.id);
        assert_eq!(row.off_because.contains_key("allocated"), error > 0.028, "{}", row.id);
        errors.push(error);
    }
    errors.sort_by(f64::total_cmp);
    assert!(errors[errors.len() / 2] < 0.008, "{errors:?}");
    assert!(errors[errors.len() * 9 / 10] < 0.041, "{errors:?}");
}
