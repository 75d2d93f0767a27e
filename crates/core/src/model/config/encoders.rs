//! Encoders that are trained with masked language modelling: BERT and its kin.

use serde_json::Value;

use super::{Config, divided};
use crate::error::{Error, Field};
use crate::model::{Activation, Architecture, Family, Mixer, Pattern};
use crate::scenario::limits;
use crate::units::Count;

impl Config {
    /// `BertForMaskedLM`, `RobertaForMaskedLM`. Absent keys are filled in as `configuration_bert.py`, `configuration_roberta.py` do.
    pub(super) fn bert(&self, family: Family) -> Result<Architecture, Error> {
        self.refuse_decoders()?;
        // `XLMRobertaConfig` and `CamembertConfig` have BERT's size.
        let is_roberta = self.get("model_type").and_then(Value::as_str) == Some(Family::Roberta.key());
        let vocabulary = if is_roberta { 50_265 } else { 30_522 };
        // A head of its own has a second bias beside the one that is used (`BertLMPredictionHead`).
        if !self.flag("tie_word_embeddings", true)? {
            let (field, given) = (Field::new("tie_word_embeddings"), "false".to_owned());
            return Err(Error::Unsupported { field, given, accepted: vec!["true"] });
        }
        let hidden = self.count("hidden_size", limits::WIDTH, 768)?;
        let heads = self.count("num_attention_heads", limits::HEADS, 12)?;
        let dropout = self.dropout("hidden_dropout_prob", 0.1)?;
        Ok(Architecture {
            family,
            vocabulary: self.count("vocab_size", limits::VOCABULARY, vocabulary)?,
            hidden,
            layers: self.count("num_hidden_layers", limits::LAYERS, 12)?,
            heads,
            kv_heads: heads,
            head_dim: divided(hidden, heads)?,
            ffn: self.count("intermediate_size", limits::WIDTH, 3072)?,
            tied: true,
            positions: Some(self.count("max_position_embeddings", limits::SEQUENCE_LENGTH, 512)?),
            token_types: Some(self.count("type_vocab_size", limits::VOCABULARY, 2)?),
            qkv_bias: true,
            output_bias: true,
            mlp_bias: true,
            activation: self.activation("hidden_act", Activation::OneKernel)?,
            embedding_dropout: dropout,
            residual_dropout: dropout,
            attention_dropout: self.dropout("attention_probs_dropout_prob", 0.1)?,
            ..Architecture::PLAIN
        })
    }

    /// `DistilBertForMaskedLM`.
    pub(super) fn distilbert(&self) -> Result<Architecture, Error> {
        let hidden = self.count("dim", limits::WIDTH, 768)?;
        let heads = self.count("n_heads", limits::HEADS, 12)?;
        let dropout = self.dropout("dropout", 0.1)?;
        Ok(Architecture {
            family: Family::DistilBert,
            vocabulary: self.count("vocab_size", limits::VOCABULARY, 30_522)?,
            hidden,
            layers: self.count("n_layers", limits::LAYERS, 6)?,
            heads,
            kv_heads: heads,
            head_dim: divided(hidden, heads)?,
            ffn: self.count("hidden_dim", limits::WIDTH, 3072)?,
            tied: self.flag("tie_word_embeddings", true)?,
            positions: Some(self.count("max_position_embeddings", limits::SEQUENCE_LENGTH, 512)?),
            qkv_bias: true,
            output_bias: true,
            mlp_bias: true,
            activation: self.activation("activation", Activation::OneKernel)?,
            embedding_dropout: dropout,
            residual_dropout: dropout,
            attention_dropout: self.dropout("attention_dropout", 0.1)?,
            ..Architecture::PLAIN
        })
    }

    /// `ModernBertForMaskedLM`.
    pub(super) fn modernbert(&self) -> Result<Architecture, Error> {
        for (key, usual) in [
            ("norm_bias", false),
            ("classifier_bias", false),
            ("decoder_bias", true),
            ("sparse_prediction", false),
        ] {
            let given = self.flag(key, usual)?;
            if given != usual {
                let accepted = if usual { vec!["true"] } else { vec!["false"] };
                return Err(Error::Unsupported {
                    field: Field::new(key),
                    given: given.to_string(),
                    accepted,
                });
            }
        }
        let hidden = self.count("hidden_size", limits::WIDTH, 768)?;
        let heads = self.count("num_attention_heads", limits::HEADS, 12)?;
        let layers = self.count("num_hidden_layers", limits::LAYERS, 22)?;
        let attention_bias = self.flag("attention_bias", false)?;
        let (window, pattern) = self.half_window(layers)?;
        Ok(Architecture {
            family: Family::ModernBert,
            vocabulary: self.count("vocab_size", limits::VOCABULARY, 50_368)?,
            hidden,
            layers,
            heads,
            kv_heads: heads,
            head_dim: divided(hidden, heads)?,
            ffn: self.count("intermediate_size", limits::WIDTH, 1152)?,
            tied: self.flag("tie_word_embeddings", true)?,
            qkv_bias: attention_bias,
            output_bias: attention_bias,
            mlp_bias: self.flag("mlp_bias", false)?,
            activation: self.activation("hidden_activation", Activation::OneKernel)?,
            window,
            pattern,
            embedding_dropout: self.dropout("embedding_dropout", 0.0)?,
            residual_dropout: self.dropout("mlp_dropout", 0.0)?,
            attention_dropout: self.dropout("attention_dropout", 0.0)?,
            ..Architecture::PLAIN
        })
    }

    /// `ModernBertConfig.sliding_window`: half of `local_attention`, to each side; the first of every few layers attends to everything.
    fn half_window(&self, layers: Count) -> Result<(Option<Count>, Pattern), Error> {
        let key = "global_attn_every_n_layers";
        let whole = self.count("local_attention", (2, limits::SEQUENCE_LENGTH.1), 128)?;
        let every = self.count(key, limits::LAYERS, 3)?;
        let size = Count::new(u32::try_from(whole.get() / 2).unwrap_or(1));
        let pattern = match self.layer_types(layers)? {
            Some(listed) => Some(listed),
            None => usize::try_from(every.get()).ok().filter(|&every| every <= Pattern::LONGEST).and_then(
                |every| {
                    let mut period = vec![Mixer::Window; every];
                    *period.first_mut()? = Mixer::Full;
                    Pattern::new(&[], &period)
                },
            ),
        };
        let pattern = pattern.ok_or_else(|| Error::OutOfRange {
            field: Field::new(key),
            given: every.to_string(),
            min: 1,
            max: Pattern::LONGEST as u64,
        })?;
        Ok((pattern.has(Mixer::Window).then_some(size), pattern))
    }

    fn refuse_decoders(&self) -> Result<(), Error> {
        self.refuse("is_decoder")?;
        self.refuse("add_cross_attention")
    }

    /// A switch that must be off.
    pub(super) fn refuse(&self, key: &'static str) -> Result<(), Error> {
        if !self.flag(key, false)? {
            return Ok(());
        }
        let field = Field::new(key);
        Err(Error::Unsupported { field, given: "true".to_owned(), accepted: vec!["false"] })
    }
}
