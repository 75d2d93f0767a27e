//! What `DTensor`'s tensor parallelism divides, and what it doesn't.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

mod common;

use vram_core::ledger::{Category, Instant};
use vram_core::{Error, Estimate, Field, Scenario, estimate};

/// A preset with some fields of a link.
fn scenario(model: &str, fields: &str) -> Scenario {
    common::scenario(model, &format!("recipe=bf16&optimizer=adamw_fused&b=1&s=2048&dp=fsdp2&{fields}"))
}

fn answer(fields: &str) -> Estimate {
    estimate(&scenario("llama-3.1-8b", fields)).unwrap()
}

fn states(estimate: &Estimate) -> [u64; 3] {
    let at = estimate.at(Instant::OptimizerStep);
    [Category::Parameters, Category::Gradients, Category::OptimizerStates]
        .map(|category| at.category(category).get())
}

#[test]
fn one_way_is_the_plain_scheme() {
    for gpus in ["gpus=1", "gpus=8"] {
        let plain = answer(gpus);
        let of_one = answer(&format!("{gpus}&tp=1&sequence_parallel=1&loss_parallel=1"));
        assert_eq!(plain.entries, of_one.entries);
    }
}

#[test]
fn ranks_together_hold_the_model_and_each_has_all_norms() {
    let whole = states(&answer("gpus=1"))[0];
    let norms = 2 * (2 * 32 + 1) * 4096;
    for ways in [2, 4, 8] {
        let all = ways * states(&answer(&format!("gpus={ways}&tp={ways}")))[0];
        assert_eq!(all, whole + (ways - 1) * norms);
    }
}

/// The embedding's gradient is whole on each rank, until the optimizer takes a part of it.
#[test]
fn the_gradient_of_the_embedding_is_not_divided() {
    let [weights, gradients, _] = states(&answer("gpus=8&tp=8"));
    let embedding = 2 * 128_256 * 4096;
    assert_eq!(gradients - weights, embedding - embedding / 8);
}

/// Of sixteen GPUs, eight have the parts of a layer: two ranks are left that shard.
#[test]
fn a_group_that_shards_is_no_larger_than_the_ranks_that_are_left() {
    let with_group = |group| scenario("llama-3.1-8b", &format!("gpus=16&tp=8&shard_group={group}"));
    assert!(estimate(&with_group(2)).is_ok());
    assert!(matches!(
        estimate(&with_group(16)),
        Err(Error::NotDivisible { field, .. }) if field.key() == "gpus"
    ));
}

#[test]
fn more_ways_never_hold_more_states() {
    for more in ["", "&sequence_parallel=1", "&sequence_parallel=1&loss_parallel=1"] {
        let of_ways = |ways: u64| answer(&format!("gpus=8&tp={ways}{more}"));
        let alone = |ways: u64| answer(&format!("gpus={ways}&tp={ways}{more}"));
        for pair in [1, 2, 4, 8].windows(2) {
            assert!(states(&alone(pair[0])) > states(&alone(pair[1])));
            // FSDP shards what is left: only padding of shards can be more.
            let [before, after] = [pair[0], pair[1]].map(|ways| states(&of_ways(ways)));
            if pair[1] < 8 {
                assert!(after.iter().zip(before).all(|(after, before)| *after <= before + before / 1000));
            }
        }
    }
}

#[test]
fn splitting_the_sequence_and_the_loss_saves_activations() {
    let peak = |more: &str| answer(&format!("gpus=8&tp=8{more}")).at_peak().requested;
    let steps = ["", "&sequence_parallel=1", "&sequence_parallel=1&loss_parallel=1"].map(peak);
    assert!(steps.is_sorted_by(|a, b| a > b), "{steps:?}");
}

/// Qwen2.5-7B has 28 query heads and 4 key heads.
#[test]
fn what_does_not_divide_is_refused_with_the_nearest_ways() {
    let refused = |model, fields| estimate(&scenario(model, fields)).unwrap_err();
    let error = refused("qwen2.5-7b", "gpus=8&tp=8");
    let expected = Error::DoesNotDivide {
        field: Field::new("tp"),
        given: 8,
        of: Field::new("heads"),
        value: 28,
        below: 4,
        above: None,
    };
    assert_eq!(error, expected);
    let refused = |fields| refused("llama-3.1-8b", fields).field().map(|field| field.key().to_owned());
    assert_eq!(refused("gpus=3&tp=3").as_deref(), Some("tp"));
    assert_eq!(refused("gpus=4&tp=4&sequence_parallel=1&s=2047").as_deref(), Some("tp"));
    assert_eq!(refused("gpus=6&tp=4").as_deref(), Some("gpus"));
    assert_eq!(refused("gpus=4&tp=4&dp=ddp").as_deref(), Some("dp"));
    assert_eq!(refused("gpus=4&tp=4&optimizer=lion").as_deref(), Some("optimizer"));
}
