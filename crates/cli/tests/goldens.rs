//! The golden runs on one GPU, by their groups; and what is counted of them. Every other file is held by `corpora`.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

mod common;

use std::collections::BTreeMap;

use common::{goldens, path};
use serde_json::Value;
use vram::accuracy::{FIGURES, Golden, Report, Row};
use vram_core::estimate_with_replay;

/// Runs that the scenario can express.
const SUPPORTED: usize = 380;

/// The runs of a file, each beside its line.
fn runs(file: &str) -> Vec<(Value, Golden)> {
    let text = std::fs::read_to_string(path(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).zip(goldens(file)).collect()
}

/// Largest errors of a group of runs, as fractions: median, 95 in 100, all.
struct Limits {
    figure: &'static str,
    median: f64,
    p95: f64,
    max: f64,
}

const fn limits(figure: &'static str, median: f64, p95: f64, max: f64) -> Limits {
    Limits { figure, median, p95, max }
}

/// What every group is held to at its peak.
const PEAK: [Limits; 1] = [limits("peak_requested", 0.000_05, 0.000_1, 0.001)];
/// The first run of a process on the older stack (v0000) still has two cuBLAS workspaces at every moment.
const OLDER: [Limits; 1] = [limits("peak_requested", 0.000_05, 0.000_1, 0.01)];
/// What every run is held to in each phase.
const PHASE: f64 = 0.01;
/// Of dense decoders the phases too.
const DENSE: [Limits; 4] = [
    limits("peak_requested", 0.000_05, 0.001, 0.005),
    limits("forward", 0.000_05, 0.001, 0.005),
    limits("backward", 0.000_05, 0.001, 0.005),
    limits("optimizer_step", 0.000_05, 0.001, 0.005),
];
/// Of all runs together, what follows from the allocator's rules.
const ALLOCATOR: [Limits; 2] =
    [limits("peak_allocated", 0.000_1, 0.005, 0.01), limits("peak_reserved", 0.005, 0.04, 0.09)];

fn assert_within(name: &str, rows: &[&Row], limits: &[Limits]) {
    for limit in limits {
        let mut errors: Vec<f64> =
            rows.iter().filter_map(|row| row.error(limit.figure)).map(f64::abs).collect();
        errors.sort_by(f64::total_cmp);
        let (max, median) = (errors[errors.len() - 1], errors[errors.len() / 2]);
        let p95 = errors[errors.len() * 95 / 100];
        let shown = [median, p95, max].map(|error| format!("{:.4} %", error * 100.0)).join("  ");
        println!("{name:40} {:5} rows  {:15} {shown}", rows.len(), limit.figure);
        assert!(median <= limit.median && p95 <= limit.p95 && max <= limit.max, "{name} {}", limit.figure);
    }
}

/// Run with `--nocapture` to see the groups.
#[test]
fn every_group_of_runs_is_within_its_limits_and_states_are_exact() {
    let rows = Report::of(&goldens("goldens/goldens.jsonl")).rows;
    let supported: Vec<&Row> = rows.iter().filter(|row| row.errors.is_ok()).collect();
    assert!(supported.len() >= SUPPORTED, "{}", supported.len());
    for row in &supported {
        for figure in ["params", "grads", "optimizer_states"] {
            assert_eq!(row.error(figure), Some(0.0), "{} {figure}", row.id);
        }
        for figure in ["forward", "backward", "optimizer_step"] {
            assert!(row.error(figure).unwrap().abs() <= PHASE, "{} {figure} {:?}", row.id, row.errors);
        }
    }
    let mut groups: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &supported {
        groups.entry(&row.group).or_default().push(row);
    }
    for (group, rows) in &groups {
        let limits: &[Limits] = match *group {
            "dense decoders, SDPA, full fine-tuning" => &DENSE,
            "older stack" => &OLDER,
            _ => &PEAK,
        };
        assert_within(group, rows, limits);
    }
    assert_within("all", &supported, &ALLOCATOR);
}

/// The band around a replay's reserved memory is to hold for 95 in 100 runs.
#[test]
fn reserved_memory_lies_in_its_band_for_95_in_100_runs() {
    let (mut inside, mut all) = (0, 0);
    for file in ["goldens.jsonl", "more.jsonl", "random.jsonl"] {
        for (run, golden) in runs(&format!("goldens/{file}")) {
            let (Ok(scenario), Some(measured)) =
                (&golden.scenario, run["measured"]["peak_reserved"].as_u64())
            else {
                continue;
            };
            let reserved = estimate_with_replay(scenario).unwrap().reserved;
            all += 1;
            inside += u32::from((reserved.low.get()..=reserved.high.get()).contains(&measured));
        }
    }
    println!("{inside} of {all} runs reserve what the band says");
    assert!(inside * 100 >= all * 95, "{inside} of {all}");
}

#[test]
fn a_case_that_has_no_scenario_is_counted_and_never_skipped() {
    for (file, rows) in [("goldens.jsonl", 380), ("goldens_parallel.jsonl", 263)] {
        let report = Report::of(&goldens(&format!("goldens/{file}"))).json();
        assert_eq!(report["summary"]["rows"], rows);
        assert_eq!(report["rows"].as_array().unwrap().len(), rows);
        let supported =
            report["rows"].as_array().unwrap().iter().filter(|row| row["supported"] == true).count();
        assert_eq!(report["summary"]["supported"], supported);
        for figure in FIGURES {
            assert!(report["summary"][figure]["max"].is_number(), "{figure}");
        }
    }
}
