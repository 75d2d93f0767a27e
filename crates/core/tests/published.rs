//! What is published: tables of papers, and parameter counts of models from the dimensions of their `config.json`, as model cards and
//! weights say them. Megatron's table of activations stands in `tests/megatron.rs`.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]
#![expect(clippy::cast_precision_loss, reason = "figures of four digits")]

mod common;

use vram_core::ledger::{Category, Instant};
use vram_core::model::{Family, from_config, parameter_count};
use vram_core::published::zero_model_states;
use vram_core::{Scenario, estimate};

/// Ranks, and GB of model states under stages 1, 2 and 3 as printed: of 7.5, 128 and 1,000 billion parameters.
const ZERO: [(u64, [[&str; 3]; 3]); 6] = [
    (1, [["120", "120", "120"], ["2048", "2048", "2048"], ["16000", "16000", "16000"]]),
    (4, [["52.5", "41.25", "30"], ["896", "704", "512"], ["7000", "5500", "4000"]]),
    (16, [["35.62", "21.56", "7.5"], ["608", "368", "128"], ["4750", "2875", "1000"]]),
    (64, [["31.41", "16.64", "1.875"], ["536", "284", "32"], ["4188", "2219", "250"]]),
    (256, [["30.35", "15.41", "0.4688"], ["518", "263", "8"], ["4047", "2055", "62.5"]]),
    (1024, [["30.09", "15.1", "0.1172"], ["513.5", "257.8", "2"], ["4012", "2014", "15.62"]]),
];

/// Half a unit of the last of four digits.
fn half_a_unit(printed: &str) -> f64 {
    let value: f64 = printed.parse().unwrap();
    let digits_before = value.log10().floor() + 1.0;
    0.5 * 10_f64.powf(digits_before - 4.0)
}

#[test]
fn zeros_table_of_model_states_is_met_to_the_printed_digit() {
    for (ranks, models) in ZERO {
        for (parameters, printed) in
            [7_500_000_000, 128_000_000_000, 1_000_000_000_000].into_iter().zip(models)
        {
            for (stage, printed) in (1..).zip(printed) {
                let ours = zero_model_states(stage, parameters, ranks).get() as f64 / 1e9;
                let off = (ours - printed.parse::<f64>().unwrap()).abs();
                assert!(
                    off <= half_a_unit(printed) + 1e-9,
                    "{parameters} on {ranks}, stage {stage}: {ours} {printed}"
                );
            }
        }
    }
}

fn zero(stage: u8, gpus: u64) -> Scenario {
    let fields = format!("recipe=bf16-master&optimizer=adamw_foreach&b=1&s=128&gpus={gpus}&dp=zero{stage}");
    common::scenario("llama-3.1-8b", &fields)
}

/// What DeepSpeed divides is what the table divides; beside it stand what it pads and, of ZeRO-3, what it leaves whole.
#[test]
fn deepspeeds_states_are_the_tables_beside_its_gradients() {
    for gpus in [2, 8, 64] {
        for stage in 1..=3 {
            let estimate = estimate(&zero(stage, gpus)).unwrap();
            let of = |category: Category| estimate.at(Instant::Forward).category(category).get();
            let states = [Category::Parameters, Category::MasterWeights, Category::OptimizerStates].map(of);
            let parameters = estimate.parameters;
            let table = zero_model_states(stage, parameters, gpus).get();
            let of_gradients = if stage == 1 { 2 * parameters } else { 2 * parameters / gpus };
            let off = (states.iter().sum::<u64>() + of_gradients).abs_diff(table);
            // Norms stay whole under ZeRO-3.
            assert!(off <= 600_000, "zero{stage} on {gpus}: {off}");
        }
    }
}

#[test]
fn models_have_as_many_parameters_as_their_weights() {
    for (parameters, config) in [
        (
            2_779_683_840,
            r#"{"model_type": "phi", "vocab_size": 51200, "hidden_size": 2560, "intermediate_size": 10240,
            "num_hidden_layers": 32, "num_attention_heads": 32}"#,
        ),
        (
            2_506_172_416,
            r#"{"model_type": "gemma", "hidden_size": 2048, "intermediate_size": 16384, "num_hidden_layers": 18,
            "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 256, "vocab_size": 256000}"#,
        ),
        (8_537_680_896, r#"{"model_type": "gemma"}"#),
        (2_795_443_200, r#"{"model_type": "stablelm", "num_key_value_heads": 32, "vocab_size": 50304}"#),
        (14_315_784_192, r#"{"model_type": "qwen2_moe"}"#),
        (3_075_098_624, r#"{"model_type": "smollm3"}"#),
        (6_888_095_744, r#"{"model_type": "olmo"}"#),
        (20_914_757_184, r#"{"model_type": "gpt_oss", "num_hidden_layers": 24, "num_local_experts": 32}"#),
        (116_829_156_672, r#"{"model_type": "gpt_oss"}"#),
    ] {
        assert_eq!(parameter_count(&from_config(config).unwrap()), parameters, "{config}");
    }
    // 671 billion without the layer that predicts a further token.
    let v3 = parameter_count(&from_config(r#"{"model_type": "deepseek_v3"}"#).unwrap());
    assert!((671_000_000_000..671_100_000_000).contains(&v3), "{v3}");
}

#[test]
fn the_language_model_of_a_multimodal_configuration_is_read_and_an_unknown_family_is_generic() {
    let wrapped = r#"{"model_type": "mistral3", "vision_config": {}, "text_config": {"model_type": "mistral", "num_hidden_layers": 40}}"#;
    let architecture = from_config(wrapped).unwrap();
    assert_eq!((architecture.family, architecture.layers.get()), (Family::Mistral, 40));
    let unknown = r#"{"model_type": "no_such_model", "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 8192, "vocab_size": 128256, "tie_word_embeddings": true}"#;
    let architecture = from_config(unknown).unwrap();
    assert_eq!((architecture.family, parameter_count(&architecture)), (Family::Generic, 1_235_814_400));
    assert!(from_config(r#"{"model_type": "no_such_model", "hidden_size": 2048}"#).is_err());
}
