//! A quantised base beside a bf16 one: what it saves, and from where on it costs more.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use vram_core::scenario::{Checkpointing, Lora, Optimizer, Quantisation, QuantisedBase, Recipe};
use vram_core::units::Count;
use vram_core::{Scenario, estimate, presets};

/// Llama-3.1-8B with adapters of rank 16 beside all linear layers.
fn lora(tokens: u32, checkpointing: Checkpointing, quantisation: Quantisation) -> Scenario {
    Scenario {
        model: presets::find("llama-3.1-8b").unwrap().model().unwrap(),
        micro_batch: Count::ONE,
        sequence_length: Count::new(tokens),
        recipe: Recipe::Bf16,
        optimizer: Optimizer::AdamWFused,
        checkpointing,
        lora: Lora { rank: Some(Count::new(16)), ..Lora::default() },
        quantisation,
        ..Scenario::default()
    }
}

fn of(base: QuantisedBase, prepared: bool) -> Quantisation {
    Quantisation { base, prepared, ..Quantisation::default() }
}

fn peak(tokens: u32, checkpointing: Checkpointing, quantisation: Quantisation) -> u64 {
    estimate(&lora(tokens, checkpointing, quantisation)).unwrap().at_peak().requested.get()
}

/// The weight that is made for a product comes and goes while the peak is elsewhere: NF4 alone saves the same at every length.
#[test]
fn nf4_alone_always_costs_less_than_bf16() {
    for checkpointing in [Checkpointing::Off, Checkpointing::Layers] {
        for tokens in [256, 2048, 16_384] {
            let saved = peak(tokens, checkpointing, of(QuantisedBase::None, false))
                - peak(tokens, checkpointing, of(QuantisedBase::Nf4, false));
            assert_eq!(saved, 10_357_982_336, "{tokens}");
        }
    }
}

/// With `prepare_model_for_kbit_training` and without autocast all activations are fp32: from some 6,300 tokens on QLoRA needs more than
/// bf16 LoRA, with checkpointing from some 31,000.
#[test]
fn k_bit_preparation_has_a_point_from_which_qlora_costs_more() {
    let costs_more = |tokens, checkpointing| {
        peak(tokens, checkpointing, of(QuantisedBase::Nf4, true))
            > peak(tokens, checkpointing, of(QuantisedBase::None, false))
    };
    for (checkpointing, below, above) in
        [(Checkpointing::Off, 6000, 6500), (Checkpointing::Layers, 31_000, 32_768)]
    {
        assert!(!costs_more(below, checkpointing) && costs_more(above, checkpointing));
    }
}
