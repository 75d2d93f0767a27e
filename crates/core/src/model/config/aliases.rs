//! Keys that a configuration class also takes under another name (`attribute_map`), which wins where a file has both.

use serde_json::{Map, Value};

use crate::model::Family;

/// Another name, and the key that it is a name of.
type Alias = (&'static str, &'static str);

const GPT2: &[Alias] = &[
    ("hidden_size", "n_embd"),
    ("max_position_embeddings", "n_positions"),
    ("num_attention_heads", "n_head"),
    ("num_hidden_layers", "n_layer"),
];
const BLOOM: &[Alias] =
    &[("n_embed", "hidden_size"), ("num_attention_heads", "n_head"), ("num_hidden_layers", "n_layer")];
const DISTILBERT: &[Alias] =
    &[("hidden_size", "dim"), ("num_attention_heads", "n_heads"), ("num_hidden_layers", "n_layers")];
const T5: &[Alias] = &[
    ("hidden_size", "d_model"),
    ("num_attention_heads", "num_heads"),
    ("num_hidden_layers", "num_layers"),
    ("head_dim", "d_kv"),
];

/// Of the encoder, whose layers a configuration class of encoder-decoders has for its own.
const WHISPER: &[Alias] = &[
    ("num_key_value_heads", "encoder_attention_heads"),
    ("num_attention_heads", "encoder_attention_heads"),
    ("hidden_size", "d_model"),
    ("num_hidden_layers", "encoder_layers"),
];

const fn of(family: Family) -> &'static [Alias] {
    match family {
        Family::Gpt2 | Family::GptBigCode => GPT2,
        Family::Falcon => &[("n_embed", "hidden_size")],
        Family::Bloom => BLOOM,
        Family::DistilBert => DISTILBERT,
        Family::T5 => T5,
        Family::Whisper => WHISPER,
        Family::Mixtral | Family::GptOss | Family::MinimaxM2 => &[("num_experts", "num_local_experts")],
        Family::Qwen3Moe | Family::Olmoe | Family::Jamba => &[("num_local_experts", "num_experts")],
        Family::DeepseekV2 => &[("num_experts", "n_routed_experts")],
        Family::DeepseekV3 | Family::Glm4Moe => &[("num_local_experts", "n_routed_experts")],
        _ => &[],
    }
}

/// The same keys under the family's own names.
pub(super) fn resolved(family: Family, mut keys: Map<String, Value>) -> Map<String, Value> {
    for &(alias, key) in of(family) {
        // `T5Config.__post_init__` takes the decoder's layers from the encoder's before it looks at other names.
        if (family, key) == (Family::T5, "num_layers") && keys.contains_key(alias) {
            let own = keys.get(key).filter(|own| !own.is_null()).cloned().unwrap_or_else(|| 6.into());
            if keys.get("num_decoder_layers").is_none_or(Value::is_null) {
                keys.insert("num_decoder_layers".to_owned(), own);
            }
        }
        if let Some(value) = keys.get(alias).filter(|value| !value.is_null()).cloned() {
            keys.insert(key.to_owned(), value);
        }
    }
    keys
}
