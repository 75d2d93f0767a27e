//! Decoders, of a family that is known and of others.

use super::{Config, linear, recurrent};
use serde_json::Value;

/// Decoders: embedding, layers, a norm, the head.
pub(super) fn decoder(kind: &str, c: &Config<'_>) -> u128 {
    let (h, v, layers) = (c.n("hidden_size"), c.n("vocab_size"), c.n("num_hidden_layers"));
    let norm = match kind {
        // `nn.LayerNorm`, `NemotronLayerNorm1P`.
        "gpt_neox" | "starcoder2" | "phi" | "phimoe" | "stablelm" | "nemotron" => 2 * h,
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
        (tied, "phimoe") => (if tied { 0 } else { v * h }) + if c.is("lm_head_bias") { v } else { 0 },
        (false, _) => v * h,
        (true, _) => 0,
    };
    let of_layers: u128 = (0..layers).map(|index| mlp(kind, c, index)).sum();
    let mixers: u128 = (0..layers).map(|index| mixer(kind, c, index)).sum();
    v * h + mixers + layers * norms * norm + of_layers + norm + head
}

/// What mixes a layer's tokens.
fn mixer(kind: &str, c: &Config<'_>, index: u128) -> u128 {
    if kind == "jamba" {
        let is_attention = index % c.n("attn_layer_period") == c.n("attn_layer_offset");
        return if is_attention { attention(kind, c) } else { recurrent::jamba_mixer(c) };
    }
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
        "phi3" | "mistral" | "mixtral" | "jamba" | "ministral" | "ministral3" | "exaone4" | "minimax_m2" => {
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
        "mixtral" | "phimoe" | "granitemoe" | "minimax_m2" => experts(c.n("num_local_experts"), f),
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
        "jamba" => {
            let is_sparse = index % c.n("expert_layer_period") == c.n("expert_layer_offset");
            let count = c.n("num_experts");
            if is_sparse && count > 1 { experts(count, f) } else { gated(f, false) }
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
pub(super) fn unknown(c: &Config<'_>) -> u128 {
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
