//! Methods that train a part at a time or inside backward, beside their authors' code: LOMO, AdaLOMO, BAdam; and LISA
//! as a loop over PyTorch's AdamW.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails is a test that panics")]

use vram::accuracy::{Report, read_file};

#[test]
fn parts_that_take_turns_and_updates_inside_backward_are_exact() {
    let file = format!("{}/../../tests/goldens/methods.jsonl", env!("CARGO_MANIFEST_DIR"));
    let report = Report::of(&read_file(&file).expect("the project has this file"));
    assert!(report.rows.len() >= 27, "{}", report.rows.len());
    for row in &report.rows {
        let error = |figure| row.error(figure).unwrap().abs();
        assert!(row.errors.is_ok(), "{} {:?}", row.id, row.errors);
        for figure in ["params", "grads", "optimizer_states", "optimizer_step"] {
            assert!(error(figure) <= 0.000_001, "{} {figure} {:?}", row.id, row.errors);
        }
        // Of a tied weight's update by AdaLOMO it isn't known what it finds already freed.
        let limit = if row.id.starts_with("adalomo-gpt2") { 0.008 } else { 0.000_26 };
        for figure in ["forward", "backward", "peak_requested"] {
            assert!(error(figure) <= limit, "{} {figure} {:?}", row.id, row.errors);
        }
        assert!(error("peak_allocated") <= 0.0092, "{} {:?}", row.id, row.errors);
    }
}
