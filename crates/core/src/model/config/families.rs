//! The family whose keys are its own: T5.

use serde_json::Value;

use super::Config;
use crate::error::{Error, Field};
use crate::model::{Activation, Architecture, Decoder, Family};
use crate::scenario::limits;

impl Config {
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
            activation,
            embedding_dropout: dropout,
            residual_dropout: dropout,
            attention_dropout: dropout,
            decoder: Some(Decoder {
                layers: self.optional("num_decoder_layers", limits::LAYERS)?.unwrap_or(layers),
                buckets: self.count("relative_attention_num_buckets", limits::VOCABULARY, 32)?,
                is_gated,
                scales_output: self.flag("tie_word_embeddings", true)?,
            }),
            ..Architecture::PLAIN
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
