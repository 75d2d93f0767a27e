//! PEFT's methods: the estimator beside PyTorch.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use vram::accuracy::{Report, Row, read_file};

#[test]
fn runs_with_adapters_of_every_method_are_exact_at_their_peak() {
    let path = format!("{}/../../tests/goldens/peft.jsonl", env!("CARGO_MANIFEST_DIR"));
    let rows: Vec<Row> = Report::of(&read_file(&path).unwrap()).rows;
    assert!(rows.len() >= 43, "{}", rows.len());
    for row in rows {
        let within = |figure: &str, limit: f64| {
            let error = row.error(figure).map(f64::abs);
            assert!(error.is_some_and(|error| error <= limit), "{} {figure} {:?}", row.id, row.errors);
        };
        for figure in ["params", "grads", "optimizer_states"] {
            within(figure, 0.0);
        }
        within("peak_requested", 0.000_2);
        for figure in ["forward", "backward", "optimizer_step"] {
            within(figure, 0.007);
        }
    }
}
