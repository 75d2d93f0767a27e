//! What is said to be covered is what runs use.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use vram::accuracy::{Coverage, Report, read_file};
use vram_core::scenario::Optimizer;
use vram_core::{Scenario, evidence};

#[test]
fn a_choice_is_backed_by_the_runs_that_use_it() {
    let goldens =
        read_file(&format!("{}/../../tests/goldens/peft.jsonl", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let report = Report::of(&goldens);
    let coverage = Coverage::of(&goldens, &report, &[]);
    let (table, derived) = (coverage.markdown(), coverage.derived());
    assert!(table.contains("| `ia3` | golden | "), "{table}");
    // No adapter of these runs has Shampoo.
    assert!(table.contains("| `shampoo` | derived, not measured | 0 |"), "{table}");
    let of_peft = derived.lines().find(|line| line.starts_with("peft ")).unwrap_or_default();
    assert!(!of_peft.contains("ia3") && derived.contains("shampoo"), "{derived}");
    // What a run doesn't use isn't said of it: double quantisation without a quantised base.
    assert!(!table.contains("| `nf4` | golden"), "{table}");
}

#[test]
fn a_choice_that_no_run_has_is_said_to_be_derived() {
    assert!(evidence::derived(&Scenario::default()).is_empty());
    let scenario = Scenario { optimizer: Optimizer::Lbfgs, ..Scenario::default() };
    assert_eq!(evidence::derived(&scenario), [("optimizer", "lbfgs".to_owned())]);
}
