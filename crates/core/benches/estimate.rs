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

/// One GPU, and all dimensions of a mesh of 16,384: the cost depends on the kinds of rank, not on their number.
#[divan::bench(args = [
    "?v=1&model=llama-3.1-405b&recipe=bf16-master&optimizer=adamw_fused",
    "?v=1&model=llama-3.1-405b&s=8192&gpus=16384&spread=megatron&tp=4&pp=2&cp=2&cp_rotate=ulysses&accumulation=16",
    "?v=1&model=deepseek-v2-lite&s=4096&gpus=16384&spread=megatron&tp=2&ep=64&accumulation=16",
    "?v=1&model=llama-3.1-405b&gpus=16384&spread=fsdp2",
    "?v=1&model=llama-3.1-405b&gpus=16384&spread=ddp&dp=ddp_zero1",
])]
fn of_mesh(link: &str) -> Option<Estimate> {
    estimate(divan::black_box(&vram_core::link::read(link).scenario)).ok()
}
