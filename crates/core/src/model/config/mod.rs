//! Reads a Hugging Face `config.json`, with the defaults of the family's configuration class where a key is absent.
//!
//! Source of the defaults: `configuration_<family>.py` of transformers 5.23.0.

mod defaults;
mod encoders;
mod families;
mod sparse;

use serde_json::{Map, Value};

use defaults::defaults;

use super::{Activation, Architecture, Family, SlidingWindow};
use crate::error::{Error, Field};
use crate::scenario::limits;
use crate::units::Count;

/// Families whose modelling file is RoBERTa's under another name (`modeling_xlm_roberta.py`, `modeling_camembert.py`).
const SAME_AS_ROBERTA: [&str; 2] = ["xlm-roberta", "camembert"];

/// The longest `config.json` that is read, in bytes; the longest on the hub have some hundred thousand.
const LONGEST: usize = 2_000_000;

/// Reads a `config.json`.
///
/// ```
/// let config = r#"{ "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16,
///     "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 8192,
///     "vocab_size": 128256, "tie_word_embeddings": true }"#;
/// let architecture = vram_core::model::from_config(config)?;
/// assert_eq!(vram_core::model::parameter_count(&architecture), 1_235_814_400);
/// # Ok::<(), vram_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::TooLong`], [`Error::NotJson`], [`Error::WrongKind`] where it is no JSON object; [`Error::Missing`] without a
/// `model_type`; [`Error::Unsupported`] for a family that is not read; [`Error::OutOfRange`] for a number that can't be.
pub fn from_config(json: &str) -> Result<Architecture, Error> {
    if json.len() > LONGEST {
        return Err(Error::TooLong {
            field: Field::new("config.json"),
            given: json.len() as u64,
            max: LONGEST as u64,
        });
    }
    let value: Value = serde_json::from_str(json)
        .map_err(|error| Error::NotJson { line: error.line() as u64, column: error.column() as u64 })?;
    let Value::Object(keys) = value else {
        return Err(Error::WrongKind {
            field: Field::new("config.json"),
            given: Error::shown(&value.to_string()),
            accepted: "object",
        });
    };
    let config = Config { keys };
    let family = config.family()?;
    match family {
        Family::Gpt2 => config.gpt2(),
        Family::Bert | Family::Roberta => config.bert(family),
        Family::DistilBert => config.distilbert(),
        Family::ModernBert => config.modernbert(),
        Family::T5 => config.t5(),
        _ => config.decoder(family),
    }
}

struct Config {
    keys: Map<String, Value>,
}

impl Config {
    fn family(&self) -> Result<Family, Error> {
        let field = Field::new("model_type");
        let accepted = || Family::ALL.iter().map(|family| family.key()).collect();
        match self.get("model_type") {
            None => Err(Error::Missing { field }),
            Some(Value::String(given)) if SAME_AS_ROBERTA.contains(&given.as_str()) => Ok(Family::Roberta),
            Some(Value::String(given)) => Family::from_key(given).ok_or_else(|| Error::Unsupported {
                field,
                given: Error::shown(given),
                accepted: accepted(),
            }),
            Some(other) => Err(Error::Unsupported {
                field,
                given: Error::shown(&other.to_string()),
                accepted: accepted(),
            }),
        }
    }

    /// The value of a key; `null` is as good as absent.
    fn get(&self, key: &str) -> Option<&Value> {
        self.keys.get(key).filter(|value| !value.is_null())
    }

    fn optional(&self, key: &'static str, (min, max): (u32, u32)) -> Result<Option<Count>, Error> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (min..=max).contains(number))
            .map(|number| Some(Count::new(number)))
            .ok_or_else(|| Error::OutOfRange {
                field: Field::new(key),
                given: Error::shown(&value.to_string()),
                min: min.into(),
                max: max.into(),
            })
    }

    fn count(&self, key: &'static str, range: (u32, u32), default: u32) -> Result<Count, Error> {
        Ok(self.optional(key, range)?.unwrap_or(Count::new(default)))
    }

    fn flag(&self, key: &'static str, default: bool) -> Result<bool, Error> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(wrong_kind(key, other, "true or false")),
        }
    }

    /// Whether a probability of dropout is above zero.
    fn dropout(&self, key: &'static str, default: f64) -> Result<bool, Error> {
        match self.get(key) {
            None => Ok(default > 0.0),
            Some(value) => {
                let probability = value.as_f64().filter(|p| (0.0..=1.0).contains(p));
                probability.map(|p| p > 0.0).ok_or_else(|| wrong_kind(key, value, "number from 0 to 1"))
            }
        }
    }

    /// Whether a soft-cap is set.
    fn softcap(&self, key: &'static str, default: bool) -> bool {
        match self.keys.get(key) {
            None => default,
            Some(value) => !value.is_null(),
        }
    }

    /// `ACT2FN` of transformers: which functions are one kernel, and which are formulas in Python.
    fn activation(&self, key: &'static str, default: Activation) -> Result<Activation, Error> {
        const ONE_KERNEL: [&str; 4] = ["silu", "swish", "gelu", "gelu_pytorch_tanh"];
        let accepted = || ONE_KERNEL.into_iter().chain(["relu", "gelu_new"]).collect();
        match self.get(key) {
            None => Ok(default),
            Some(Value::String(name)) if ONE_KERNEL.contains(&name.as_str()) => Ok(Activation::OneKernel),
            Some(Value::String(name)) if name == "relu" => Ok(Activation::Relu),
            Some(Value::String(name)) if name == "gelu_new" => Ok(Activation::NewGelu),
            Some(other) => Err(Error::Unsupported {
                field: Field::new(key),
                given: Error::shown(other.as_str().unwrap_or(&other.to_string())),
                accepted: accepted(),
            }),
        }
    }

    fn decoder(&self, family: Family) -> Result<Architecture, Error> {
        let default = defaults(family);
        let hidden = self.count("hidden_size", limits::WIDTH, default.hidden)?;
        let heads = self.count("num_attention_heads", limits::HEADS, default.heads)?;
        let latent = self.latent(family)?;
        // Every query head has a key of its own in latent attention (`DeepseekV2Attention.expand_kv`).
        let kv_heads = if latent.is_some() { heads } else { self.kv_heads(heads, default.kv_heads)? };
        let (head_dim, rotary) = if latent.is_some() {
            let (head_dim, rotary) = self.latent_head()?;
            (head_dim, Some(rotary))
        } else {
            let head_dim = self.head_dim(hidden, heads, default.head_dim)?;
            (head_dim, self.rotary(family, head_dim)?)
        };
        let layers = self.count("num_hidden_layers", limits::LAYERS, default.layers)?;
        let is_neox = family == Family::GptNeox;
        let is_starcoder = family == Family::Starcoder2;
        let bias_key = if is_starcoder { "use_bias" } else { "attention_bias" };
        let attention_bias = self.flag(bias_key, is_neox || is_starcoder)?;
        let is_gemma = matches!(family, Family::Gemma2 | Family::Gemma3Text);
        let activation = if is_gemma { "hidden_activation" } else { "hidden_act" };
        Ok(Architecture {
            family,
            vocabulary: self.count("vocab_size", limits::VOCABULARY, default.vocabulary)?,
            hidden,
            layers,
            heads,
            kv_heads,
            head_dim,
            ffn: self.count("intermediate_size", limits::WIDTH, default.ffn)?,
            tied: self.flag("tie_word_embeddings", default.tied)?,
            positions: None,
            token_types: None,
            rotary,
            parallel_residual: is_neox && self.flag("use_parallel_residual", true)?,
            qkv_bias: family == Family::Qwen2 || attention_bias && family.has_attention_bias(),
            output_bias: attention_bias && family != Family::Qwen2 && family.has_attention_bias(),
            mlp_bias: is_neox
                || is_starcoder && attention_bias
                || matches!(family, Family::Llama | Family::Granite | Family::DeepseekV2)
                    && self.flag("mlp_bias", false)?,
            activation: self.activation(activation, Activation::OneKernel)?,
            window: self.window(family, layers, default.window)?,
            attention_softcap: is_gemma && self.softcap("attn_logit_softcapping", family == Family::Gemma2),
            logit_softcap: is_gemma && self.softcap("final_logit_softcapping", family == Family::Gemma2),
            embedding_dropout: is_neox && self.dropout("hidden_dropout", 0.0)?
                || is_starcoder && self.dropout("embedding_dropout", 0.0)?,
            residual_dropout: match family {
                Family::Phi3 => self.dropout("resid_pdrop", 0.0)?,
                Family::GptNeox => self.dropout("hidden_dropout", 0.0)?,
                Family::Starcoder2 => self.dropout("residual_dropout", 0.0)?,
                _ => false,
            },
            attention_dropout: self.dropout("attention_dropout", 0.0)?,
            experts: self.experts(family)?,
            latent,
            decoder: None,
            labels: None,
        })
    }

    /// An absent key has the class's default, `null` means as many as query heads.
    fn kv_heads(&self, heads: Count, default: Option<u32>) -> Result<Count, Error> {
        let is_null = self.keys.get("num_key_value_heads").is_some_and(Value::is_null);
        let kv_heads = match self.optional("num_key_value_heads", limits::HEADS)? {
            Some(given) => given,
            None if is_null => heads,
            None => default.map_or(heads, Count::new),
        };
        divides(("num_attention_heads", heads), ("num_key_value_heads", kv_heads))?;
        Ok(kv_heads)
    }

    fn head_dim(&self, hidden: Count, heads: Count, default: Option<u32>) -> Result<Count, Error> {
        if let Some(given) = self.optional("head_dim", limits::HEADS)? {
            return Ok(given);
        }
        if let Some(default) = default {
            return Ok(Count::new(default));
        }
        divides(("hidden_size", hidden), ("num_attention_heads", heads))?;
        Ok(Count::new(u32::try_from(hidden.get() / heads.get().max(1)).unwrap_or(1)))
    }

    /// `int(head_dim * partial_rotary_factor)` of the families that rotate a part of each head, which is in `rope_parameters` or, in
    /// older files, beside it (`rotary_pct` for GPT-NeoX).
    fn rotary(&self, family: Family, head_dim: Count) -> Result<Option<Count>, Error> {
        let default = match family {
            Family::GptNeox => 0.25,
            Family::Phi3 => 1.0,
            _ => return Ok(None),
        };
        let key = "partial_rotary_factor";
        let nested = self.get("rope_parameters").and_then(|rope| rope.get(key));
        let Some(value) = nested.or_else(|| self.get(key)).or_else(|| self.get("rotary_pct")) else {
            return Ok(part(head_dim, default));
        };
        let factor = value.as_f64().filter(|factor| (0.0..=1.0).contains(factor) && *factor > 0.0);
        factor
            .map(|factor| part(head_dim, factor))
            .ok_or_else(|| wrong_kind(key, value, "number above 0, up to 1"))
    }

    fn window(
        &self,
        family: Family,
        layers: Count,
        default: Option<u32>,
    ) -> Result<Option<SlidingWindow>, Error> {
        let is_qwen = matches!(family, Family::Qwen2 | Family::Qwen3 | Family::Qwen3Moe);
        if matches!(
            family,
            Family::Llama
                | Family::Granite
                | Family::GptNeox
                | Family::Olmoe
                | Family::Olmo2
                | Family::DeepseekV2
        ) || is_qwen && !self.flag("use_sliding_window", false)?
        {
            return Ok(None);
        }
        let is_null = self.keys.get("sliding_window").is_some_and(Value::is_null);
        let size = match self.optional("sliding_window", limits::SEQUENCE_LENGTH)? {
            Some(size) => size,
            None if is_null => return Ok(None),
            None => match default {
                Some(size) => Count::new(size),
                None => return Ok(None),
            },
        };
        let first =
            if is_qwen { self.count("max_window_layers", (0, limits::LAYERS.1), 28)? } else { Count::new(0) };
        let full_every = match family {
            Family::Gemma2 => Some(Count::new(2)),
            Family::Gemma3Text => Some(self.count("sliding_window_pattern", limits::LAYERS, 6)?),
            _ => None,
        };
        let window = SlidingWindow { size, first, full_every };
        self.check_layer_types(layers, |index| window.covers(index))?;
        Ok(Some(window))
    }

    /// An explicit `layer_types` has to say the same as the pattern.
    fn check_layer_types(&self, layers: Count, is_windowed: impl Fn(u64) -> bool) -> Result<(), Error> {
        let Some(value) = self.get("layer_types") else {
            return Ok(());
        };
        let unsupported = || Error::Unsupported {
            field: Field::new("layer_types"),
            given: Error::shown(&value.to_string()),
            accepted: vec!["sliding_attention", "full_attention"],
        };
        let types = value.as_array().ok_or_else(unsupported)?;
        let agrees = types.len() as u64 == layers.get()
            && types.iter().zip(0..).all(|(kind, index)| {
                let expected = if is_windowed(index) { "sliding_attention" } else { "full_attention" };
                kind.as_str() == Some(expected)
            });
        if agrees { Ok(()) } else { Err(unsupported()) }
    }
}

/// A part of a head, of which some dimensions are left; none where it is all of them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a part from 0 to 1 of a number below 2^16"
)]
fn part(head_dim: Count, factor: f64) -> Option<Count> {
    let rotated = (head_dim.get() as f64 * factor) as u32;
    (u64::from(rotated) < head_dim.get()).then_some(Count::new(rotated.max(1)))
}

fn wrong_kind(key: &'static str, value: &Value, accepted: &'static str) -> Error {
    Error::WrongKind { field: Field::new(key), given: Error::shown(&value.to_string()), accepted }
}

fn divides((key, value): (&'static str, Count), (by, divisor): (&'static str, Count)) -> Result<(), Error> {
    if divisor.get() > 0 && value.get() % divisor.get() == 0 {
        return Ok(());
    }
    Err(Error::NotDivisible {
        field: Field::new(key),
        given: value.get(),
        by: Field::new(by),
        divisor: divisor.get(),
    })
}
