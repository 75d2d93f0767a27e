//! What is said to be covered is what runs use.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

mod common;

use std::collections::BTreeSet;

use common::{goldens, path};
use vram::accuracy::{Coverage, Report, read_measured};
use vram_core::scenario::{Evidence, Optimizer};
use vram_core::{Scenario, evidence, link};

/// The coverage by golden runs and runs on real GPUs of a file each.
fn coverage(goldens: &str, measured: &str) -> Coverage {
    let goldens = common::goldens(goldens);
    Coverage::of(&goldens, &Report::of(&goldens), &read_measured(&path(measured)).unwrap())
}

#[test]
fn a_choice_is_backed_by_the_runs_that_use_it() {
    let goldens = goldens("goldens/peft.jsonl");
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

/// Nobody measured what is requested of these runs: there is no error to print, least of all none.
#[test]
fn what_was_not_measured_has_no_figure() {
    let text = coverage("goldens/frozen.jsonl", "measured/megatron.jsonl").markdown();
    let row = text.lines().find(|line| line.starts_with("| `megatron` |")).unwrap();
    assert!(row.starts_with("| `megatron` | measured | 0 |  |  | 23 | 0.000 %"), "{row}");
    assert!(text.contains("| `lbfgs` | derived, not measured | 0 |  |  | 0 |  |  |"), "{text}");
    // A name for other fields is no choice of its own.
    assert!(!text.contains("(\"spread\")"), "{text}");
    let report = Report::of(&goldens("measured/megatron.jsonl"));
    assert!(report.json()["summary"]["peak_requested"]["max"].is_null());
    assert!(!report.by_group().contains("0.000 %  0.000 %  0.000 %"), "{}", report.by_group());
}

#[test]
fn only_what_has_an_effect_is_said_to_be_derived() {
    let derived = |link: &str| {
        let reading = link::read(link);
        assert_eq!(reading.problems, []);
        evidence::derived(&reading.scenario)
    };
    // What BERT is trained with, by either of its names, on one GPU and on several.
    for link in ["?model=bert-base-uncased&s=512", "?model=bert-base-uncased&s=512&gpus=2&dp=ddp"] {
        assert_eq!(derived(link), []);
        assert_eq!(derived(&format!("{link}&objective=masked_lm")), []);
    }
    // Whether host memory is page-locked matters to what is offloaded, which no run has shown.
    let zero = "?model=qwen3-0.6b&gpus=2&dp=zero2&recipe=bf16-master&optimizer=adamw_fused&pin_memory=0";
    assert_eq!(derived(zero), []);
    let offloaded = derived(&format!("{zero}&offload_optimizer=1"));
    assert_eq!(offloaded, [("offload_optimizer", "1".to_owned()), ("pin_memory", "0".to_owned())]);
    // A teacher stands beside a distilled model alone; logits that were computed beforehand no run has shown.
    assert_eq!(derived("?model=qwen3-0.6b&teacher=none"), []);
    assert_eq!(derived("?model=qwen3-0.6b&objective=distillation&teacher=bf16"), []);
    let without = derived("?model=qwen3-0.6b&objective=distillation&teacher=none");
    assert_eq!(without, [("teacher", "none".to_owned())]);
}

#[test]
fn an_optimizer_that_is_said_to_be_backed_by_runs_has_one() {
    let files = [
        "optimizers.jsonl",
        "goldens.jsonl",
        "goldens_parallel.jsonl",
        "more.jsonl",
        "methods.jsonl",
        "zeroth_order.jsonl",
    ];
    let with_a_run: BTreeSet<Optimizer> = files
        .iter()
        .flat_map(|file| goldens(&format!("goldens/{file}")))
        .filter_map(|golden| golden.scenario.ok().map(|scenario| scenario.optimizer))
        .collect();
    for &optimizer in Optimizer::ALL {
        let has_one = with_a_run.contains(&optimizer);
        assert_eq!(has_one, optimizer.evidence() == Evidence::Golden, "{}", optimizer.key());
    }
}
