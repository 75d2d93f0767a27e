//! Optimizers beside their own code: small models, one step of each.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails is a test that panics")]

use std::collections::BTreeSet;

use vram::accuracy::{Golden, Report, Row, read_file};
use vram_core::scenario::{Evidence, Optimizer};

fn rows(file: &str) -> Vec<Golden> {
    read_file(&format!("{}/../../tests/goldens/{file}", env!("CARGO_MANIFEST_DIR")))
        .expect("the project has this file")
}

fn error(row: &Row, figure: &str) -> f64 {
    row.error(figure).unwrap().abs()
}

#[test]
fn states_are_exact_and_a_step_is_within_one_percent_of_every_optimizers_own_code() {
    let report = Report::of(&rows("optimizers.jsonl"));
    for row in &report.rows {
        assert!(row.errors.is_ok(), "{} {:?}", row.id, row.errors);
        assert!(error(row, "optimizer_states") == 0.0, "{} {:?}", row.id, row.errors);
        assert!(error(row, "optimizer_step") <= 0.01, "{} {:?}", row.id, row.errors);
        assert!(error(row, "peak_requested") <= 0.002, "{} {:?}", row.id, row.errors);
        assert!(error(row, "peak_allocated") <= 0.03, "{} {:?}", row.id, row.errors);
    }
}

/// Of models of 1 and 8 B parameters.
#[test]
fn low_bit_paged_and_in_backward_optimizers_are_exact_to_a_thousandth_of_a_percent() {
    let goldens: Vec<Golden> = rows("goldens_parallel.jsonl")
        .into_iter()
        .filter(|g| g.group == "opts" || g.group == "oib")
        .collect();
    let report = Report::of(&goldens);
    assert_eq!(report.rows.len(), 21);
    for row in &report.rows {
        assert!(row.errors.is_ok(), "{} {:?}", row.id, row.errors);
        assert!(error(row, "optimizer_states") == 0.0, "{} {:?}", row.id, row.errors);
        for figure in ["forward", "backward", "optimizer_step", "peak_requested"] {
            assert!(error(row, figure) <= 0.000_01, "{} {figure} {:?}", row.id, row.errors);
        }
    }
}

#[test]
fn an_optimizer_that_is_said_to_be_backed_by_runs_has_one() {
    let files =
        ["optimizers.jsonl", "goldens.jsonl", "goldens_parallel.jsonl", "more.jsonl", "methods.jsonl"];
    let with_a_run: BTreeSet<Optimizer> = files
        .iter()
        .flat_map(|file| rows(file))
        .filter_map(|golden| golden.scenario.ok().map(|scenario| scenario.optimizer))
        .collect();
    for &optimizer in Optimizer::ALL {
        let has_one = with_a_run.contains(&optimizer);
        assert_eq!(has_one, optimizer.evidence() == Evidence::Golden, "{}", optimizer.key());
    }
}
