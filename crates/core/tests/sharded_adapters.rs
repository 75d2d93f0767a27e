//! Adapters beside weights that FSDP shards: what is divided, and what isn't followed.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

mod common;

use common::scenario;
use vram_core::ledger::{Category, Instant};
use vram_core::{Error, Estimate, Field, Scenario, estimate};

const LORA: &str = "recipe=bf16&b=1&s=1024&peft=lora&lora_rank=16&lora_targets=all_linear";

fn of(more: &str) -> Scenario {
    scenario("llama-3.1-8b", &format!("{LORA}&{more}"))
}

fn held(estimate: &Estimate, category: Category) -> u64 {
    estimate.at(Instant::OptimizerStep).category(category).get()
}

#[test]
fn shards_of_weights_adapters_and_states_sum_to_the_whole() {
    let whole = estimate(&of("gpus=1")).unwrap();
    for dp in ["fsdp2", "fsdp1"] {
        for ways in [2, 4, 8] {
            let rank = estimate(&of(&format!("gpus={ways}&dp={dp}"))).unwrap();
            for category in [Category::Parameters, Category::Gradients, Category::OptimizerStates] {
                let together = ways * held(&rank, category);
                // Padding of what isn't divided evenly.
                assert!(together >= held(&whole, category), "{dp} {ways} {category:?}");
                assert!(together - held(&whole, category) < 4096 * ways, "{dp} {ways} {category:?}");
            }
        }
    }
}

/// Four bits a weight are sharded; their scales are whole on every rank.
#[test]
fn scales_of_a_quantised_base_are_not_divided() {
    let base = |gpus: u32| {
        let estimate = estimate(&of(&format!("gpus={gpus}&dp=fsdp2&quantised_base=nf4"))).unwrap();
        held(&estimate, Category::Parameters)
    };
    let scales = 8 * base(8) - base(1);
    // A byte for each of 64 weights, and what double quantisation adds; seven times more than once.
    let linear = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14_336);
    let once = linear / 64;
    assert!(scales > 7 * once && scales < 7 * once * 11 / 10, "{scales} {once}");
}

#[test]
fn what_no_run_has_shown_is_refused_by_name() {
    for (more, field) in [
        ("gpus=8&dp=fsdp1&recipe=fsdp-mp", "recipe"),
        ("gpus=8&dp=fsdp1&reshard=never", "reshard"),
        ("gpus=8&dp=fsdp2&accumulation=2&stays_gathered=1", "stays_gathered"),
        ("gpus=8&dp=fsdp2&quantised_base=int8", "quantised_base"),
        ("gpus=8&dp=fsdp2&quantised_base=nf4&kbit=1", "kbit"),
        ("gpus=8&dp=fsdp2&peft=dora", "peft"),
        ("gpus=8&dp=fsdp2&cp=2", "peft"),
        ("gpus=8&dp=fsdp2&tp=2", "peft"),
        ("gpus=2&pp=2&accumulation=2", "peft"),
        ("gpus=8&dp=zero3&recipe=bf16-master", "peft"),
    ] {
        let found = match estimate(&of(more)) {
            Err(Error::Unsupported { field, .. }) => Some(field),
            _ => None,
        };
        assert_eq!(found.as_ref().map(Field::key), Some(field), "{more}");
    }
}
