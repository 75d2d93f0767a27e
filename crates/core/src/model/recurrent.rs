//! Layers that carry a state from token to token in place of attention: linear attention, state spaces.

use crate::units::Count;

/// How the state is updated and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scan {
    /// The gated delta rule (`Qwen3NextGatedDeltaNet`).
    GatedDelta,
    /// State space duality (`Mamba2Mixer`).
    Mamba2,
    /// The selective scan, token by token (`MambaMixer`, `JambaMambaMixer`): each channel is a head of width one.
    Selective,
}

impl Scan {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::GatedDelta, Self::Mamba2, Self::Selective];
    /// The words of all kinds, in the same order.
    pub const KEYS: &'static [&'static str] = &["gated_delta", "mamba2", "selective"];

    /// The kind that a word names.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scan| scan.key() == key)
    }

    /// The word that a link and a scenario file use.
    pub const fn key(self) -> &'static str {
        match self {
            Self::GatedDelta => "gated_delta",
            Self::Mamba2 => "mamba2",
            Self::Selective => "selective",
        }
    }
}

/// The dimensions of a recurrent layer. A state is `key_dim` × `value_dim` for each value head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurrent {
    /// How the state is updated.
    pub scan: Scan,
    /// Heads of keys and queries (`linear_num_key_heads`), or groups of B and C (`n_groups`).
    pub key_heads: Count,
    /// Width of one of them (`linear_key_head_dim`, `state_size`).
    pub key_dim: Count,
    /// Heads of values (`linear_num_value_heads`, `num_heads`).
    pub value_heads: Count,
    /// Width of one of them (`linear_value_head_dim`, `head_dim`).
    pub value_dim: Count,
    /// Tokens that the convolution sees (`linear_conv_kernel_dim`, `conv_kernel`).
    pub kernel: Count,
    /// Tokens that are worked on at once (`chunk_size`).
    pub chunk: Count,
    /// Rank of the projection that makes the length of a step (`time_step_rank`); a selective scan's.
    pub step_rank: Count,
    /// The convolution has a bias (`use_conv_bias`).
    pub conv_bias: bool,
    /// The projections have biases (`use_bias`).
    pub proj_bias: bool,
    /// Layers hand each other fp32, whatever the weights are in (`residual_in_fp32`).
    pub residual_fp32: bool,
}

impl Recurrent {
    /// Width of all heads of keys.
    pub const fn keys(&self) -> u64 {
        self.key_heads.get().saturating_mul(self.key_dim.get())
    }

    /// Width of all heads of values.
    pub const fn values(&self) -> u64 {
        self.value_heads.get().saturating_mul(self.value_dim.get())
    }

    /// What goes through the convolution: queries, keys and values; of a selective scan, values alone.
    pub const fn channels(&self) -> u64 {
        match self.scan {
            Scan::Selective => self.values(),
            Scan::GatedDelta | Scan::Mamba2 => self.keys().saturating_mul(2).saturating_add(self.values()),
        }
    }
}
