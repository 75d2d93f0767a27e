//! Routed experts in place of one MLP, attention through a latent, and a decoder behind an encoder.

use crate::units::Count;

/// A layer's experts, of which each token goes through a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Experts {
    /// Routed experts in a layer.
    pub count: Count,
    /// Experts that a token goes through (`num_experts_per_tok`).
    pub per_token: Count,
    /// Width of an expert's MLP.
    pub ffn: Count,
    /// Width of the shared experts together, which every token goes through.
    pub shared_ffn: Option<Count>,
    /// Layers at the beginning that have one MLP instead (`first_k_dense_replace`).
    pub dense_layers: Count,
    /// Of the others, one in so many has experts (`decoder_sparse_step`).
    pub every: Count,
    /// So many layers before the last of each `every` (`expert_layer_offset`).
    pub early: Count,
    /// Whether what block and router read is multiplied by noise in place (`input_jitter_noise` of `PhimoeSparseMoeBlock`).
    pub jitters: bool,
    /// Whether the chosen experts' probabilities are divided by their sum (`norm_topk_prob`).
    pub renormalises: bool,
}

impl Experts {
    /// Whether layer `index` (from 0) has experts.
    pub fn has(&self, index: u64) -> bool {
        let shifted = index.saturating_add(1).saturating_add(self.early.get());
        index >= self.dense_layers.get() && shifted.is_multiple_of(self.every.get().max(1))
    }
}

/// Multi-head latent attention (DeepSeek-V2): keys and values of all heads come from one narrow tensor, and only a part of each
/// query and key is rotated (`qk_rope_head_dim` of `head_dim`); the rotated part of a key is the same for all heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latent {
    /// Width through which queries go (`q_lora_rank`); none: one projection makes them.
    pub query_rank: Option<Count>,
    /// Width through which keys and values go (`kv_lora_rank`).
    pub rank: Count,
    /// Width of a value head (`v_head_dim`).
    pub value: Count,
}

/// The decoder of an encoder-decoder (T5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoder {
    /// `num_decoder_layers`
    pub layers: Count,
    /// Rows of the table of relative positions that each half has (`relative_attention_num_buckets`).
    pub buckets: Count,
    /// MLPs are gated (`feed_forward_proj`).
    pub is_gated: bool,
    /// What the decoder has made is scaled before the logits (`scale_decoder_outputs`: unless `tie_word_embeddings` is false).
    pub scales_output: bool,
}
