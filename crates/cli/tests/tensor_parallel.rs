//! Tensor parallelism with `DTensor`: with and without sequence and loss parallelism, and FSDP2.

#![expect(clippy::expect_used, reason = "a test that fails is a test that panics")]

use vram::accuracy::{Report, Row, read_file};

/// Largest errors: what was reached.
const LARGE: f64 = 0.000_003;
const SMALL: f64 = 0.000_6;

fn rows(file: &str, group: &str) -> Vec<Row> {
    let path = format!("{}/../../tests/goldens/{file}", env!("CARGO_MANIFEST_DIR"));
    let all = read_file(&path).expect("the project has this file");
    let goldens: Vec<_> = all.into_iter().filter(|golden| golden.group == group).collect();
    Report::of(&goldens).rows
}

fn assert_within(rows: &[Row], peak: f64) {
    for row in rows {
        for (figure, limit) in
            [("params", 0.0), ("grads", 0.0), ("optimizer_states", 0.0), ("peak_requested", peak)]
        {
            let error = row.error(figure).expect("every row is supported").abs();
            assert!(error <= limit, "{} {figure} {error}", row.id);
        }
    }
}

/// PARALLEL section 6: Llama and Qwen2.5 of 3 to 70 billion parameters, 2 to 8 ways, on up to 64 GPUs.
#[test]
fn large_models_are_exact_on_each_rank() {
    let rows = rows("goldens_parallel.jsonl", "tp");
    assert_eq!(rows.len(), 19);
    assert_within(&rows, LARGE);
}

/// Small models of fifteen families: other precisions, optimizers, kernels, sequences, micro-batches, odd vocabularies and ways.
#[test]
fn small_models_are_exact_on_each_rank() {
    let rows = rows("tensor_parallel.jsonl", "tensor parallel");
    assert!(rows.len() >= 84, "{}", rows.len());
    assert_within(&rows, SMALL);
}
