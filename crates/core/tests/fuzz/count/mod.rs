//! A second count of a model's parameters, from the numbers of its configuration alone.
//!
//! Written from the modules that transformers 5.23.0 defines (`modeling_<model_type>.py`), one function for each kind of module; what
//! an absent key stands for is in `defaults.json`, which holds the fields of its configuration classes. It shares no code with the
//! estimator.

mod decoder;
mod recurrent;

use decoder::{decoder, unknown};
use serde_json::{Map, Value};

const DEFAULTS: &str = include_str!("../defaults.json");

/// A configuration with what its class takes for absent keys.
struct Config<'a> {
    given: &'a Map<String, Value>,
    default: &'a Map<String, Value>,
}

impl Config<'_> {
    /// A key's value; `attribute_map` lets a file call it otherwise, and wins.
    fn get(&self, key: &str) -> Option<&Value> {
        let known =
            |keys: &Map<String, Value>, key: &str| keys.get(key).is_some_and(|value| !value.is_null());
        let aliases = self.default.get("attribute_map").and_then(Value::as_object);
        let other = aliases
            .into_iter()
            .flatten()
            .find(|(_, of)| of.as_str() == Some(key))
            .map(|(alias, _)| alias.as_str())
            .filter(|alias| known(self.given, alias));
        let given = other.or(known(self.given, key).then_some(key)).and_then(|key| self.given.get(key));
        // `null` is as good as absent.
        given
            .filter(|value| !value.is_null())
            .or_else(|| self.default.get(key))
            .filter(|value| !value.is_null())
    }

    fn optional(&self, key: &str) -> Option<u128> {
        self.get(key).and_then(Value::as_u64).map(u128::from)
    }

    fn n(&self, key: &str) -> u128 {
        self.optional(key).unwrap_or_default()
    }

    fn is(&self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or_default()
    }

    /// Whether a file says `null`.
    fn is_null(&self, key: &str) -> bool {
        self.given.get(key).is_some_and(Value::is_null)
    }
}

const fn linear(output: u128, input: u128, has_bias: bool) -> u128 {
    output * input + if has_bias { output } else { 0 }
}

/// Elements of all parameters of the model that `text` describes; none where this count has no rule for it.
pub(crate) fn count(text: &str) -> Option<u128> {
    let defaults: Map<String, Value> = serde_json::from_str(DEFAULTS).ok()?;
    let given: Map<String, Value> = serde_json::from_str(text).ok()?;
    let kind = given.get("model_type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind == "llava" {
        return llava(&defaults, &given);
    }
    if let (None, Some(Value::Object(inner))) = (defaults.get(&kind), given.get("text_config")) {
        return wrapped(&defaults, &kind, &given, inner);
    }
    text_model(&defaults, &given)
}

fn text_model(defaults: &Map<String, Value>, given: &Map<String, Value>) -> Option<u128> {
    let kind = given.get("model_type")?.as_str()?;
    let none = Map::new();
    let default = defaults.get(kind).and_then(Value::as_object);
    let config = Config { given, default: default.unwrap_or(&none) };
    Some(match kind {
        "gpt2" | "gpt_bigcode" => gpt2(kind, &config),
        "falcon" => falcon(&config),
        "bloom" => bloom(&config),
        "opt" => opt(&config),
        "mamba2" => recurrent::mamba2(&config),
        "mamba" | "falcon_mamba" => recurrent::mamba(&config),
        "bert" | "roberta" | "xlm-roberta" | "camembert" => bert(&config),
        "distilbert" => distilbert(&config),
        "modernbert" => modernbert(&config),
        "t5" => t5(&config),
        "whisper" => whisper(&config),
        "vit" => vit(&config),
        _ if default.is_some() => decoder(kind, &config),
        _ => unknown(&config),
    })
}

/// The language model of a multimodal configuration.
fn wrapped(
    defaults: &Map<String, Value>,
    outer: &str,
    given: &Map<String, Value>,
    inner: &Map<String, Value>,
) -> Option<u128> {
    let mut inner = inner.clone();
    for key in ["tie_word_embeddings", "vocab_size"] {
        if let (false, Some(value)) = (inner.contains_key(key), given.get(key)) {
            inner.insert(key.to_owned(), value.clone());
        }
    }
    if !inner.get("model_type").is_some_and(Value::is_string) {
        let kind = match outer {
            "gemma3" => "gemma3_text",
            "llama4" => "llama4_text",
            "mistral3" => "mistral",
            _ => "llama",
        };
        inner.insert("model_type".to_owned(), kind.into());
    }
    text_model(defaults, &inner)
}

/// `LlavaForConditionalGeneration`: `CLIPVisionModel`, `LlavaMultiModalProjector`, the language model.
fn llava(defaults: &Map<String, Value>, given: &Map<String, Value>) -> Option<u128> {
    let none = Map::new();
    let of = |key: &str| given.get(key).and_then(Value::as_object);
    let outer = Config { given, default: defaults.get("llava")?.as_object()? };
    let mut text = of("text_config").cloned().unwrap_or_default();
    text.entry("model_type").or_insert_with(|| "llama".into());
    let hidden = {
        let default = defaults.get(text.get("model_type")?.as_str()?)?.as_object()?;
        Config { given: &text, default }.n("hidden_size")
    };
    // Without a `vision_config` it is the tower of LLaVA-1.5 (`LlavaConfig`).
    let usual: Map<String, Value> = serde_json::from_str(
        r#"{ "intermediate_size": 4096, "hidden_size": 1024, "patch_size": 14, "image_size": 336, "num_hidden_layers": 24,
        "num_attention_heads": 16, "num_channels": 3 }"#,
    )
    .ok()?;
    let default = match of("vision_config") {
        Some(_) => defaults.get("clip_vision_model")?.as_object()?,
        None => &usual,
    };
    let v = Config { given: of("vision_config").unwrap_or(&none), default };
    let (w, f) = (v.n("hidden_size"), v.n("intermediate_size"));
    let patches = (v.n("image_size") / v.n("patch_size")).pow(2);
    let norm = 2 * w;
    let embeddings = w + w * v.n("num_channels") * v.n("patch_size").pow(2) + (patches + 1) * w;
    let layer = 4 * linear(w, w, true) + linear(f, w, true) + linear(w, f, true) + 2 * norm;
    let bias = outer.is("multimodal_projector_bias");
    let projector = linear(hidden, w, bias) + linear(hidden, hidden, bias);
    let tower = embeddings + norm + v.n("num_hidden_layers") * layer + norm;
    Some(tower + projector + text_model(defaults, &text)?)
}

/// `BloomForCausalLM`, whose embedding is normalised.
fn bloom(c: &Config<'_>) -> u128 {
    let (h, v) = (c.n("hidden_size"), c.n("vocab_size"));
    let layer =
        linear(3 * h, h, true) + linear(h, h, true) + linear(4 * h, h, true) + linear(h, 4 * h, true) + 4 * h;
    let head = if c.is("tie_word_embeddings") { 0 } else { v * h };
    v * h + 2 * h + c.n("n_layer") * layer + 2 * h + head
}

/// `FalconForCausalLM` without biases: one norm and one key head, or two norms and groups.
fn falcon(c: &Config<'_>) -> u128 {
    let (h, heads) = (c.n("hidden_size"), c.n("num_attention_heads"));
    let f = c.optional("ffn_hidden_size").unwrap_or(4 * h);
    let is_newer = c.is("new_decoder_architecture");
    let (groups, norms) = if is_newer { (c.optional("num_kv_heads").unwrap_or(heads), 2) } else { (1, 1) };
    let layer = h * (h + 2 * groups * (h / heads)) + h * h + 2 * h * f + norms * 2 * h;
    let head = if c.is("tie_word_embeddings") { 0 } else { c.n("vocab_size") * h };
    c.n("vocab_size") * h + c.n("num_hidden_layers") * layer + 2 * h + head
}

/// `OPTForCausalLM`, whose table of positions has two more rows than it says.
fn opt(c: &Config<'_>) -> u128 {
    let (h, f, bias) = (c.n("hidden_size"), c.n("ffn_dim"), c.is("enable_bias"));
    let layer = 4 * linear(h, h, bias) + linear(f, h, bias) + linear(h, f, bias) + 4 * h;
    let head = if c.is("tie_word_embeddings") { 0 } else { c.n("vocab_size") * h };
    let tables = (c.n("vocab_size") + c.n("max_position_embeddings") + 2) * h;
    tables + c.n("num_hidden_layers") * layer + 2 * h + head
}

/// `GPT2LMHeadModel`, `GPTBigCodeForCausalLM`.
fn gpt2(kind: &str, c: &Config<'_>) -> u128 {
    let (h, norm) = (c.n("n_embd"), 2 * c.n("n_embd"));
    let f = c.optional("n_inner").unwrap_or(4 * h);
    let has_one_key = kind == "gpt_bigcode" && c.is("multi_query");
    let qkv = if has_one_key { h + 2 * (h / c.n("n_head")) } else { 3 * h };
    let layer =
        linear(qkv, h, true) + linear(h, h, true) + linear(f, h, true) + linear(h, f, true) + 2 * norm;
    let head = if c.is("tie_word_embeddings") { 0 } else { c.n("vocab_size") * h };
    (c.n("vocab_size") + c.n("n_positions")) * h + c.n("n_layer") * layer + norm + head
}

/// `BertForMaskedLM`, `RobertaForMaskedLM`.
fn bert(c: &Config<'_>) -> u128 {
    let (h, f, v) = (c.n("hidden_size"), c.n("intermediate_size"), c.n("vocab_size"));
    let norm = 2 * h;
    let types = c.n("type_vocab_size");
    let embeddings = (v + c.n("max_position_embeddings") + types) * h + norm;
    let layer = 4 * linear(h, h, true) + linear(f, h, true) + linear(h, f, true) + 2 * norm;
    let head = linear(h, h, true) + norm + v + if c.is("tie_word_embeddings") { 0 } else { v * h };
    embeddings + c.n("num_hidden_layers") * layer + head
}

/// `DistilBertForMaskedLM`.
fn distilbert(c: &Config<'_>) -> u128 {
    let (h, f, v) = (c.n("dim"), c.n("hidden_dim"), c.n("vocab_size"));
    let norm = 2 * h;
    let embeddings = (v + c.n("max_position_embeddings")) * h + norm;
    let layer = 4 * linear(h, h, true) + linear(f, h, true) + linear(h, f, true) + 2 * norm;
    let head = linear(h, h, true) + norm + v + if c.is("tie_word_embeddings") { 0 } else { v * h };
    embeddings + c.n("n_layers") * layer + head
}

/// `ModernBertForMaskedLM`: norms without biases, none before the first layer's attention.
fn modernbert(c: &Config<'_>) -> u128 {
    let (h, f, v) = (c.n("hidden_size"), c.n("intermediate_size"), c.n("vocab_size"));
    let (attention, mlp) = (c.is("attention_bias"), c.is("mlp_bias"));
    let layer = linear(3 * h, h, attention)
        + linear(h, h, attention)
        + linear(2 * f, h, mlp)
        + linear(h, f, mlp)
        + 2 * h;
    let head = h * h + h + v + if c.is("tie_word_embeddings") { 0 } else { v * h };
    v * h + h + c.n("num_hidden_layers") * layer - h + h + head
}

/// `WhisperForConditionalGeneration`, its fixed positions too.
fn whisper(c: &Config<'_>) -> u128 {
    let h = c.n("d_model");
    let attention = 3 * linear(h, h, true) + linear(h, h, false) + 2 * h;
    let mlp = |f: u128| linear(f, h, true) + linear(h, f, true) + 2 * h;
    let convolutions = linear(h, 3 * c.n("num_mel_bins"), true) + linear(h, 3 * h, true);
    let encoder = c.n("encoder_layers") * (attention + mlp(c.n("encoder_ffn_dim")));
    let decoder = c.n("decoder_layers") * (2 * attention + mlp(c.n("decoder_ffn_dim")));
    let positions = (c.n("max_source_positions") + c.n("max_target_positions")) * h;
    let tables = if c.is("tie_word_embeddings") { 1 } else { 2 };
    convolutions + positions + encoder + decoder + 4 * h + tables * c.n("vocab_size") * h
}

/// `T5ForConditionalGeneration`, whose head is the embedding.
fn t5(c: &Config<'_>) -> u128 {
    let (h, f) = (c.n("d_model"), c.n("d_ff"));
    let inner = c.n("num_heads") * c.n("d_kv");
    let attention = 4 * h * inner + h;
    let is_gated =
        c.get("feed_forward_proj").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("gated-"));
    let mlp = (if is_gated { 3 } else { 2 }) * h * f + h;
    let stack = c.n("relative_attention_num_buckets") * c.n("num_heads") + h;
    let encoders = c.n("num_layers");
    // Which the class takes from its own `num_layers`, before it looks at other names.
    let own = c.given.get("num_layers").and_then(Value::as_u64).map_or(6, u128::from);
    let decoders = c.optional("num_decoder_layers").unwrap_or(own);
    c.n("vocab_size") * h + 2 * stack + encoders * (attention + mlp) + decoders * (2 * attention + mlp)
}

/// `ViTForImageClassification`.
fn vit(c: &Config<'_>) -> u128 {
    let (h, f) = (c.n("hidden_size"), c.n("intermediate_size"));
    let (head_dim, heads) = (h / c.n("num_attention_heads"), c.n("num_attention_heads"));
    let inner = c.optional("head_dim").unwrap_or(head_dim) * heads;
    let patches = (c.n("image_size") / c.n("patch_size")).pow(2);
    let embeddings = h + (patches + 1) * h + linear(h, c.n("num_channels") * c.n("patch_size").pow(2), true);
    let layer = 3 * linear(inner, h, c.is("qkv_bias"))
        + linear(h, inner, true)
        + linear(f, h, true)
        + linear(h, f, true);
    let names = c.given.get("id2label").and_then(Value::as_object).map(|names| names.len() as u128);
    let labels = c.optional("num_labels").or(names.filter(|&names| names > 0)).unwrap_or(2);
    embeddings + c.n("num_hidden_layers") * (layer + 4 * h) + 2 * h + linear(labels, h, true)
}

/// The values of `model_type` that this count knows.
pub(crate) fn families() -> Vec<String> {
    let defaults: Map<String, Value> = serde_json::from_str(DEFAULTS).unwrap_or_default();
    defaults.keys().filter(|kind| *kind != "clip_vision_model").cloned().collect()
}
