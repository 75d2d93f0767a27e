//! Layers that carry a state in place of attention.

use super::{Config, linear};

/// `Qwen3NextGatedDeltaNet`.
pub(super) fn gated_delta_net(c: &Config<'_>) -> u128 {
    let (h, heads, width) = (c.n("hidden_size"), c.n("linear_num_value_heads"), c.n("linear_value_head_dim"));
    let (keys, values) = (c.n("linear_num_key_heads") * c.n("linear_key_head_dim"), heads * width);
    let inputs = linear(2 * keys + 2 * values, h, false) + linear(2 * heads, h, false);
    let convolution = (2 * keys + values) * c.n("linear_conv_kernel_dim");
    inputs + convolution + 2 * heads + width + linear(h, values, false)
}

/// `Mamba2ForCausalLM`.
pub(super) fn mamba2(c: &Config<'_>) -> u128 {
    let (h, v, heads) = (c.n("hidden_size"), c.n("vocab_size"), c.n("num_heads"));
    let inner = c.n("expand") * h;
    let channels = inner + 2 * c.n("n_groups") * c.n("state_size");
    let bias = c.is("use_bias");
    let convolution = channels * (c.n("conv_kernel") + u128::from(c.is("use_conv_bias")));
    let projections = linear(inner + channels + heads, h, bias) + linear(h, inner, bias);
    let layer = h + projections + convolution + 3 * heads + inner;
    let head = if c.is("tie_word_embeddings") { 0 } else { v * h };
    v * h + c.n("num_hidden_layers") * layer + h + head
}

/// The keys of a selective mixer: state, convolution, expansion, rank, the biases of the convolution and of the projections.
type Keys = [&'static str; 6];
const MAMBA: Keys = ["state_size", "conv_kernel", "expand", "time_step_rank", "use_conv_bias", "use_bias"];
const JAMBA: Keys =
    ["mamba_d_state", "mamba_d_conv", "mamba_expand", "mamba_dt_rank", "mamba_conv_bias", "mamba_proj_bias"];

/// `MambaMixer`.
fn selective(c: &Config<'_>, [state, kernel, expand, rank, conv_bias, bias]: Keys) -> (u128, u128, u128) {
    let (h, state, inner) = (c.n("hidden_size"), c.n(state), c.n(expand) * c.n("hidden_size"));
    // A word, and only `"auto"`.
    let rank = c.optional(rank).unwrap_or(h.div_ceil(16));
    let bias = c.is(bias);
    let convolution = inner * (c.n(kernel) + u128::from(c.is(conv_bias)));
    let projections = linear(2 * inner, h, bias)
        + linear(rank + 2 * state, inner, false)
        + linear(inner, rank, true)
        + linear(h, inner, bias);
    (projections + convolution + inner * state + inner, rank, state)
}

/// `MambaForCausalLM`, `FalconMambaForCausalLM`.
pub(super) fn mamba(c: &Config<'_>) -> u128 {
    let (h, v) = (c.n("hidden_size"), c.n("vocab_size"));
    let (mixer, _, _) = selective(c, MAMBA);
    let head = if c.is("tie_word_embeddings") { 0 } else { v * h };
    v * h + c.n("num_hidden_layers") * (h + mixer) + h + head
}

/// `JambaMambaMixer`, with its three norms.
pub(super) fn jamba_mixer(c: &Config<'_>) -> u128 {
    let (mixer, rank, state) = selective(c, JAMBA);
    mixer + rank + 2 * state
}
