//! A second count of a model's parameters, from the numbers of its configuration alone.
//!
//! Written from the modules that transformers 5.23.0 defines (`modeling_<model_type>.py`), one function for each kind of module; what
//! an absent key stands for is in `defaults.json`, which holds the fields of its configuration classes. It shares no code with the
//! estimator.

mod recurrent;

use serde_json::{Map, Value};

const DEFAULTS: &str = include_str!("defaults.json");

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
        "opt" => opt(&config),
        "mamba2" => recurrent::mamba2(&config),
        "bert" | "roberta" | "xlm-roberta" | "camembert" => bert(&config),
        "distilbert" => distilbert(&config),
        "modernbert" => modernbert(&config),
        "t5" => t5(&config),
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

/// Decoders: embedding, layers, a norm, the head.
fn decoder(kind: &str, c: &Config<'_>) -> u128 {
    let (h, v, layers) = (c.n("hidden_size"), c.n("vocab_size"), c.n("num_hidden_layers"));
    let norm = match kind {
        // `nn.LayerNorm`, `NemotronLayerNorm1P`.
        "gpt_neox" | "starcoder2" | "phi" | "stablelm" | "nemotron" => 2 * h,
        "olmo" => 0,
        _ => h,
    };
    let norms = match kind {
        "gemma2" | "gemma3_text" | "glm4" => 4,
        "phi" | "cohere" | "cohere2" => 1,
        "stablelm" if c.is("use_parallel_residual") => 1,
        _ => 2,
    };
    let head = match (c.is("tie_word_embeddings"), kind) {
        (false, "phi") => linear(v, h, true),
        (true, "phi") => v,
        (false, _) => v * h,
        (true, _) => 0,
    };
    let of_layers: u128 = (0..layers).map(|index| mlp(kind, c, index)).sum();
    let mixers: u128 = (0..layers).map(|index| mixer(kind, c, index)).sum();
    v * h + mixers + layers * norms * norm + of_layers + norm + head
}

/// What mixes a layer's tokens.
fn mixer(kind: &str, c: &Config<'_>, index: u128) -> u128 {
    if kind != "qwen3_next" {
        return attention(kind, c);
    }
    let listed = c.get("layer_types").and_then(Value::as_array);
    let is_linear = match listed {
        Some(listed) => usize::try_from(index)
            .is_ok_and(|at| listed.get(at).and_then(Value::as_str) == Some("linear_attention")),
        None => !(index + 1).is_multiple_of(c.n("full_attention_interval")),
    };
    if is_linear { recurrent::gated_delta_net(c) } else { attention(kind, c) }
}

fn attention(kind: &str, c: &Config<'_>) -> u128 {
    let (h, heads) = (c.n("hidden_size"), c.n("num_attention_heads"));
    if kind == "deepseek_v2" || kind == "deepseek_v3" {
        return latent_attention(c, h, heads);
    }
    let of_kv = if c.is_null("num_key_value_heads") { None } else { c.optional("num_key_value_heads") };
    let kv = match kind {
        "gpt_neox" => heads,
        _ => of_kv.unwrap_or(heads),
    };
    let head_dim = match kind {
        "gpt_neox" | "stablelm" => h / heads,
        _ => c.optional("head_dim").unwrap_or(h / heads),
    };
    let bias = c.is("attention_bias");
    let (of_three, of_output) = match kind {
        "qwen2" => (true, false),
        "qwen2_moe" => (c.is("qkv_bias"), false),
        "glm" | "glm4" | "glm4_moe" | "helium" => (bias, false),
        "stablelm" => (c.is("use_qkv_bias"), false),
        "seed_oss" => (bias, c.is("attention_out_bias")),
        "phi" => (true, true),
        "starcoder2" | "ernie4_5" => (c.is("use_bias"), c.is("use_bias")),
        "phi3" | "mistral" | "mixtral" | "ministral" | "ministral3" | "exaone4" | "minimax_m2" => {
            (false, false)
        }
        _ => (bias, bias),
    };
    // The queries' gate.
    let gates = if kind == "qwen3_next" { 2 } else { 1 };
    let projections = linear(gates * heads * head_dim, h, of_three)
        + 2 * linear(kv * head_dim, h, of_three)
        + linear(h, heads * head_dim, of_output);
    let norms = match kind {
        "qwen3" | "qwen3_moe" | "qwen3_next" | "gemma3_text" | "exaone4" | "hunyuan_v1_dense" => 2 * head_dim,
        "glm4_moe" if c.is("use_qk_norm") => 2 * head_dim,
        "olmoe" | "olmo2" | "olmo3" | "minimax_m2" => (heads + kv) * head_dim,
        _ => 0,
    };
    projections + norms + if kind == "gpt_oss" { heads } else { 0 }
}

/// `DeepseekV2Attention`, `DeepseekV3Attention`.
fn latent_attention(c: &Config<'_>, h: u128, heads: u128) -> u128 {
    let (plain, rotated, value) = (c.n("qk_nope_head_dim"), c.n("qk_rope_head_dim"), c.n("v_head_dim"));
    let (rank, bias) = (c.n("kv_lora_rank"), c.is("attention_bias"));
    let query = heads * (plain + rotated);
    let query = match c.optional("q_lora_rank").filter(|_| !c.is_null("q_lora_rank")) {
        Some(rank) => linear(rank, h, bias) + rank + query * rank,
        None => query * h,
    };
    query
        + linear(rank + rotated, h, bias)
        + rank
        + heads * (plain + value) * rank
        + linear(h, heads * value, bias)
}

/// The MLP of a layer, or its router and experts.
fn mlp(kind: &str, c: &Config<'_>, index: u128) -> u128 {
    let (h, f) = (c.n("hidden_size"), c.n("intermediate_size"));
    let gated = |f: u128, bias: bool| 2 * linear(f, h, bias) + linear(h, f, bias);
    let plain = |bias: bool| linear(f, h, bias) + linear(h, f, bias);
    let experts = |count: u128, f: u128| count * 3 * h * f + count * h;
    match kind {
        "gpt_neox" | "phi" => plain(true),
        "starcoder2" => plain(c.is("use_bias")),
        "nemotron" | "arcee" => plain(c.is("mlp_bias")),
        "llama" | "granite" | "smollm3" | "seed_oss" | "helium" => gated(f, c.is("mlp_bias")),
        "ernie4_5" => gated(f, c.is("use_bias")),
        "mixtral" | "granitemoe" | "minimax_m2" => experts(c.n("num_local_experts"), f),
        "olmoe" => experts(c.n("num_experts"), f),
        "gpt_oss" => {
            let count = c.n("num_local_experts");
            experts(count, f) + count * (2 * f + h) + count
        }
        "qwen2_moe" | "qwen3_moe" | "qwen3_next" => {
            let only = c.get("mlp_only_layers").and_then(Value::as_array);
            let is_only =
                only.is_some_and(|only| only.iter().any(|at| at.as_u64().map(u128::from) == Some(index)));
            let has_none = kind == "qwen3_next" && number(c, "num_experts") == Some(0);
            if is_only || has_none || !(index + 1).is_multiple_of(c.n("decoder_sparse_step")) {
                return gated(f, false);
            }
            let shared = if kind == "qwen3_moe" {
                0
            } else {
                gated(c.n("shared_expert_intermediate_size"), false) + h
            };
            // The other name of Qwen3's field wins, as every alias.
            let other = c.given.get("num_local_experts").and_then(Value::as_u64).map(u128::from);
            let count = other
                .filter(|_| kind == "qwen3_moe")
                .or_else(|| number(c, "num_experts"))
                .unwrap_or_default();
            experts(count, c.n("moe_intermediate_size")) + shared
        }
        "deepseek_v2" | "deepseek_v3" | "glm4_moe" => {
            let bias = kind == "deepseek_v2" && c.is("mlp_bias");
            if index < c.n("first_k_dense_replace") {
                return gated(f, bias);
            }
            let m = c.n("moe_intermediate_size");
            experts(c.n("n_routed_experts"), m) + gated(m * c.n("n_shared_experts"), bias)
        }
        "llama4_text" => {
            let every = c.n("interleave_moe_layer_step");
            let listed = c.get("moe_layers").and_then(Value::as_array);
            let is_sparse = match listed {
                Some(listed) => listed.iter().any(|at| at.as_u64().map(u128::from) == Some(index)),
                None => (index + 1).is_multiple_of(every),
            };
            if is_sparse {
                experts(c.n("num_local_experts"), f) + gated(f, false)
            } else {
                gated(c.n("intermediate_size_mlp"), false)
            }
        }
        _ => gated(f, false),
    }
}

/// A key's number, whatever it is a name of.
fn number(c: &Config<'_>, key: &str) -> Option<u128> {
    let given = c.given.get(key).filter(|value| !value.is_null());
    given.or_else(|| c.default.get(key)).and_then(Value::as_u64).map(u128::from)
}

/// A decoder of no known family: Llama's modules, with the usual keys for biases and experts.
#[expect(clippy::many_single_char_names, reason = "the letters of the formulas")]
fn unknown(c: &Config<'_>) -> u128 {
    let (h, v, f, layers) =
        (c.n("hidden_size"), c.n("vocab_size"), c.n("intermediate_size"), c.n("num_hidden_layers"));
    let first = |keys: &[&str]| keys.iter().find_map(|key| c.get(key));
    let flag = |keys: &[&str]| first(keys).and_then(Value::as_bool).unwrap_or_default();
    let number = |keys: &[&str]| first(keys).and_then(Value::as_u64).map(u128::from);
    let heads = c.n("num_attention_heads");
    let kv = c.optional("num_key_value_heads").unwrap_or(heads);
    let d = c.optional("head_dim").unwrap_or(h / heads);
    let qkv = flag(&["qkv_bias", "use_qkv_bias", "attention_bias", "use_bias"]);
    let output = flag(&["attention_out_bias", "attention_bias", "use_bias"]);
    let bias = flag(&["mlp_bias", "use_bias"]);
    let attention = linear(heads * d, h, qkv) + 2 * linear(kv * d, h, qkv) + linear(h, heads * d, output);
    let gated = |f: u128| 2 * linear(f, h, bias) + linear(h, f, bias);
    let m = number(&["moe_intermediate_size"]).unwrap_or(f);
    let shared = number(&["shared_expert_intermediate_size"])
        .or(number(&["n_shared_experts", "num_shared_experts", "moe_num_shared_experts"])
            .map(|count| count * m))
        .filter(|&width| width > 0);
    let count = number(&["num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"])
        .unwrap_or_default();
    let dense = number(&["first_k_dense_replace", "moe_layer_start_index"]).unwrap_or_default();
    let every = number(&["decoder_sparse_step", "moe_layer_interval"]).unwrap_or(1);
    let of_layer = |index: u128| {
        if count < 2 || index < dense || !(index + 1).is_multiple_of(every) {
            return gated(f);
        }
        count * (3 * h * m + h) + shared.map_or(0, gated)
    };
    let head = if c.is("tie_word_embeddings") { 0 } else { v * h };
    v * h + layers * (attention + 2 * h) + (0..layers).map(of_layer).sum::<u128>() + h + head
}

/// The values of `model_type` that this count knows.
pub(crate) fn families() -> Vec<String> {
    let defaults: Map<String, Value> = serde_json::from_str(DEFAULTS).unwrap_or_default();
    defaults.keys().filter(|kind| *kind != "clip_vision_model").cloned().collect()
}
