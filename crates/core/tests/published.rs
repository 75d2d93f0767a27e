//! Parameter counts of published models, from the dimensions of their `config.json`: what their model cards and weights say.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use vram_core::model::{Family, from_config, parameter_count};

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
