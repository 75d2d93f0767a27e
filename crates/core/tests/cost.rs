//! What an estimate costs: of a mesh as much as its kinds of rank, not as its GPUs.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use vram_core::{Scenario, estimate, link};

/// Rounds of which the quickest counts, so that what else the machine does is left out.
const ROUNDS: usize = 200;

fn of(model: &str, fields: &str) -> Scenario {
    let reading = link::read(&format!("?v=1&model={model}&{fields}"));
    assert_eq!(reading.problems, [], "{fields}");
    reading.scenario
}

fn time(scenario: &Scenario) -> Duration {
    let started = Instant::now();
    estimate(black_box(scenario)).unwrap();
    started.elapsed()
}

/// The quickest of each, taken in turns.
fn quickest<const N: usize>(scenarios: &[Scenario; N]) -> [Duration; N] {
    let mut quickest = [Duration::MAX; N];
    for _ in 0..ROUNDS {
        for (least, scenario) in quickest.iter_mut().zip(scenarios) {
            *least = time(scenario).min(*least);
        }
    }
    quickest
}

#[test]
fn sixteen_thousand_gpus_with_all_dimensions_cost_no_more_than_twice_one() {
    let [one, mesh, experts] = quickest(&[
        of("llama-3.1-405b", "recipe=bf16-master&optimizer=adamw_fused"),
        of(
            "llama-3.1-405b",
            "s=8192&gpus=16384&spread=megatron&tp=4&pp=2&cp=2&cp_rotate=ulysses&accumulation=16",
        ),
        of("deepseek-v2-lite", "s=4096&gpus=16384&spread=megatron&tp=2&ep=64&accumulation=16"),
    ]);
    println!("one {one:?}, mesh {mesh:?}, experts {experts:?}");
    assert!(mesh <= 2 * one && experts <= 2 * one, "{mesh:?} {experts:?} {one:?}");
}

#[test]
fn what_is_sharded_costs_the_same_over_more_gpus() {
    for spread in
        ["spread=fsdp2", "spread=ddp&dp=ddp_zero1", "spread=fsdp2&tp=8", "dp=zero3&recipe=bf16-master"]
    {
        let [few, many] =
            quickest(&["16", "16384"].map(|gpus| of("llama-3.1-8b", &format!("gpus={gpus}&{spread}"))));
        println!("{spread}: {few:?} on 16, {many:?} on 16,384");
        assert!(many <= 2 * few, "{spread} {many:?} {few:?}");
    }
}
