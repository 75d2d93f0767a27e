//! What can be asked for, but no library does or no run has shown.

use super::{
    AdapterMethod, Attention, Checkpointing, KvCache, LoraTargets, Method, Optimizer, Padding, Scenario,
    Stack, Targets, divides, limits, unsupported,
};
use crate::error::{Error, Field};
use crate::model::{Family, Tower};
use crate::trained::Trained;

impl Scenario {
    /// What can be asked for, but no library does or no run has shown.
    pub(super) fn check_what_libraries_lack(&self) -> Result<(), Error> {
        let a = &self.model.architecture;
        // transformers 4.51 has no DeepSeek-V2, and its experts run in a loop whose tensors depend on the tokens.
        if self.stack == Stack::Torch26 && (a.experts.is_some() || a.latent.is_some()) {
            return Err(unsupported("stack", self.stack.key(), &["current"]));
        }
        if a.has_own_objective() {
            self.check_encoder()?;
        }
        if a.decoder.is_some() {
            self.check_encoder_decoder()?;
        }
        match (a.image.is_some(), a.family == Family::Vit) {
            (false, true) => return Err(Error::Missing { field: Field::new("image_size") }),
            (true, false) => return Err(unsupported("family", a.family.key(), &["vit"])),
            _ => {}
        }
        self.check_recurrent()?;
        self.check_quantised_base()?;
        self.check_updates_in_backward()?;
        self.check_methods()?;
        // `Adam_mini.step` takes matrices of two dimensions, and queries and keys of whole heads.
        let is_beyond_adam_mini = a.experts.is_some() || self.lora.is_on();
        if self.optimizer == Optimizer::AdamMini && is_beyond_adam_mini {
            return Err(unsupported("optimizer", self.optimizer.key(), &["adamw_foreach", "came"]));
        }
        // Keys and values of `BloomAttention` in a cache no run has shown.
        if a.family.has_alibi() && self.kv_cache != KvCache::Off {
            return Err(unsupported("kv_cache", self.kv_cache.key(), &["off"]));
        }
        if a.image.is_some() && self.padding != Padding::None {
            return Err(unsupported("padding", self.padding.key(), &["none"]));
        }
        if let Some(tower) = a.tower {
            self.check_tower(&tower)?;
        }
        self.check_speech()?;
        if !self.lora.is_on() {
            let has_halves = a.decoder.is_some() || a.tower.is_some() || a.speech.is_some();
            self.freezing.check(&Trained::of(self), has_halves)?;
        }
        let has_query = a.latent.is_none_or(|latent| latent.query_rank.is_none());
        if self.lora.is_on() && !has_query && self.lora.targets == Targets::Word(LoraTargets::QueryValue) {
            return Err(unsupported("lora_targets", &self.lora.targets.key(), &["attention"]));
        }
        self.check_prompt()?;
        self.lora.check(a)
    }

    /// A soft prompt is read by a decoder beside a sequence that its positions have room for; pairs and caches no run has shown. A prefix
    /// stands before keys and values of one width in every layer, and PEFT refuses it where layers are checkpointed.
    fn check_prompt(&self) -> Result<(), Error> {
        if !self.lora.method.has_tokens() {
            return Ok(());
        }
        let a = &self.model.architecture;
        if self.lora.method == AdapterMethod::Prefix {
            if self.checkpointing != Checkpointing::Off {
                return Err(unsupported("checkpointing", self.checkpointing.key(), &["off"]));
            }
            let has_keys = a.latent.is_none() && a.recurrent.is_none() && a.tower.is_none();
            let has_places = a.has_rope() || a.positions.is_some();
            if !has_keys || !has_places || self.stack != Stack::Current {
                return Err(unsupported("peft", self.lora.method.key(), &["lora", "prompt"]));
            }
        }
        if a.has_own_objective() || a.decoder.is_some() && self.lora.method == AdapterMethod::Prefix {
            return Err(unsupported("peft", self.lora.method.key(), &["lora"]));
        }
        if self.objective.method != Method::CausalLm {
            return Err(unsupported("objective", self.objective.word(), &["causal_lm"]));
        }
        if self.kv_cache != KvCache::Off {
            return Err(unsupported("kv_cache", self.kv_cache.key(), &["off"]));
        }
        let length = self.sequence_length.get().saturating_add(self.lora.tokens.get());
        if let Some(rows) = a.positions.filter(|rows| length > rows.get()) {
            return Err(Error::OutOfRange {
                field: Field::new("peft_tokens"),
                given: self.lora.tokens.to_string(),
                min: limits::SEQUENCE_LENGTH.0.into(),
                max: rows.get(),
            });
        }
        Ok(())
    }

    /// An encoder is trained with masked language modelling; pairs or the older stack no run has shown, nor adapters on models of several
    /// stacks of layers.
    fn check_encoder(&self) -> Result<(), Error> {
        if self.stack != Stack::Current {
            return Err(unsupported("stack", self.stack.key(), &["current"]));
        }
        if !self.objective.method.fits_encoder() {
            return Err(unsupported("objective", self.objective.word(), &["causal_lm", "masked_lm"]));
        }
        let is_masked = self.model.architecture.family.is_masked();
        match self.lora.rank {
            _ if !self.lora.is_on() => Ok(()),
            Some(_) if is_masked && self.lora.method == AdapterMethod::Lora => Ok(()),
            Some(rank) if !is_masked => Err(unsupported("lora_rank", &rank.to_string(), &["0"])),
            _ => Err(unsupported("peft", self.lora.method.key(), &["off"])),
        }
    }

    /// Images have to fit among the tokens of a sample.
    fn check_tower(&self, tower: &Tower) -> Result<(), Error> {
        divides("tower_hidden", tower.hidden.get(), "tower_heads", tower.heads.get())?;
        if tower.used > tower.layers {
            return Err(Error::OutOfRange {
                field: Field::new("tower_used"),
                given: tower.used.to_string(),
                min: 1,
                max: tower.layers.get(),
            });
        }
        let tokens = tower.tokens().saturating_mul(self.vision.images.get());
        if self.sequence_length.get() < tokens {
            return Err(Error::OutOfRange {
                field: Field::new("s"),
                given: self.sequence_length.to_string(),
                min: tokens,
                max: limits::SEQUENCE_LENGTH.1.into(),
            });
        }
        if self.padding == Padding::Padded {
            return Err(unsupported("padding", self.padding.key(), &["none", "ones"]));
        }
        if self.kv_cache != KvCache::Off {
            return Err(unsupported("kv_cache", self.kv_cache.key(), &["off"]));
        }
        Ok(())
    }

    /// What the decoder's layers share with each other is followed in a plain pass alone.
    fn check_encoder_decoder(&self) -> Result<(), Error> {
        if self.attention != Attention::Sdpa {
            return Err(unsupported("attention", self.attention.key(), &["sdpa"]));
        }
        if self.padding == Padding::Padded {
            return Err(unsupported("padding", self.padding.key(), &["none", "ones"]));
        }
        if self.kv_cache != KvCache::Off {
            return Err(unsupported("kv_cache", self.kv_cache.key(), &["off"]));
        }
        Ok(())
    }
}
