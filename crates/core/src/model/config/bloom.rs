//! `BloomConfig`.

use super::Config;
use super::learned::with_positions;
use crate::error::{Error, Field};
use crate::model::{Architecture, Family};
use crate::scenario::limits;
use crate::units::Count;

impl Config {
    /// `BloomForCausalLM`. A residual that begins behind the norm, and products cut as pretraining cut them, no run has shown.
    pub(super) fn bloom(&self) -> Result<Architecture, Error> {
        for key in ["apply_residual_connection_post_layernorm", "slow_but_exact"] {
            if self.flag(key, false)? {
                let (field, given) = (Field::new(key), "true".to_owned());
                return Err(Error::Unsupported { field, given, accepted: vec!["false"] });
            }
        }
        let hidden = self.count("hidden_size", limits::WIDTH, 64)?;
        let heads = self.count("n_head", limits::HEADS, 8)?;
        let ffn = u32::try_from(hidden.get().saturating_mul(4)).unwrap_or(limits::WIDTH.1);
        Ok(Architecture {
            vocabulary: self.count("vocab_size", limits::VOCABULARY, 250_880)?,
            layers: self.count("n_layer", limits::LAYERS, 2)?,
            ffn: Count::new(ffn),
            tied: self.flag("tie_word_embeddings", true)?,
            positions: None,
            residual_dropout: self.dropout("hidden_dropout", 0.0)?,
            attention_dropout: self.dropout("attention_dropout", 0.0)?,
            ..with_positions(Family::Bloom, hidden, heads)?
        })
    }
}
