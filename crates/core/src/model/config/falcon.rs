//! `FalconConfig`: the layers of falcon-7b (one norm, one key head) and those of falcon-40b (two norms, groups).

use super::learned::with_positions;
use super::{Config, divides};
use crate::error::{Error, Field};
use crate::model::{Activation, Architecture, Family};
use crate::scenario::limits;
use crate::units::Count;

impl Config {
    /// `FalconForCausalLM` with RoPE, without biases, and with attention and MLP side by side. Falcon-RW (`ALiBi`, biases, one after the
    /// other) is not followed.
    pub(super) fn falcon(&self) -> Result<Architecture, Error> {
        let is_newer = self.flag("new_decoder_architecture", false)?;
        self.refuse_other_kinds_of_falcon(is_newer)?;
        let hidden = self.count("hidden_size", limits::WIDTH, 4544)?;
        let heads = self.count("num_attention_heads", limits::HEADS, 71)?;
        let four_times = u32::try_from(hidden.get().saturating_mul(4)).unwrap_or(limits::WIDTH.1);
        let kv_heads = if is_newer { self.groups(heads)? } else { Count::ONE };
        Ok(Architecture {
            vocabulary: self.count("vocab_size", limits::VOCABULARY, 65_024)?,
            layers: self.count("num_hidden_layers", limits::LAYERS, 32)?,
            kv_heads,
            ffn: self.count("ffn_hidden_size", limits::WIDTH, four_times)?,
            tied: self.flag("tie_word_embeddings", true)?,
            positions: None,
            parallel_residual: true,
            qkv_bias: false,
            output_bias: false,
            mlp_bias: false,
            head_bias: false,
            activation: self.activation("activation", Activation::OneKernel)?,
            residual_dropout: self.dropout("hidden_dropout", 0.0)?,
            ..with_positions(Family::Falcon, hidden, heads)?
        })
    }

    /// `num_kv_heads`; of a single one, transformers writes out what no run has shown.
    fn groups(&self, heads: Count) -> Result<Count, Error> {
        let (_, most) = limits::HEADS;
        let groups = self.optional("num_kv_heads", (2, most))?.unwrap_or(heads);
        divides(("num_attention_heads", heads), ("num_kv_heads", groups))?;
        Ok(groups)
    }

    fn refuse_other_kinds_of_falcon(&self, is_newer: bool) -> Result<(), Error> {
        let refused = |key, given: String, accepted| {
            Err(Error::Unsupported { field: Field::new(key), given, accepted: vec![accepted] })
        };
        let flags: [(&'static str, bool, &'static str); 3] =
            [("alibi", false, "false"), ("bias", false, "false"), ("parallel_attn", true, "true")];
        for (key, wanted, accepted) in flags {
            if self.flag(key, wanted)? != wanted {
                return refused(key, (!wanted).to_string(), accepted);
            }
        }
        if !is_newer && !self.flag("multi_query", true)? {
            return refused("multi_query", "false".to_owned(), "true");
        }
        let norms = self.optional("num_ln_in_parallel_attn", (1, 2))?;
        match norms.map(Count::get) {
            Some(1) if is_newer => refused("num_ln_in_parallel_attn", "1".to_owned(), "2"),
            Some(2) if !is_newer => refused("num_ln_in_parallel_attn", "2".to_owned(), "1"),
            _ => Ok(()),
        }
    }
}
