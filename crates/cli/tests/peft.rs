//! PEFT's methods: the estimator beside PyTorch.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use vram::accuracy::{Report, Row, read_file};

fn rows(file: &str) -> Vec<Row> {
    let path = format!("{}/../../tests/goldens/{file}", env!("CARGO_MANIFEST_DIR"));
    Report::of(&read_file(&path).unwrap()).rows
}

#[test]
fn runs_with_adapters_of_every_method_are_exact_at_their_peak() {
    let rows = rows("peft.jsonl");
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

/// Copies of modules beside adapters of another dtype, and the head over labels that PEFT copies by itself, over plain and quantised bases.
#[test]
fn copies_of_modules_keep_their_dtype() {
    let rows = rows("saves.jsonl");
    assert_eq!(rows.len(), 13);
    for row in rows {
        let within = |figure: &str, limit: f64| {
            let error = row.error(figure).map(f64::abs);
            assert!(error.is_some_and(|error| error <= limit), "{} {figure} {:?}", row.id, row.errors);
        };
        for figure in ["params", "grads", "optimizer_states"] {
            within(figure, 0.0);
        }
        within("optimizer_step", 0.000_6);
        within("backward", 0.003);
        within("peak_requested", 0.002_5);
    }
}

/// Keys and values in front of each layer's, with and without an MLP that makes them, in several families.
#[test]
fn prefix_tuning_is_exact() {
    let rows = rows("prefix.jsonl");
    assert_eq!(rows.len(), 21);
    for row in rows {
        let within = |figure: &str, limit: f64| {
            let error = row.error(figure).map(f64::abs);
            assert!(error.is_some_and(|error| error <= limit), "{} {figure} {:?}", row.id, row.errors);
        };
        for figure in ["params", "grads", "optimizer_states"] {
            within(figure, 0.0);
        }
        within("optimizer_step", 0.000_001);
        for figure in ["forward", "backward", "peak_requested"] {
            within(figure, 0.000_05);
        }
    }
}
