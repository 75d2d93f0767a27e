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
