//! What Megatron-LM's ways of splitting divide, and what they don't.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use vram_core::ledger::Category;
use vram_core::{Error, Estimate, Field, Scenario, estimate, link, presets};

/// Llama 3.1 8B on Megatron-LM, with some fields of a link.
fn scenario(fields: &str) -> Scenario {
    let fixed =
        "recipe=bf16-master&optimizer=adamw_fused&accumulation=8&b=1&s=4096&checkpointing=off&dp=megatron";
    let model = presets::find("llama-3.1-8b").unwrap().model().unwrap();
    let mut scenario = Scenario { model, ..Scenario::default() };
    for field in fixed.split('&').chain(fields.split('&')) {
        let (key, value) = field.split_once('=').unwrap();
        link::set(&mut scenario, key, value).unwrap();
    }
    scenario
}

fn answer(more: &str) -> Estimate {
    estimate(&scenario(more)).unwrap()
}

fn states(estimate: &Estimate) -> [u64; 4] {
    let of = |category| estimate.at_peak().category(category).get();
    [Category::Parameters, Category::Gradients, Category::MasterWeights, Category::OptimizerStates].map(of)
}

/// 18 bytes a parameter, of which the distributed optimizer divides 12 by the data-parallel ranks: the README of Megatron-LM's
/// `docs/source/api-guide/dist_optimizer.md` (6 + 12 / d).
#[test]
fn a_parameter_has_six_bytes_and_a_share_of_twelve() {
    for ranks in [2_u64, 8, 64] {
        let [weights, gradients, master, moments] = states(&answer(&format!("gpus={ranks}")));
        let parameters = weights / 2;
        assert_eq!(gradients, 4 * parameters);
        assert_eq!(master, 4 * parameters.div_ceil(ranks));
        assert_eq!(moments, 2 * master);
    }
}

#[test]
fn tensor_parallel_ranks_and_stages_together_hold_the_model() {
    let whole = states(&answer("gpus=2"))[0] / 2;
    let of_tensor: u64 = 4 * (states(&answer("gpus=4&tp=4&sequence_parallel=1"))[0] / 2);
    // Norms on every rank, and rows that pad the vocabulary.
    let norms = (2 * 32 + 1) * 4096;
    let padding = 2 * 4096 * (128_256_u64.next_multiple_of(512) - 128_256);
    assert_eq!(of_tensor, whole + 3 * norms + padding);
    let of_stages: u64 =
        (1..=4).map(|stage| states(&answer(&format!("gpus=4&pp=4&stage={stage}")))[0] / 2).sum();
    assert_eq!(of_stages, whole);
}

#[test]
fn without_a_stage_it_is_the_fullest() {
    let all: Vec<u64> = (1..=4)
        .map(|stage| answer(&format!("gpus=4&pp=4&stage={stage}")).at_peak().requested.get())
        .collect();
    assert_eq!(answer("gpus=4&pp=4").at_peak().requested.get(), *all.iter().max().unwrap());
}

#[test]
fn more_ways_and_recomputation_never_need_more() {
    let peak = |more: &str| answer(more).at_peak().requested;
    let ways = ["gpus=2", "gpus=2&tp=2", "gpus=2&tp=2&sequence_parallel=1"];
    assert!(ways.windows(2).all(|pair| peak(pair[0]) >= peak(pair[1])));
    let ways =
        ["checkpointing=off", "checkpointing=first_k&checkpoint_layers=8", "checkpointing=layers_reentrant"];
    let peaks = ways.map(|way| peak(&format!("gpus=8&{way}")));
    assert!(peaks.is_sorted_by(|a, b| a > b), "{peaks:?}");
}

#[test]
fn what_does_not_divide_is_refused() {
    for (more, field) in [
        ("gpus=8&tp=3", "gpus"),
        ("gpus=16&tp=16", "kv_heads"),
        ("gpus=5&pp=5", "layers"),
        ("gpus=8&ep=2", "ep"),
        ("gpus=8&cp=2&cp_rotate=allgather", "cp_rotate"),
    ] {
        let found = match estimate(&scenario(more)) {
            Err(Error::NotDivisible { field, .. } | Error::Unsupported { field, .. }) => Some(field),
            _ => None,
        };
        assert_eq!(found.as_ref().map(Field::key), Some(field), "{more}");
    }
}
