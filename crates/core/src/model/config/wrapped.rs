//! The language model of a multimodal configuration (`text_config`).

use serde_json::{Map, Value};

use super::SAME_AS_ROBERTA;
use crate::model::Family;

/// The keys of the language model: those of `text_config` where the configuration wraps one, with what only the wrapper says.
pub(super) fn language_model(keys: Map<String, Value>) -> Map<String, Value> {
    let outer = keys.get("model_type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_known = Family::from_key(&outer).is_some() || SAME_AS_ROBERTA.contains(&outer.as_str());
    let is_named = keys.get("model_type").is_none_or(|named| named.is_string() || named.is_null());
    let Some(Value::Object(text)) = keys.get("text_config").filter(|_| !is_known && is_named) else {
        return keys;
    };
    let mut text = text.clone();
    for key in ["tie_word_embeddings", "vocab_size"] {
        if let (false, Some(value)) = (text.contains_key(key), keys.get(key)) {
            text.insert(key.to_owned(), value.clone());
        }
    }
    if !text.get("model_type").is_some_and(Value::is_string) {
        let inner = match outer.as_str() {
            "gemma3" => "gemma3_text",
            "llama4" => "llama4_text",
            "mistral3" => "mistral",
            // `LlavaConfig` and its kin take Llama where `text_config` names no model.
            _ => "llama",
        };
        text.insert("model_type".to_owned(), Value::String(inner.to_owned()));
    }
    text
}
