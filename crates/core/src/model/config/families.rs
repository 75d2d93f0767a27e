//! The families whose keys are their own: GPT-2, T5.

use serde_json::Value;

use super::{Config, divided};
use crate::error::{Error, Field};
use crate::model::{Activation, Architecture, Decoder, Family, Mixer, Pattern};
use crate::scenario::limits;

impl Config {
    /// `GPT2LMHeadModel`.
    pub(super) fn gpt2(&self) -> Result<Architecture, Error> {
        self.refuse("add_cross_attention")?;
        let hidden = self.count("n_embd", limits::WIDTH, 768)?;
        let heads = self.count("n_head", limits::HEADS, 12)?;
        let four_times = u32::try_from(hidden.get().saturating_mul(4)).unwrap_or(limits::WIDTH.1);
        Ok(Architecture {
            family: Family::Gpt2,
            vocabulary: self.count("vocab_size", limits::VOCABULARY, 50_257)?,
            hidden,
            layers: self.count("n_layer", limits::LAYERS, 12)?,
            heads,
            kv_heads: heads,
            head_dim: divided(hidden, heads)?,
            ffn: self.count("n_inner", limits::WIDTH, four_times)?,
            tied: self.flag("tie_word_embeddings", true)?,
            positions: Some(self.count("n_positions", limits::SEQUENCE_LENGTH, 1024)?),
            token_types: None,
            rotary: None,
            parallel_residual: false,
            has_qk_norm: true,
            qkv_bias: true,
            output_bias: true,
            mlp_bias: true,
            activation: self.activation("activation_function", Activation::NewGelu)?,
            window: None,
            pattern: Pattern::all(Mixer::Full),
            attention_softcap: false,
            logit_softcap: false,
            embedding_dropout: self.dropout("embd_pdrop", 0.1)?,
            residual_dropout: self.dropout("resid_pdrop", 0.1)?,
            attention_dropout: self.dropout("attn_pdrop", 0.1)?,
            experts: None,
            latent: None,
            recurrent: None,
            decoder: None,
            image: None,
            tower: None,
            labels: None,
        })
    }

    /// `T5ForConditionalGeneration`, whose head is tied to the embedding whatever the file says.
    pub(super) fn t5(&self) -> Result<Architecture, Error> {
        let dropout = self.dropout("dropout_rate", 0.1)?;
        let heads = self.count("num_heads", limits::HEADS, 8)?;
        let layers = self.count("num_layers", limits::LAYERS, 6)?;
        let (is_gated, activation) = self.feed_forward()?;
        Ok(Architecture {
            family: Family::T5,
            vocabulary: self.count("vocab_size", limits::VOCABULARY, 32_128)?,
            hidden: self.count("d_model", limits::WIDTH, 512)?,
            layers,
            heads,
            kv_heads: heads,
            head_dim: self.count("d_kv", limits::HEADS, 64)?,
            ffn: self.count("d_ff", limits::WIDTH, 2048)?,
            tied: true,
            positions: None,
            token_types: None,
            rotary: None,
            parallel_residual: false,
            has_qk_norm: true,
            qkv_bias: false,
            output_bias: false,
            mlp_bias: false,
            activation,
            window: None,
            pattern: Pattern::all(Mixer::Full),
            attention_softcap: false,
            logit_softcap: false,
            embedding_dropout: dropout,
            residual_dropout: dropout,
            attention_dropout: dropout,
            experts: None,
            latent: None,
            recurrent: None,
            labels: None,
            decoder: Some(Decoder {
                layers: self.optional("num_decoder_layers", limits::LAYERS)?.unwrap_or(layers),
                buckets: self.count("relative_attention_num_buckets", limits::VOCABULARY, 32)?,
                is_gated,
                scales_output: self.flag("tie_word_embeddings", true)?,
            }),
            image: None,
            tower: None,
        })
    }

    /// `feed_forward_proj`: `relu`, or `gated-gelu`, which is the tanh formula (`T5Config.__post_init__`).
    fn feed_forward(&self) -> Result<(bool, Activation), Error> {
        let given = self.get("feed_forward_proj").map_or(Some("relu"), Value::as_str);
        match given {
            Some("relu") => Ok((false, Activation::Relu)),
            Some("gated-gelu") => Ok((true, Activation::NewGelu)),
            Some("gated-silu") => Ok((true, Activation::OneKernel)),
            other => Err(Error::Unsupported {
                field: Field::new("feed_forward_proj"),
                given: Error::shown(other.unwrap_or_default()),
                accepted: vec!["relu", "gated-gelu", "gated-silu"],
            }),
        }
    }
}
