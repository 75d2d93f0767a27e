//! What layers read of an image in place of tokens, and the stack of layers that stands in front of a language model.

use super::{Activation, Architecture, Family};
use crate::units::Count;

/// An image, cut into patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// `image_size`, pixels of a side.
    pub size: Count,
    /// `patch_size`, pixels of a side.
    pub patch: Count,
    /// `num_channels`
    pub channels: Count,
}

impl Image {
    /// Patches of an image.
    pub const fn patches(&self) -> u64 {
        let side = match self.size.get().checked_div(self.patch.get()) {
            Some(side) => side,
            None => 0,
        };
        side.saturating_mul(side)
    }

    /// What the layers read of an image: its patches and the token of its class.
    pub const fn positions(&self) -> u64 {
        self.patches().saturating_add(1)
    }
}

/// A vision tower and the projector behind it (`CLIPVisionModel`, `LlavaMultiModalProjector`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tower {
    /// What it reads.
    pub image: Image,
    /// `hidden_size`
    pub hidden: Count,
    /// `num_hidden_layers`
    pub layers: Count,
    /// Layers whose output the projector reads (`vision_feature_layer`); those behind them run, but nothing needs what they make.
    pub used: Count,
    /// `num_attention_heads`
    pub heads: Count,
    /// `intermediate_size`
    pub ffn: Count,
    /// `hidden_act`
    pub activation: Activation,
    /// `attention_dropout` is above zero.
    pub attention_dropout: bool,
    /// The projector reads the token of the class too (`vision_feature_select_strategy`).
    pub keeps_class: bool,
    /// The projector's linear layers have biases (`multimodal_projector_bias`).
    pub projector_bias: bool,
}

impl Tower {
    /// Tokens that an image becomes.
    pub const fn tokens(&self) -> u64 {
        if self.keeps_class { self.image.positions() } else { self.image.patches() }
    }

    /// The tower as a model of its own, of the layers that are used.
    pub fn architecture(&self) -> Architecture {
        let head_dim = self.hidden.get() / self.heads.get().max(1);
        Architecture {
            family: Family::ClipVision,
            hidden: self.hidden,
            layers: self.used,
            heads: self.heads,
            kv_heads: self.heads,
            head_dim: Count::new(u32::try_from(head_dim).unwrap_or(1)),
            ffn: self.ffn,
            qkv_bias: true,
            output_bias: true,
            mlp_bias: true,
            activation: self.activation,
            attention_dropout: self.attention_dropout,
            image: Some(self.image),
            ..Architecture::PLAIN
        }
    }
}
