//! The time of one estimate: a page makes one for each move of a slider.

use vram_core::{Estimate, Scenario, estimate, estimate_with_replay, presets};

fn main() {
    divan::main();
}

#[divan::bench]
fn default_scenario() -> Option<Estimate> {
    estimate(divan::black_box(&Scenario::default())).ok()
}

#[divan::bench(args = ["llama-3.1-70b", "gpt2", "gemma-3-1b"])]
fn preset(id: &str) -> Option<Estimate> {
    let model = presets::find(id)?.model().ok()?;
    estimate(divan::black_box(&Scenario { model, ..Scenario::default() })).ok()
}

/// The same with the allocator's replay, which a page makes when the reader pauses.
#[divan::bench(args = ["phi-3-mini-4k-instruct", "llama-3.1-70b"])]
fn with_replay(id: &str) -> Option<Estimate> {
    let model = presets::find(id)?.model().ok()?;
    estimate_with_replay(divan::black_box(&Scenario { model, ..Scenario::default() })).ok()
}
