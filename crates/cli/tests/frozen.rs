//! Models of which a part is frozen: the estimator beside PyTorch.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use vram::accuracy::{Report, Row, read_file};

#[test]
fn runs_with_frozen_parts_are_exact_but_for_norms_behind_the_mlp() {
    let path = format!("{}/../../tests/goldens/frozen.jsonl", env!("CARGO_MANIFEST_DIR"));
    let rows: Vec<Row> = Report::of(&read_file(&path).unwrap()).rows;
    assert_eq!(rows.len(), 38);
    for row in rows {
        let within = |figure: &str, limit: f64| {
            let error = row.error(figure).map(f64::abs);
            assert!(error.is_some_and(|error| error <= limit), "{} {figure} {:?}", row.id, row.errors);
        };
        for figure in ["params", "grads", "optimizer_states"] {
            within(figure, 0.0);
        }
        within("peak_requested", 0.000_7);
        for figure in ["forward", "backward", "optimizer_step"] {
            within(figure, 0.005);
        }
    }
}
