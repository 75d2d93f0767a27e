//! What is trained: the dimensions and kinds of layer that a `config.json` states.
//!
//! No model's name is known here; a model is what its configuration says.

mod config;
mod parameters;
mod sparse;
pub mod weights;

pub use config::from_config;
pub use parameters::{LayerRange, Parameter, Place, parameter_count, parameters};
pub(crate) use parameters::{adapters, elements, has_one_qkv};
pub use sparse::{Decoder, Experts, Latent};

use crate::units::Count;

/// A model and the label it is shown under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The preset's identifier, such as `phi-3-mini-4k-instruct`; none for a reader's own.
    /// A label only: no figure depends on it.
    pub preset: Option<String>,
    /// The dimensions.
    pub architecture: Architecture,
}

/// Which of Hugging Face's modelling files runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `llama`
    Llama,
    /// `mistral`
    Mistral,
    /// `qwen2`
    Qwen2,
    /// `qwen3`
    Qwen3,
    /// `phi3`
    Phi3,
    /// `gemma2`
    Gemma2,
    /// `gemma3_text`
    Gemma3Text,
    /// `gpt2`
    Gpt2,
    /// `gpt_neox`
    GptNeox,
    /// `mixtral`
    Mixtral,
    /// `qwen3_moe`
    Qwen3Moe,
    /// `olmoe`
    Olmoe,
    /// `deepseek_v2`
    DeepseekV2,
    /// `bert`
    Bert,
    /// `roberta`, `xlm-roberta`, `camembert`
    Roberta,
    /// `distilbert`
    DistilBert,
    /// `modernbert`
    ModernBert,
    /// `t5`
    T5,
    /// `granite`
    Granite,
    /// `olmo2`
    Olmo2,
    /// `starcoder2`
    Starcoder2,
}

impl Family {
    /// Every family, in the order in which they are listed to readers.
    pub const ALL: [Self; 21] = [
        Self::Llama,
        Self::Mistral,
        Self::Qwen2,
        Self::Qwen3,
        Self::Phi3,
        Self::Gemma2,
        Self::Gemma3Text,
        Self::Gpt2,
        Self::GptNeox,
        Self::Mixtral,
        Self::Qwen3Moe,
        Self::Olmoe,
        Self::DeepseekV2,
        Self::Bert,
        Self::Roberta,
        Self::DistilBert,
        Self::ModernBert,
        Self::T5,
        Self::Granite,
        Self::Olmo2,
        Self::Starcoder2,
    ];

    /// The `model_type` of `config.json`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Phi3 => "phi3",
            Self::Gemma2 => "gemma2",
            Self::Gemma3Text => "gemma3_text",
            Self::Gpt2 => "gpt2",
            Self::GptNeox => "gpt_neox",
            Self::Mixtral => "mixtral",
            Self::Qwen3Moe => "qwen3_moe",
            Self::Olmoe => "olmoe",
            Self::DeepseekV2 => "deepseek_v2",
            Self::Bert => "bert",
            Self::Roberta => "roberta",
            Self::DistilBert => "distilbert",
            Self::ModernBert => "modernbert",
            Self::T5 => "t5",
            Self::Granite => "granite",
            Self::Olmo2 => "olmo2",
            Self::Starcoder2 => "starcoder2",
        }
    }

    /// The family of a `model_type`.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.key() == key)
    }

    /// The layer normalisation that the family's modelling file has.
    pub const fn norm(self) -> NormKind {
        match self {
            Self::Gpt2 | Self::GptNeox | Self::Bert | Self::Roberta | Self::DistilBert | Self::Starcoder2 => {
                NormKind::LayerNorm
            }
            Self::ModernBert => NormKind::LayerNormWithoutBias,
            Self::Olmo2 => NormKind::RmsWide,
            Self::Gemma2 | Self::Gemma3Text => NormKind::RmsGemma,
            Self::T5 => NormKind::T5,
            _ => NormKind::Rms,
        }
    }

    /// Whether there are norms after attention and after the MLP (`Gemma2DecoderLayer`, `Olmo2DecoderLayer`).
    pub const fn has_post_norms(self) -> bool {
        matches!(self, Self::Gemma2 | Self::Gemma3Text | Self::Olmo2)
    }

    /// Whether there are norms before attention and before the MLP.
    pub const fn has_pre_norms(self) -> bool {
        !matches!(self, Self::Olmo2)
    }

    /// Whether embeddings, what is added to the residual, and logits are multiplied by numbers (`GraniteDecoderLayer`).
    pub const fn scales_residuals(self) -> bool {
        matches!(self, Self::Granite)
    }

    /// Whether queries and keys are normalised head by head before RoPE (`Qwen3Attention`, `Gemma3Attention`).
    pub const fn has_qk_norm(self) -> bool {
        matches!(self, Self::Qwen3 | Self::Qwen3Moe | Self::Gemma3Text)
    }

    /// Whether queries and keys are normalised over all heads together, before they are split (`OlmoeAttention`).
    pub const fn has_wide_qk_norm(self) -> bool {
        matches!(self, Self::Olmoe | Self::Olmo2)
    }

    /// Whether `attention_bias` is read.
    pub const fn has_attention_bias(self) -> bool {
        !matches!(self, Self::Phi3 | Self::Mixtral)
    }

    /// Whether the router multiplies in fp32 and scales what it has chosen (`DeepseekV2TopkRouter`).
    pub const fn routes_in_fp32(self) -> bool {
        matches!(self, Self::DeepseekV2)
    }

    /// Whether the chosen experts' weights are cast to the dtype of the logits (`Qwen3MoeTopKRouter`); in `MixtralTopKRouter` they
    /// stay fp32, and the logits are cast before the softmax.
    pub const fn casts_routing_weights(self) -> bool {
        matches!(self, Self::Qwen3Moe | Self::Olmoe)
    }

    /// Whether q, k and v are one projection, of which each takes a slice (`Phi3Attention`).
    pub const fn has_fused_projections(self) -> bool {
        matches!(self, Self::Phi3)
    }

    /// Whether gate and up are one projection (`Phi3MLP`, `ModernBertMLP`).
    pub const fn has_fused_gate(self) -> bool {
        matches!(self, Self::Phi3 | Self::ModernBert)
    }

    /// Whether the MLP is gated (three projections) or plain (two).
    pub const fn has_gated_mlp(self) -> bool {
        !matches!(self, Self::Gpt2 | Self::GptNeox | Self::Starcoder2) && !self.has_norms_after_sums()
    }

    /// Whether it is an encoder that is trained with masked language modelling (`BertForMaskedLM` and its kin).
    pub const fn is_masked(self) -> bool {
        self.has_norms_after_sums() || matches!(self, Self::ModernBert)
    }

    /// Whether attention and MLP are each normalised after they have been added to what they read (`BertLayer`).
    pub const fn has_norms_after_sums(self) -> bool {
        matches!(self, Self::Bert | Self::Roberta | Self::DistilBert)
    }

    /// Whether every token's position is looked up on its own, because padding has none (`RobertaEmbeddings`).
    pub const fn has_position_of_each_token(self) -> bool {
        matches!(self, Self::Roberta)
    }

    /// Rows of the table of positions that no token reaches: RoBERTa counts from `padding_idx + 1`.
    pub const fn positions_skipped(self) -> u64 {
        if matches!(self, Self::Roberta) { 2 } else { 0 }
    }

    /// Whether the first layer reads the embedding as it is, which has been normalised already (`ModernBertEncoderLayer`).
    pub const fn first_has_no_input_norm(self) -> bool {
        matches!(self, Self::ModernBert)
    }

    /// Whether queries and keys are rotated in fp32, whatever they are in (`apply_rotary_pos_emb` of `modeling_modernbert.py`).
    pub const fn rotates_in_fp32(self) -> bool {
        matches!(self, Self::ModernBert)
    }

    /// Whether a pattern of attention begins with a layer that attends to everything, where others end with it.
    pub const fn begins_with_full_attention(self) -> bool {
        matches!(self, Self::ModernBert)
    }

    /// Whether windowed and full layers have tables of cosines and sines of their own.
    pub const fn has_two_ropes(self) -> bool {
        matches!(self, Self::Gemma3Text | Self::ModernBert)
    }

    /// Whether the MLP drops out what its last projection reads, and nothing after it (`T5DenseActDense` does both).
    pub const fn drops_within_mlp_alone(self) -> bool {
        matches!(self, Self::ModernBert)
    }

    /// Whether eager attention's softmax keeps the dtype of the scores instead of asking for fp32.
    pub const fn softmax_keeps_dtype(self) -> bool {
        matches!(self, Self::Gpt2) || self.has_norms_after_sums()
    }
}

/// How a layer's input is normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NormKind {
    /// `LlamaRMSNorm`: statistics in fp32, back to the input's dtype, then the weight.
    Rms,
    /// `Olmo2RMSNorm`: all in fp32, the weight too, back to the input's dtype at the end.
    RmsWide,
    /// `T5LayerNorm`: the mean square in fp32, the product with the input, back to the weight's dtype, then the weight.
    T5,
    /// `Gemma2RMSNorm`: all in fp32 with `1 + weight`, back to the input's dtype at the end.
    RmsGemma,
    /// `torch.nn.LayerNorm`, with weight and bias.
    LayerNorm,
    /// The same with a weight alone.
    LayerNormWithoutBias,
}

/// The MLP's activation function, as far as memory depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Activation {
    /// One kernel that saves its input: `silu`, `gelu`, `gelu_pytorch_tanh`.
    OneKernel,
    /// `relu`, which saves its output.
    Relu,
    /// The tanh formula written out in Python (`gelu_new`: `NewGELUActivation`), which saves each step.
    NewGelu,
}

impl Activation {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::OneKernel, Self::Relu, Self::NewGelu];
    /// The words of all kinds, in the same order.
    pub const KEYS: &'static [&'static str] = &["one_kernel", "relu", "gelu_new"];

    /// The kind that a word names.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|activation| activation.key() == key)
    }

    /// The word that a link and a scenario file use.
    pub const fn key(self) -> &'static str {
        match self {
            Self::OneKernel => "one_kernel",
            Self::Relu => "relu",
            Self::NewGelu => "gelu_new",
        }
    }
}

/// Attention limited to the last `size` tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlidingWindow {
    /// `sliding_window`, tokens.
    pub size: Count,
    /// The first layer that is limited, from 0 (Qwen's `max_window_layers`).
    pub first: Count,
    /// One layer in `full_every` attends to everything (Gemma-2: 2, Gemma-3: 6); none: every layer is limited.
    pub full_every: Option<Count>,
}

impl SlidingWindow {
    /// Whether layer `index` (from 0) is limited.
    pub fn covers(&self, index: u64) -> bool {
        let is_full = self.full_every.is_some_and(|every| (index + 1).is_multiple_of(every.get()));
        index >= self.first.get() && !is_full
    }
}

/// The dimensions of a decoder, from its `config.json`.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of `config.json`, independent of the others"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// `model_type`
    pub family: Family,
    /// `vocab_size`
    pub vocabulary: Count,
    /// `hidden_size`
    pub hidden: Count,
    /// `num_hidden_layers`
    pub layers: Count,
    /// `num_attention_heads`
    pub heads: Count,
    /// `num_key_value_heads`
    pub kv_heads: Count,
    /// `head_dim`
    pub head_dim: Count,
    /// `intermediate_size`
    pub ffn: Count,
    /// `tie_word_embeddings`
    pub tied: bool,
    /// Rows of a learned position embedding (GPT-2's `n_positions`); none with RoPE.
    pub positions: Option<Count>,
    /// Rows of BERT's token type embedding (`type_vocab_size`).
    pub token_types: Option<Count>,
    /// Dimensions of a head that RoPE rotates (`partial_rotary_factor`); none: all.
    pub rotary: Option<Count>,
    /// Whether the MLP reads the layer's input as attention does (`use_parallel_residual`).
    pub parallel_residual: bool,
    /// Biases of q, k and v.
    pub qkv_bias: bool,
    /// Bias of the attention's output projection.
    pub output_bias: bool,
    /// Biases of the MLP's projections.
    pub mlp_bias: bool,
    /// The MLP's activation function.
    pub activation: Activation,
    /// `sliding_window`, where layers use it.
    pub window: Option<SlidingWindow>,
    /// Soft-capping of attention scores (`attn_logit_softcapping`), which needs eager attention.
    pub attention_softcap: bool,
    /// Soft-capping of logits (`final_logit_softcapping`).
    pub logit_softcap: bool,
    /// Dropout on the embeddings' sum is above zero (`embd_pdrop`).
    pub embedding_dropout: bool,
    /// Dropout on what attention and MLP add to the residual is above zero (`resid_pdrop`).
    pub residual_dropout: bool,
    /// Dropout on attention probabilities is above zero (`attn_pdrop`, `attention_dropout`).
    pub attention_dropout: bool,
    /// Routed experts, where layers have them.
    pub experts: Option<Experts>,
    /// Latent attention, where layers have it.
    pub latent: Option<Latent>,
    /// The decoder behind the layers, which are then an encoder.
    pub decoder: Option<Decoder>,
    /// Classes of the head that stands in place of the one over the vocabulary; an objective brings it, no configuration.
    pub labels: Option<Count>,
}

impl Architecture {
    /// Width of all query heads together: heads × head_dim.
    pub const fn query_width(&self) -> u64 {
        self.heads.get().saturating_mul(self.head_dim.get())
    }

    /// Width of all key (or value) heads together: kv_heads × head_dim.
    pub const fn kv_width(&self) -> u64 {
        self.kv_heads.get().saturating_mul(self.head_dim.get())
    }

    /// Whether the rotated part of a head is concatenated with the rest, which makes q and k contiguous by heads
    /// (`apply_rotary_pos_emb` of `modeling_phi3.py` and `modeling_gpt_neox.py`, `DeepseekV2Attention`).
    pub const fn concatenates_rope(&self) -> bool {
        matches!(self.family, Family::Phi3 | Family::GptNeox) || self.latent.is_some()
    }

    /// Width of a value head: the latent's, or that of queries and keys.
    pub fn value_dim(&self) -> Count {
        self.latent.map_or(self.head_dim, |latent| latent.value)
    }

    /// Dimensions of a head that RoPE leaves alone.
    pub fn plain_dim(&self) -> u64 {
        self.head_dim.get().saturating_sub(self.rotary_dim().get())
    }

    /// Whether layer `index` (from 0) has experts.
    pub fn is_sparse(&self, index: u64) -> bool {
        self.experts.is_some_and(|experts| experts.has(index))
    }

    /// Layers that have experts.
    pub fn sparse_layers(&self) -> u64 {
        (0..self.layers.get()).filter(|&index| self.is_sparse(index)).count() as u64
    }

    /// The longest sequence for which there is a position; none with RoPE or relative positions.
    pub fn longest_sequence(&self) -> Option<u64> {
        self.positions.map(|rows| rows.get().saturating_sub(self.family.positions_skipped()))
    }

    /// Whether positions are rotated into queries and keys.
    pub const fn has_rope(&self) -> bool {
        self.positions.is_none() && self.decoder.is_none()
    }

    /// The MLP has three projections instead of two.
    pub fn is_gated(&self) -> bool {
        self.decoder.map_or_else(|| self.family.has_gated_mlp(), |decoder| decoder.is_gated)
    }

    /// The blocks between embedding and head: the layers and, of an encoder-decoder, what joins both and the decoder's layers.
    pub fn blocks(&self) -> u64 {
        self.layers.get() + self.decoder.map_or(0, |decoder| decoder.layers.get() + 1)
    }

    /// Dimensions of a head that RoPE rotates.
    pub fn rotary_dim(&self) -> Count {
        self.rotary.unwrap_or(self.head_dim).min(self.head_dim)
    }

    /// Whether layer `index` (from 0) is limited to the sliding window.
    pub fn is_windowed(&self, index: u64) -> bool {
        self.window.is_some_and(|window| {
            let skipped = window.full_every.map_or(0, |every| every.get().saturating_sub(1));
            window.covers(if self.family.begins_with_full_attention() { index + skipped } else { index })
        })
    }
}
