//! Reads a Hugging Face `config.json`, with the defaults of the family's configuration class where a key is absent.
//!
//! Source of the defaults: `configuration_<family>.py` of transformers 5.23.0.

mod aliases;
mod bloom;
mod decoder;
mod defaults;
mod encoders;
mod falcon;
mod families;
mod images;
mod layers;
mod learned;
mod mamba;
mod recurrent;
mod sparse;
mod speech;
mod wrapped;

use serde_json::{Map, Value};

use super::{Activation, Architecture, Family};
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
        .or_else(|error| serde_json::from_str(&without_infinity(json)).map_err(|_| error))
        .map_err(|error| Error::NotJson { line: error.line() as u64, column: error.column() as u64 })?;
    let Value::Object(keys) = value else {
        return Err(Error::WrongKind {
            field: Field::new("config.json"),
            given: Error::shown(&value.to_string()),
            accepted: "object",
        });
    };
    if keys.get("model_type").and_then(Value::as_str) == Some(LLAVA) {
        return Config { keys }.llava();
    }
    let config = Config { keys: wrapped::language_model(keys) };
    let family = config.family()?;
    config.of_family(family)
}

/// Python writes numbers that JSON has not (`time_step_limit` of Mamba-2: `[0.0, Infinity]`).
fn without_infinity(json: &str) -> String {
    json.replace("-Infinity", "null").replace("Infinity", "null").replace("NaN", "null")
}

/// A language model behind a vision tower: its family is that of its `text_config`.
const LLAVA: &str = "llava";

struct Config {
    keys: Map<String, Value>,
}

impl Config {
    fn of_family(self, family: Family) -> Result<Architecture, Error> {
        let config = Self { keys: aliases::resolved(family, self.keys) };
        config.under_its_own_names(family)
    }

    fn under_its_own_names(&self, family: Family) -> Result<Architecture, Error> {
        match family {
            Family::Gpt2 => self.gpt2(),
            Family::GptBigCode => self.gpt_bigcode(),
            Family::Opt => self.opt(),
            Family::Falcon => self.falcon(),
            Family::Bloom => self.bloom(),
            Family::Bert | Family::Roberta => self.bert(family),
            Family::DistilBert => self.distilbert(),
            Family::ModernBert => self.modernbert(),
            Family::T5 => self.t5(),
            Family::Whisper => self.whisper(),
            Family::Vit => self.vit(),
            Family::Mamba | Family::FalconMamba => self.mamba(family),
            Family::Mamba2 => self.mamba2(),
            _ => self.decoder(family),
        }
    }

    fn family(&self) -> Result<Family, Error> {
        let field = Field::new("model_type");
        let accepted = || Family::ALL.iter().map(|family| family.key()).chain([LLAVA]).collect();
        match self.get("model_type") {
            None => Err(Error::Missing { field }),
            Some(Value::String(given)) if SAME_AS_ROBERTA.contains(&given.as_str()) => Ok(Family::Roberta),
            Some(Value::String(given)) => match Family::from_key(given) {
                Some(family) if family != Family::Generic => Ok(family),
                _ if self.has_usual_keys() => Ok(Family::Generic),
                _ => {
                    let given = Error::shown(given);
                    Err(Error::Unsupported { field, given, accepted: accepted() })
                }
            },
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
        let accepted = || ONE_KERNEL.into_iter().chain(["relu", "relu2", "gelu_new", "quick_gelu"]).collect();
        match self.get(key) {
            None => Ok(default),
            Some(Value::String(name)) if ONE_KERNEL.contains(&name.as_str()) => Ok(Activation::OneKernel),
            Some(Value::String(name)) if name == "relu" => Ok(Activation::Relu),
            Some(Value::String(name)) if name == "relu2" => Ok(Activation::Relu2),
            Some(Value::String(name)) if name == "gelu_new" => Ok(Activation::NewGelu),
            Some(Value::String(name)) if name == "quick_gelu" => Ok(Activation::QuickGelu),
            Some(other) => Err(Error::Unsupported {
                field: Field::new(key),
                given: Error::shown(other.as_str().unwrap_or(&other.to_string())),
                accepted: accepted(),
            }),
        }
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
        divided(hidden, heads)
    }

    /// `int(head_dim * partial_rotary_factor)` of the families that rotate a part of each head, which is in `rope_parameters` or, in
    /// older files, beside it (`rotary_pct` for GPT-NeoX).
    fn rotary(&self, family: Family, head_dim: Count) -> Result<Option<Count>, Error> {
        let default = family.rotary_part();
        if !family.slices_heads() && family != Family::Generic {
            return Ok(None);
        }
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

/// The width of a head where it follows from the others, whatever the file calls `head_dim`.
fn divided(hidden: Count, heads: Count) -> Result<Count, Error> {
    divides(("hidden_size", hidden), ("num_attention_heads", heads))?;
    Ok(Count::new(u32::try_from(hidden.get() / heads.get().max(1)).unwrap_or(1)))
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
