//! Decoders with learned positions whose keys are their own: GPT-2, `GPTBigCode`, OPT.

use super::{Config, divided};
use crate::error::{Error, Field};
use crate::model::{Activation, Architecture, Family};
use crate::scenario::limits;
use crate::units::Count;

/// Rows of the table that stand before the first position's (`OPTLearnedPositionalEmbedding.offset`).
const ROWS_BEFORE_POSITIONS: u32 = 2;

impl Config {
    /// `GPT2LMHeadModel`.
    pub(super) fn gpt2(&self) -> Result<Architecture, Error> {
        self.gpt2_like(Family::Gpt2, Activation::NewGelu)
    }

    /// `GPTBigCodeForCausalLM`: GPT-2 with one key head for all query heads (`multi_query`).
    pub(super) fn gpt_bigcode(&self) -> Result<Architecture, Error> {
        let a = self.gpt2_like(Family::GptBigCode, Activation::OneKernel)?;
        let has_one_key = self.flag("multi_query", true)?;
        Ok(Architecture { kv_heads: if has_one_key { Count::ONE } else { a.heads }, ..a })
    }

    fn gpt2_like(&self, family: Family, activation: Activation) -> Result<Architecture, Error> {
        self.refuse("add_cross_attention")?;
        let hidden = self.count("n_embd", limits::WIDTH, 768)?;
        let heads = self.count("n_head", limits::HEADS, 12)?;
        let four_times = u32::try_from(hidden.get().saturating_mul(4)).unwrap_or(limits::WIDTH.1);
        Ok(Architecture {
            vocabulary: self.count("vocab_size", limits::VOCABULARY, 50_257)?,
            layers: self.count("n_layer", limits::LAYERS, 12)?,
            ffn: self.count("n_inner", limits::WIDTH, four_times)?,
            tied: self.flag("tie_word_embeddings", true)?,
            positions: Some(self.count("n_positions", limits::SEQUENCE_LENGTH, 1024)?),
            activation: self.activation("activation_function", activation)?,
            embedding_dropout: self.dropout("embd_pdrop", 0.1)?,
            residual_dropout: self.dropout("resid_pdrop", 0.1)?,
            attention_dropout: self.dropout("attn_pdrop", 0.1)?,
            ..with_positions(family, hidden, heads)?
        })
    }

    /// `OPTForCausalLM`. OPT-350m, whose norms come after the sums and whose embedding is narrower, is not followed.
    pub(super) fn opt(&self) -> Result<Architecture, Error> {
        let hidden = self.count("hidden_size", limits::WIDTH, 768)?;
        let heads = self.count("num_attention_heads", limits::HEADS, 12)?;
        self.refuse_other_kinds_of_opt(hidden)?;
        let bias = self.flag("enable_bias", true)?;
        let (shortest, longest) = limits::SEQUENCE_LENGTH;
        let longest = longest - ROWS_BEFORE_POSITIONS;
        let positions = self.count("max_position_embeddings", (shortest, longest), 2048)?;
        let rows = u32::try_from(positions.get()).unwrap_or(longest) + ROWS_BEFORE_POSITIONS;
        Ok(Architecture {
            vocabulary: self.count("vocab_size", limits::VOCABULARY, 50_272)?,
            layers: self.count("num_hidden_layers", limits::LAYERS, 12)?,
            ffn: self.count("ffn_dim", limits::WIDTH, 3072)?,
            tied: self.flag("tie_word_embeddings", true)?,
            positions: Some(Count::new(rows)),
            qkv_bias: bias,
            output_bias: bias,
            mlp_bias: bias,
            head_bias: false,
            activation: self.activation("activation_function", Activation::Relu)?,
            residual_dropout: self.dropout("dropout", 0.1)?,
            attention_dropout: self.dropout("attention_dropout", 0.0)?,
            ..with_positions(Family::Opt, hidden, heads)?
        })
    }

    fn refuse_other_kinds_of_opt(&self, hidden: Count) -> Result<(), Error> {
        let refused = |key, given: String, accepted| {
            Err(Error::Unsupported { field: Field::new(key), given, accepted: vec![accepted] })
        };
        let flags: [(&'static str, bool, &'static str); 3] = [
            ("do_layer_norm_before", true, "true"),
            ("layer_norm_elementwise_affine", true, "true"),
            ("_remove_final_layer_norm", false, "false"),
        ];
        for (key, wanted, accepted) in flags {
            if self.flag(key, wanted)? != wanted {
                return refused(key, (!wanted).to_string(), accepted);
            }
        }
        let width = self.count("word_embed_proj_dim", limits::WIDTH, 1)?;
        if self.get("word_embed_proj_dim").is_some() && width != hidden {
            return refused("word_embed_proj_dim", width.to_string(), "hidden_size");
        }
        if self.dropout("layerdrop", 0.0)? {
            return refused("layerdrop", "> 0".to_owned(), "0");
        }
        Ok(())
    }
}

/// A decoder with biases, as many key heads as query heads, and a table of positions; one layer of one token until it is said.
pub(super) fn with_positions(family: Family, hidden: Count, heads: Count) -> Result<Architecture, Error> {
    Ok(Architecture {
        family,
        hidden,
        heads,
        kv_heads: heads,
        head_dim: divided(hidden, heads)?,
        ffn: hidden,
        tied: true,
        positions: Some(Count::ONE),
        qkv_bias: true,
        output_bias: true,
        mlp_bias: true,
        ..Architecture::PLAIN
    })
}
