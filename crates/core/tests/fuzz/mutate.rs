//! Configurations and links that somebody might have, and some that nobody should: mutated at the level of JSON, or byte by byte.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};
use vram_core::presets;

const WIDTHS: [&str; 19] = [
    "hidden_size",
    "ffn_hidden_size",
    "intermediate_size",
    "n_embd",
    "n_inner",
    "dim",
    "hidden_dim",
    "d_model",
    "d_ff",
    "ffn_dim",
    "moe_intermediate_size",
    "shared_expert_intermediate_size",
    "intermediate_size_mlp",
    "q_lora_rank",
    "kv_lora_rank",
    "time_step_rank",
    "mamba_dt_rank",
    "encoder_ffn_dim",
    "decoder_ffn_dim",
];
const HEADS: [&str; 11] = [
    "num_kv_heads",
    "num_attention_heads",
    "num_key_value_heads",
    "n_head",
    "n_heads",
    "num_heads",
    "linear_num_key_heads",
    "linear_num_value_heads",
    "n_groups",
    "encoder_attention_heads",
    "decoder_attention_heads",
];
const HEAD_WIDTHS: [&str; 9] = [
    "head_dim",
    "d_kv",
    "qk_nope_head_dim",
    "qk_rope_head_dim",
    "v_head_dim",
    "linear_key_head_dim",
    "linear_value_head_dim",
    "state_size",
    "mamba_d_state",
];
const LAYERS: [&str; 7] = [
    "num_hidden_layers",
    "n_layer",
    "n_layers",
    "num_layers",
    "num_decoder_layers",
    "encoder_layers",
    "decoder_layers",
];
const SMALL: [&str; 26] = [
    "num_experts",
    "num_local_experts",
    "n_routed_experts",
    "num_experts_per_tok",
    "n_shared_experts",
    "first_k_dense_replace",
    "decoder_sparse_step",
    "interleave_moe_layer_step",
    "no_rope_layer_interval",
    "sliding_window_pattern",
    "global_attn_every_n_layers",
    "max_window_layers",
    "num_nextn_predict_layers",
    "num_channels",
    "vision_feature_layer",
    "full_attention_interval",
    "expand",
    "conv_kernel",
    "linear_conv_kernel_dim",
    "mamba_expand",
    "mamba_d_conv",
    "attn_layer_period",
    "attn_layer_offset",
    "expert_layer_period",
    "expert_layer_offset",
    "num_mel_bins",
];
const ROWS: [&str; 14] = [
    "vocab_size",
    "max_position_embeddings",
    "n_positions",
    "type_vocab_size",
    "sliding_window",
    "attention_chunk_size",
    "local_attention",
    "relative_attention_num_buckets",
    "num_labels",
    "image_size",
    "patch_size",
    "max_sequence_length",
    "max_source_positions",
    "max_target_positions",
];
const FLAGS: [&str; 36] = [
    "apply_residual_connection_post_layernorm",
    "new_decoder_architecture",
    "parallel_attn",
    "alibi",
    "bias",
    "tie_word_embeddings",
    "attention_bias",
    "mlp_bias",
    "use_bias",
    "qkv_bias",
    "use_qkv_bias",
    "attention_out_bias",
    "use_parallel_residual",
    "use_qk_norm",
    "qk_layernorm",
    "use_sliding_window",
    "norm_topk_prob",
    "norm_bias",
    "classifier_bias",
    "decoder_bias",
    "sparse_prediction",
    "is_decoder",
    "add_cross_attention",
    "multi_query",
    "enable_bias",
    "do_layer_norm_before",
    "multimodal_projector_bias",
    "is_encoder_decoder",
    "scale_attn_weights",
    "use_cache",
    "use_conv_bias",
    "residual_in_fp32",
    "mamba_conv_bias",
    "mamba_proj_bias",
    "use_mambapy",
    "lm_head_bias",
];
const SHARES: [&str; 13] = [
    "attention_dropout",
    "resid_pdrop",
    "embd_pdrop",
    "attn_pdrop",
    "hidden_dropout",
    "hidden_dropout_prob",
    "dropout_rate",
    "dropout",
    "partial_rotary_factor",
    "rotary_pct",
    "activation_dropout",
    "encoder_layerdrop",
    "input_jitter_noise",
];
const WORDS: [&str; 9] = [
    "hidden_act",
    "hidden_activation",
    "activation_function",
    "activation",
    "feed_forward_proj",
    "topk_method",
    "vision_feature_select_strategy",
    "projector_hidden_act",
    "model_type",
];
const LISTS: [&str; 4] = ["layer_types", "mlp_only_layers", "moe_layers", "no_rope_layers"];
const OTHERS: [&str; 7] = [
    "clip_qkv",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "id2label",
    "rope_parameters",
    "text_config",
    "vision_config",
];
/// Families beside those that have defaults: wrappers, and what no family is called.
const BESIDE: [&str; 6] = ["gemma3", "llama4", "mistral3", "somebodys_own", "", "generic"];

/// One change of an object: a key, and its new value where it isn't taken away.
type Change = (&'static str, Option<Value>);

fn numbers(of: &'static [u32]) -> BoxedStrategy<Value> {
    select(of).prop_map(Value::from).boxed()
}

/// What nothing should be.
fn nonsense() -> BoxedStrategy<Value> {
    let fixed = [
        json!(0),
        json!(1),
        json!(-1),
        json!(u32::MAX),
        json!(u64::MAX),
        json!(65_536),
        json!(4_194_304),
        json!(1.5),
        json!(1e300),
        json!(-0.0),
        json!("x"),
        json!(""),
        json!("64"),
        json!(null),
        json!(true),
        json!([]),
        json!([1, 2]),
        json!([null]),
        json!({}),
        json!({ "hidden_size": { "hidden_size": [] } }),
    ];
    prop_oneof![
        select(fixed.to_vec()),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from)
    ]
    .boxed()
}

fn lists() -> BoxedStrategy<Value> {
    let kinds = select(vec![
        json!("full_attention"),
        json!("sliding_attention"),
        json!("linear_attention"),
        json!(0),
        json!(1),
    ]);
    let counted = (0_u64..24).prop_map(|end| Value::from((0..end).collect::<Vec<_>>()));
    prop_oneof![proptest::collection::vec(kinds, 0..24).prop_map(Value::from), counted].boxed()
}

/// A key with a value of its kind.
fn sensible() -> BoxedStrategy<(&'static str, Value)> {
    let words = [
        "silu",
        "gelu",
        "gelu_new",
        "relu",
        "relu2",
        "quick_gelu",
        "gelu_pytorch_tanh",
        "gated-gelu",
        "gated-silu",
        "greedy",
        "default",
        "full",
        "llama",
        "gpt2",
        "clip_vision_model",
    ];
    let with = |keys: &'static [&'static str], values: BoxedStrategy<Value>| (select(keys), values);
    prop_oneof![
        5 => with(&WIDTHS, numbers(&[16, 64, 96, 128, 256, 768, 1024, 2048, 4096])),
        4 => with(&HEADS, numbers(&[1, 2, 3, 4, 8, 12, 16, 32])),
        2 => with(&HEAD_WIDTHS, numbers(&[1, 16, 32, 64, 80, 128, 256])),
        3 => with(&LAYERS, (1_u32..40).prop_map(Value::from).boxed()),
        3 => with(&SMALL, (0_u32..17).prop_map(Value::from).boxed()),
        3 => with(&ROWS, numbers(&[1, 2, 14, 32, 224, 1000, 4097, 32_000, 50_257])),
        3 => with(&FLAGS, any::<bool>().prop_map(Value::from).boxed()),
        1 => with(&SHARES, select(vec![json!(0), json!(0.0), json!(0.1), json!(0.5), json!(1.0)]).boxed()),
        1 => with(&WORDS[..8], select(words.to_vec()).prop_map(Value::from).boxed()),
        1 => with(&LISTS, lists()),
        1 => with(&OTHERS[..3], select(vec![json!(null), json!(30.0)]).boxed()),
    ]
    .boxed()
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let keys: Vec<&'static str> =
        [&WIDTHS[..], &HEADS, &HEAD_WIDTHS, &LAYERS, &SMALL, &ROWS, &FLAGS, &SHARES, &WORDS, &LISTS, &OTHERS]
            .concat();
    let change = prop_oneof![
        12 => sensible().prop_map(|(key, value)| (key, Some(value))),
        1 => (select(keys.clone()), nonsense()).prop_map(|(key, value)| (key, Some(value))),
        1 => select(keys).prop_map(|key| (key, None)),
    ];
    proptest::collection::vec(change, 0..8)
}

fn apply(object: &mut Map<String, Value>, changes: Vec<Change>) {
    for (key, value) in changes {
        match value {
            Some(value) => object.insert(key.to_owned(), value),
            None => object.remove(key),
        };
    }
}

/// A configuration before it is changed: of a family with nothing said, of a preset, of a decoder of no known family.
fn beginnings(families: Vec<String>) -> impl Strategy<Value = Map<String, Value>> {
    let families: Vec<String> = families.into_iter().chain(BESIDE.map(str::to_owned)).collect();
    let named = |kind: String| Map::from_iter([("model_type".to_owned(), Value::from(kind))]);
    let unknown = || {
        let usual = json!({ "model_type": "somebodys_own", "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4,
            "intermediate_size": 512, "vocab_size": 1000, "num_experts_per_tok": 2 });
        usual.as_object().cloned().unwrap_or_default()
    };
    prop_oneof![
        8 => select(families).prop_map(named),
        3 => select(presets::all()).prop_map(|preset| serde_json::from_str(preset.config).unwrap_or_default()),
        1 => Just(()).prop_map(move |()| unknown()),
    ]
}

/// The text of a configuration.
pub(crate) fn configurations(families: Vec<String>) -> impl Strategy<Value = String> {
    let inner = prop_oneof![
        4 => Just(None),
        1 => (changes(), changes(), any::<bool>()).prop_map(Some),
    ];
    let cut = prop_oneof![30 => Just(None), 1 => any::<Index>().prop_map(Some)];
    (beginnings(families), changes(), inner, cut).prop_map(|(mut config, changes, inner, cut)| {
        apply(&mut config, changes);
        if let Some((text, vision, says_both)) = inner {
            let mut of_text = Map::new();
            apply(&mut of_text, text);
            config.insert("text_config".to_owned(), of_text.into());
            if says_both {
                let mut of_vision =
                    Map::from_iter([("model_type".to_owned(), Value::from("clip_vision_model"))]);
                apply(&mut of_vision, vision);
                config.insert("vision_config".to_owned(), of_vision.into());
            }
        }
        let mut text = Value::Object(config).to_string();
        if let Some(at) = cut {
            // No JSON any more, as when a paste was cut short.
            let end = (0..=at.index(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
            text.truncate(end);
        }
        text
    })
}

/// A link, changed in a few places.
pub(crate) fn changed_link(mut link: String, changes: &[(Index, u8, Index)]) -> String {
    const VALUES: [&str; 14] = [
        "0",
        "1",
        "-1",
        "18446744073709551615",
        "1e9",
        "",
        "%",
        "%ff",
        "null",
        "true",
        "4294967296",
        "on",
        "&&=",
        "65536",
    ];
    for (at, kind, other) in changes {
        let mut parts: Vec<String> = link.split('&').map(str::to_owned).collect();
        let place = at.index(parts.len());
        let value = VALUES[other.index(VALUES.len())];
        match kind % 5 {
            0 => {
                parts.remove(place);
            }
            1 => parts.insert(place, format!("v={value}")),
            2 => {
                let key = parts[place].split('=').next().unwrap_or_default().to_owned();
                parts[place] = format!("{key}={value}");
            }
            3 => {
                let (one, two) = (other.index(parts.len()), place);
                let value = parts[one].split_once('=').map(|(_, value)| value.to_owned()).unwrap_or_default();
                let key = parts[two].split('=').next().unwrap_or_default().to_owned();
                parts[two] = format!("{key}={value}");
            }
            _ => {
                let part = &mut parts[place];
                let cut = (0..=other.index(part.len() + 1))
                    .rev()
                    .find(|&end| part.is_char_boundary(end))
                    .unwrap_or(0);
                part.truncate(cut);
            }
        }
        link = parts.join("&");
    }
    link
}
