//! What is trained: the dimensions and kinds of layer that a `config.json` states.
//!
//! No model's name is known here; a model is what its configuration says.

mod config;
mod family;
mod forms;
mod image;
mod parameters;
mod pattern;
mod recurrent;
mod sparse;
mod speech;
mod traits;
pub mod weights;

pub use config::from_config;
pub use family::{Activation, Family, NormKind};
pub use forms::{Branches, QkNorm, RopeKind, Routing, ScanNorms};
pub use image::{Image, Tower};
pub use parameters::{LayerRange, Parameter, Place, parameter_count, parameters};
pub(crate) use parameters::{SPEECH_KERNEL, elements, has_one_qkv};
pub use pattern::{Mixer, Pattern};
pub use recurrent::{Recurrent, Scan};
pub use sparse::{Decoder, Experts, Latent};
pub use speech::Speech;

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
    /// Queries and keys are normalised as the family does it (`use_qk_norm`).
    pub has_qk_norm: bool,
    /// Biases of q, k and v.
    pub qkv_bias: bool,
    /// Bias of the attention's output projection.
    pub output_bias: bool,
    /// Biases of the MLP's projections.
    pub mlp_bias: bool,
    /// Bias of the projection to the vocabulary, where the family leaves it to the configuration (`lm_head_bias`).
    pub head_bias: bool,
    /// The MLP's activation function.
    pub activation: Activation,
    /// `sliding_window`, tokens, where layers use it.
    pub window: Option<Count>,
    /// How each layer mixes tokens.
    pub pattern: Pattern,
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
    /// The layers without attention, where there are some.
    pub recurrent: Option<Recurrent>,
    /// The decoder behind the layers, which are then an encoder.
    pub decoder: Option<Decoder>,
    /// The image that the layers read in place of tokens.
    pub image: Option<Image>,
    /// The vision tower in front of the layers.
    pub tower: Option<Tower>,
    /// The encoder of sound in front of the layers, which are then its decoder.
    pub speech: Option<Speech>,
    /// Classes of the head that stands in place of the one over the vocabulary; an objective brings it, no configuration.
    pub labels: Option<Count>,
}

impl Architecture {
    /// One layer of one of everything, without what only some models have: what a configuration doesn't say.
    pub const PLAIN: Self = Self {
        family: Family::Llama,
        vocabulary: Count::ONE,
        hidden: Count::ONE,
        layers: Count::ONE,
        heads: Count::ONE,
        kv_heads: Count::ONE,
        head_dim: Count::ONE,
        ffn: Count::ONE,
        tied: false,
        positions: None,
        token_types: None,
        rotary: None,
        parallel_residual: false,
        has_qk_norm: true,
        qkv_bias: false,
        output_bias: false,
        mlp_bias: false,
        head_bias: false,
        activation: Activation::OneKernel,
        window: None,
        pattern: Pattern::all(Mixer::Full),
        attention_softcap: false,
        logit_softcap: false,
        embedding_dropout: false,
        residual_dropout: false,
        attention_dropout: false,
        experts: None,
        latent: None,
        recurrent: None,
        decoder: None,
        image: None,
        tower: None,
        speech: None,
        labels: None,
    };

    /// Width of all query heads together: heads × head_dim.
    pub const fn query_width(&self) -> u64 {
        self.heads.get().saturating_mul(self.head_dim.get())
    }

    /// Width of all key (or value) heads together: kv_heads × head_dim.
    pub const fn kv_width(&self) -> u64 {
        self.kv_heads.get().saturating_mul(self.head_dim.get())
    }

    /// Whether queries and keys have been made by `torch.cat`, and so are contiguous by heads.
    pub const fn concatenates_rope(&self) -> bool {
        self.latent.is_some() || self.slices_heads() || matches!(self.family.rope(), RopeKind::Concatenated)
    }

    /// Whether what is rotated of a head is sliced off and concatenated with the rest.
    pub const fn slices_heads(&self) -> bool {
        self.family.slices_heads() || matches!(self.family, Family::Generic) && self.rotary.is_some()
    }

    /// Whether the projection to the vocabulary has a bias.
    pub const fn has_head_bias(&self) -> bool {
        self.family.has_head_bias() || self.head_bias && self.family.head_bias_is_optional()
    }

    /// Where and how queries and keys are normalised.
    pub const fn qk_norm(&self) -> QkNorm {
        if self.has_qk_norm { self.family.qk_norm() } else { QkNorm::None }
    }

    /// How a layer's branches are joined.
    pub const fn branches(&self) -> Branches {
        match self.family {
            Family::Falcon if !self.expands_groups() => Branches::ParallelOneNorm,
            _ if self.parallel_residual => self.family.branches(),
            _ => Branches::Sequence,
        }
    }

    /// Falcon's newer layers (`new_decoder_architecture`): two norms, and keys and values of groups, of which each query head has a copy.
    pub const fn expands_groups(&self) -> bool {
        matches!(self.family, Family::Falcon) && self.kv_heads.get() > 1
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

    /// Whether layer `index` (from 0) carries a state in place of attention.
    pub fn is_recurrent(&self, index: u64) -> bool {
        self.recurrent.is_some() && self.pattern.of(index) == Mixer::Recurrent
    }

    /// Layers that carry a state in place of attention.
    pub fn recurrent_layers(&self) -> u64 {
        (0..self.layers.get()).filter(|&index| self.is_recurrent(index)).count() as u64
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
        self.positions.is_none()
            && self.decoder.is_none()
            && self.image.is_none()
            && !self.family.has_no_positions()
            && !self.family.has_alibi()
    }

    /// The MLP has three projections instead of two.
    pub fn is_gated(&self) -> bool {
        self.decoder.map_or_else(|| self.family.has_gated_mlp(), |decoder| decoder.is_gated)
    }

    /// Whether dropout within the MLP is above zero, where it is a probability of its own (`activation_dropout`).
    pub fn has_inner_dropout(&self) -> bool {
        self.speech.is_some_and(|speech| speech.inner_dropout)
    }

    /// Whether it has other layers than those of one stack over tokens: a decoder behind an encoder, or layers that read images or sound.
    pub const fn has_other_layers(&self) -> bool {
        self.decoder.is_some() || self.image.is_some() || self.tower.is_some() || self.speech.is_some()
    }

    /// Whether it is trained with a loss of its own and no other: an encoder, or with what it reads beside text.
    pub fn has_own_objective(&self) -> bool {
        self.family.is_masked() || self.has_other_layers()
    }

    /// The blocks between embedding and head: the layers and, of an encoder-decoder, what joins both and the decoder's layers.
    pub fn blocks(&self) -> u64 {
        self.layers.get()
            + self.decoder.map_or(0, |decoder| decoder.layers.get() + 1)
            + self.tower.map_or(0, |tower| tower.layers.get() + 1)
            + self.speech.map_or(0, |speech| speech.layers.get() + 1)
    }

    /// Dimensions of a head that RoPE rotates.
    pub fn rotary_dim(&self) -> Count {
        self.rotary.unwrap_or(self.head_dim).min(self.head_dim)
    }

    /// How layer `index` (from 0) mixes tokens. Without a window no layer is limited.
    pub fn mixer(&self, index: u64) -> Mixer {
        match self.pattern.of(index) {
            Mixer::Window if self.window.is_none() => Mixer::Full,
            mixer => mixer,
        }
    }

    /// How each layer mixes tokens, in order.
    pub fn mixers(&self) -> impl Iterator<Item = Mixer> {
        (0..self.layers.get()).map(|index| self.mixer(index))
    }
}
