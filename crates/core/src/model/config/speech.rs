//! The family that reads sound: Whisper.

use super::learned::with_positions;
use super::{Config, divided};
use crate::error::{Error, Field};
use crate::model::{Activation, Architecture, Family, Speech};
use crate::scenario::limits;

impl Config {
    /// `WhisperForConditionalGeneration`: what is common to both halves, and the decoder, behind the encoder. `scale_embedding` is read by no
    /// operator (`WhisperDecoder.embed_scale`).
    pub(super) fn whisper(&self) -> Result<Architecture, Error> {
        for key in ["encoder_layerdrop", "decoder_layerdrop"] {
            if self.dropout(key, 0.0)? {
                let (field, given) = (Field::new(key), "> 0".to_owned());
                return Err(Error::Unsupported { field, given, accepted: vec!["0"] });
            }
        }
        let hidden = self.count("d_model", limits::WIDTH, 384)?;
        let heads = self.count("decoder_attention_heads", limits::HEADS, 6)?;
        let of_encoder = self.count("encoder_attention_heads", limits::HEADS, 6)?;
        divided(hidden, of_encoder)?;
        let dropout = self.dropout("dropout", 0.0)?;
        Ok(Architecture {
            vocabulary: self.count("vocab_size", limits::VOCABULARY, 51_865)?,
            layers: self.count("decoder_layers", limits::LAYERS, 4)?,
            ffn: self.count("decoder_ffn_dim", limits::WIDTH, 1536)?,
            tied: self.flag("tie_word_embeddings", true)?,
            positions: Some(self.count("max_target_positions", limits::SEQUENCE_LENGTH, 448)?),
            activation: self.activation("activation_function", Activation::OneKernel)?,
            embedding_dropout: dropout,
            residual_dropout: dropout,
            attention_dropout: self.dropout("attention_dropout", 0.0)?,
            speech: Some(Speech {
                mel_bins: self.count("num_mel_bins", limits::CHANNELS, 80)?,
                positions: self.count("max_source_positions", limits::SEQUENCE_LENGTH, 1500)?,
                layers: self.count("encoder_layers", limits::LAYERS, 4)?,
                heads: of_encoder,
                ffn: self.count("encoder_ffn_dim", limits::WIDTH, 1536)?,
                inner_dropout: self.dropout("activation_dropout", 0.0)?,
            }),
            ..with_positions(Family::Whisper, hidden, heads)?
        })
    }
}
