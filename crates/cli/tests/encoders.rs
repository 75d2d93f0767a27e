//! Encoders and models of several stacks of layers beside PyTorch, on runs of small models.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use vram::accuracy::{Report, read_file};

/// Largest errors of the peak of all runs: median, all.
const PEAK: [f64; 2] = [0.000_06, 0.002_4];
/// What every run is held to in each phase.
const PHASE: f64 = 0.01;
/// The same with a vision tower, of whose unused layers forward keeps what backward never needs.
const OF_TOWERS: f64 = 0.013;

/// Run with `--nocapture` to see the rows.
#[test]
fn encoders_are_within_their_limits_and_states_are_exact() {
    let path = format!("{}/../../tests/goldens/encoders.jsonl", env!("CARGO_MANIFEST_DIR"));
    let rows = Report::of(&read_file(&path).unwrap()).rows;
    for row in &rows {
        assert!(row.errors.is_ok(), "{} {:?}", row.id, row.errors);
        for figure in ["params", "grads", "optimizer_states"] {
            assert_eq!(row.error(figure), Some(0.0), "{} {figure}", row.id);
        }
        for figure in ["forward", "backward", "optimizer_step"] {
            let limit = if row.id.starts_with("llava") { OF_TOWERS } else { PHASE };
            assert!(row.error(figure).unwrap().abs() <= limit, "{} {figure} {:?}", row.id, row.errors);
        }
    }
    let mut errors: Vec<f64> = rows.iter().map(|row| row.error("peak_requested").unwrap().abs()).collect();
    errors.sort_by(f64::total_cmp);
    let reached = [errors[errors.len() / 2], errors[errors.len() - 1]];
    println!("{} rows, median {:.4} %, max {:.4} %", rows.len(), reached[0] * 100.0, reached[1] * 100.0);
    assert!(reached[0] <= PEAK[0] && reached[1] <= PEAK[1], "{reached:?}");
}
