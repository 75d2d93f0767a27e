//! What stands in front of a decoder that writes down what is said: convolutions over a spectrogram and an encoder.

use super::{Architecture, Mixer, Pattern};
use crate::units::Count;

/// The encoder of sound in front of a decoder (`WhisperEncoder`). It is as wide as the decoder, and has its activation function and dropout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speech {
    /// `num_mel_bins`: numbers of a frame of the spectrogram.
    pub mel_bins: Count,
    /// `max_source_positions`: what the encoder's layers read; a sample has twice as many frames, no more and no fewer.
    pub positions: Count,
    /// `encoder_layers`
    pub layers: Count,
    /// `encoder_attention_heads`
    pub heads: Count,
    /// `encoder_ffn_dim`
    pub ffn: Count,
    /// `activation_dropout` is above zero, in the layers of both.
    pub inner_dropout: bool,
}

impl Speech {
    /// Frames of a sample: the second convolution takes every other one.
    pub const fn frames(&self) -> u64 {
        self.positions.get().saturating_mul(2)
    }

    /// The encoder as a model of its own, in front of `decoder`.
    pub fn architecture(&self, decoder: &Architecture) -> Architecture {
        let head_dim = decoder.hidden.get() / self.heads.get().max(1);
        Architecture {
            layers: self.layers,
            heads: self.heads,
            kv_heads: self.heads,
            head_dim: Count::new(u32::try_from(head_dim).unwrap_or(1)),
            ffn: self.ffn,
            positions: Some(self.positions),
            pattern: Pattern::all(Mixer::Full),
            ..*decoder
        }
    }
}
