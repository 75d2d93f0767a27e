//! Every preset is read, and has exactly the parameters that its makers published.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use vram_core::model::parameter_count;
use vram_core::ready::Ready;
use vram_core::{Scenario, estimate, gpu, presets};

/// Totals of `model.safetensors.index.json` or of the model's page on the hub.
const PUBLISHED: [(&str, u64); 23] = [
    ("phi-3-mini-4k-instruct", 3_821_079_552),
    ("phi-3-medium-4k-instruct", 13_960_238_080),
    ("llama-2-7b", 6_738_415_616),
    ("llama-3.1-8b", 8_030_261_248),
    ("llama-3.1-70b", 70_553_706_496),
    ("llama-3.2-1b", 1_235_814_400),
    ("llama-3.2-3b", 3_212_749_824),
    ("mistral-7b-v0.1", 7_241_732_096),
    ("qwen2.5-0.5b", 494_032_768),
    ("qwen2.5-7b", 7_615_616_512),
    ("qwen2.5-14b", 14_770_033_664),
    ("qwen3-8b", 8_190_735_360),
    ("gemma-2-2b", 2_614_341_888),
    ("gemma-3-1b", 999_885_952),
    ("gpt2", 124_439_808),
    ("pythia-1.4b", 1_414_647_808),
    ("bert-base-uncased", 109_514_298),
    ("t5-base", 222_903_552),
    ("mixtral-8x7b", 46_702_792_704),
    ("qwen3-30b-a3b", 30_532_122_624),
    ("olmoe-1b-7b", 6_919_161_856),
    ("deepseek-v2-lite", 15_706_484_224),
    ("tinyllama-1.1b", 1_100_048_384),
];

#[test]
fn parameter_counts_are_the_published_ones() {
    for (id, published) in PUBLISHED {
        let architecture = presets::find(id).unwrap().architecture().unwrap();
        assert_eq!(parameter_count(&architecture), published, "{id}");
    }
    assert_eq!(presets::all().len(), PUBLISHED.len());
}

#[test]
fn the_default_scenario_is_the_first_preset_on_a_known_gpu() {
    let scenario = Scenario::default();
    assert_eq!(scenario.model, presets::all().first().unwrap().model().unwrap());
    assert_eq!(gpu::find("h100-80gb").unwrap().gpu(), scenario.gpu);
    assert_eq!(estimate(&scenario).unwrap().parameters, 3_821_079_552);
}

#[test]
fn every_ready_scenario_has_an_estimate_and_is_recognised() {
    for ready in Ready::ALL {
        let scenario = ready.scenario();
        assert!(estimate(&scenario).is_ok());
        assert_eq!(Ready::of(&scenario), Some(ready));
    }
}
