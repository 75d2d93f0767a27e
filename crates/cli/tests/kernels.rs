//! Losses and fused kernels beside PyTorch, Liger, torchtune and TRL.

#![expect(clippy::expect_used, reason = "a test that fails is a test that panics")]

use vram::accuracy::{Golden, Report, read_file};

/// Largest error of a phase: what was reached.
const PHASE: f64 = 0.000_05;
const COMPILED: f64 = 0.000_2;
/// Models of some hundred MiB, of which a few blocks are a larger part.
const FRESH: f64 = 0.005;
/// What of a compiled layer's kept tensors is let go during its backward is not followed.
const RECOMPUTED: f64 = 0.03;

/// Rows of a golden file and the groups of them that are held here.
fn assert_within(file: &str, groups: &[&str], count: usize, limit: f64) {
    let path = format!("{}/../../tests/goldens/{file}", env!("CARGO_MANIFEST_DIR"));
    let all = read_file(&path).expect("the project has this file");
    let goldens: Vec<Golden> = all
        .into_iter()
        .filter(|golden| groups.is_empty() || groups.contains(&golden.group.as_str()))
        .collect();
    assert_eq!(goldens.len(), count);
    for row in Report::of(&goldens).rows {
        for figure in ["forward", "backward", "optimizer_step", "peak_requested"] {
            let error = row.error(figure).expect("every row is supported").abs();
            assert!(error <= limit, "{} {figure} {error}", row.id);
        }
    }
}

#[test]
fn losses_and_liger_kernels_agree_in_every_phase() {
    assert_within("goldens_parallel.jsonl", &["liger", "loss"], 26, PHASE);
}

#[test]
fn compiled_layers_and_models_agree_in_every_phase() {
    assert_within("goldens_parallel.jsonl", &["compile"], 5, COMPILED);
}

#[test]
fn fresh_runs_agree_in_every_phase() {
    assert_within("kernels.jsonl", &["kernels"], 63, FRESH);
    assert_within("kernels.jsonl", &["compiled and checkpointed"], 1, RECOMPUTED);
}
