//! What a model that reads sound can be asked for.

use super::{KvCache, Padding, Scenario, divides, unsupported};
use crate::error::{Error, Field};
use crate::model::Family;

impl Scenario {
    /// The encoder reads spectrograms of one length, and its decoder labels without a mask (`WhisperForConditionalGeneration.forward`).
    pub(super) fn check_speech(&self) -> Result<(), Error> {
        let a = &self.model.architecture;
        let speech = match (a.speech, a.family == Family::Whisper) {
            (None, true) => return Err(Error::Missing { field: Field::new("mel_bins") }),
            (Some(_), false) => return Err(unsupported("family", a.family.key(), &[Family::Whisper.key()])),
            (None, false) => return Ok(()),
            (Some(speech), true) => speech,
        };
        divides("hidden", a.hidden.get(), "encoder_heads", speech.heads.get())?;
        let Some(_) = a.positions else {
            return Err(Error::Missing { field: Field::new("positions") });
        };
        if a.tower.is_some() || a.decoder.is_some() || a.image.is_some() {
            return Err(unsupported("mel_bins", &speech.mel_bins.to_string(), &["0"]));
        }
        if self.padding != Padding::None {
            return Err(unsupported("padding", self.padding.key(), &["none"]));
        }
        if self.kv_cache != KvCache::Off {
            return Err(unsupported("kv_cache", self.kv_cache.key(), &["off"]));
        }
        Ok(())
    }
}
