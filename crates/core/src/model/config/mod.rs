//! Reads a Hugging Face `config.json`, with the defaults of the family's configuration class where a key is absent.
//!
//! Source of the defaults: `configuration_<family>.py` of transformers 5.23.0.

mod sparse;

use serde_json::{Map, Value};

use super::{Activation, Architecture, Decoder, Family, SlidingWindow};
use crate::error::{Error, Field};
use crate::scenario::limits;
use crate::units::Count;

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
        Family::Bert => config.bert(),
        Family::T5 => config.t5(),
        _ => config.decoder(family),
    }
}

/// What differs between the configuration classes of families whose keys are the same.
struct Defaults {
    vocabulary: u32,
    hidden: u32,
    ffn: u32,
    layers: u32,
    heads: u32,
    kv_heads: Option<u32>,
    head_dim: Option<u32>,
    tied: bool,
    window: Option<u32>,
}

const fn defaults(family: Family) -> Defaults {
    let llama = Defaults {
        vocabulary: 32_000,
        hidden: 4096,
        ffn: 11_008,
        layers: 32,
        heads: 32,
        kv_heads: None,
        head_dim: None,
        tied: false,
        window: None,
    };
    match family {
        Family::Llama | Family::Gpt2 | Family::Bert | Family::T5 => llama,
        Family::GptNeox => {
            Defaults { vocabulary: 50_432, hidden: 6144, ffn: 24_576, layers: 44, heads: 64, ..llama }
        }
        Family::Mistral => Defaults { ffn: 14_336, kv_heads: Some(8), window: Some(4096), ..llama },
        Family::Qwen2 => {
            Defaults { vocabulary: 151_936, ffn: 22_016, kv_heads: Some(32), window: Some(4096), ..llama }
        }
        Family::Qwen3 => Defaults {
            vocabulary: 151_936,
            ffn: 22_016,
            kv_heads: Some(32),
            head_dim: Some(128),
            window: Some(4096),
            ..llama
        },
        Family::Mixtral => Defaults { ffn: 14_336, kv_heads: Some(8), ..llama },
        Family::Qwen3Moe => Defaults {
            vocabulary: 151_936,
            hidden: 2048,
            ffn: 6144,
            layers: 24,
            kv_heads: Some(4),
            window: Some(4096),
            ..llama
        },
        Family::Olmoe => {
            Defaults { vocabulary: 50_304, hidden: 2048, ffn: 2048, layers: 16, heads: 16, ..llama }
        }
        Family::DeepseekV2 => Defaults { vocabulary: 102_400, ..llama },
        Family::Phi3 => Defaults { vocabulary: 32_064, hidden: 3072, ffn: 8192, ..llama },
        Family::Gemma2 | Family::Gemma3Text => Defaults {
            vocabulary: if matches!(family, Family::Gemma2) { 256_000 } else { 262_208 },
            hidden: 2304,
            ffn: 9216,
            layers: 26,
            heads: 8,
            kv_heads: Some(4),
            head_dim: Some(256),
            tied: true,
            window: Some(4096),
        },
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
        let attention_bias = self.flag("attention_bias", is_neox)?;
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
                || matches!(family, Family::Llama | Family::DeepseekV2) && self.flag("mlp_bias", false)?,
            activation: self.activation(activation, Activation::OneKernel)?,
            window: self.window(family, layers, default.window)?,
            attention_softcap: is_gemma && self.softcap("attn_logit_softcapping", family == Family::Gemma2),
            logit_softcap: is_gemma && self.softcap("final_logit_softcapping", family == Family::Gemma2),
            embedding_dropout: is_neox && self.dropout("hidden_dropout", 0.0)?,
            residual_dropout: match family {
                Family::Phi3 => self.dropout("resid_pdrop", 0.0)?,
                Family::GptNeox => self.dropout("hidden_dropout", 0.0)?,
                _ => false,
            },
            attention_dropout: self.dropout("attention_dropout", 0.0)?,
            experts: self.experts(family)?,
            latent,
            decoder: None,
        })
    }

    fn gpt2(&self) -> Result<Architecture, Error> {
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
            head_dim: self.head_dim(hidden, heads, None)?,
            ffn: self.count("n_inner", limits::WIDTH, four_times)?,
            tied: self.flag("tie_word_embeddings", true)?,
            positions: Some(self.count("n_positions", limits::SEQUENCE_LENGTH, 1024)?),
            token_types: None,
            rotary: None,
            parallel_residual: false,
            qkv_bias: true,
            output_bias: true,
            mlp_bias: true,
            activation: self.activation("activation_function", Activation::NewGelu)?,
            window: None,
            attention_softcap: false,
            logit_softcap: false,
            embedding_dropout: self.dropout("embd_pdrop", 0.1)?,
            residual_dropout: self.dropout("resid_pdrop", 0.1)?,
            attention_dropout: self.dropout("attn_pdrop", 0.1)?,
            experts: None,
            latent: None,
            decoder: None,
        })
    }

    /// `BertForMaskedLM`.
    fn bert(&self) -> Result<Architecture, Error> {
        for key in ["is_decoder", "add_cross_attention"] {
            if self.flag(key, false)? {
                let field = Field::new(key);
                return Err(Error::Unsupported { field, given: "true".to_owned(), accepted: vec!["false"] });
            }
        }
        let hidden = self.count("hidden_size", limits::WIDTH, 768)?;
        let heads = self.count("num_attention_heads", limits::HEADS, 12)?;
        let dropout = self.dropout("hidden_dropout_prob", 0.1)?;
        Ok(Architecture {
            family: Family::Bert,
            vocabulary: self.count("vocab_size", limits::VOCABULARY, 30_522)?,
            hidden,
            layers: self.count("num_hidden_layers", limits::LAYERS, 12)?,
            heads,
            kv_heads: heads,
            head_dim: self.head_dim(hidden, heads, None)?,
            ffn: self.count("intermediate_size", limits::WIDTH, 3072)?,
            tied: self.flag("tie_word_embeddings", true)?,
            positions: Some(self.count("max_position_embeddings", limits::SEQUENCE_LENGTH, 512)?),
            token_types: Some(self.count("type_vocab_size", limits::VOCABULARY, 2)?),
            rotary: None,
            parallel_residual: false,
            qkv_bias: true,
            output_bias: true,
            mlp_bias: true,
            activation: self.activation("hidden_act", Activation::OneKernel)?,
            window: None,
            attention_softcap: false,
            logit_softcap: false,
            embedding_dropout: dropout,
            residual_dropout: dropout,
            attention_dropout: self.dropout("attention_probs_dropout_prob", 0.1)?,
            experts: None,
            latent: None,
            decoder: None,
        })
    }

    /// `T5ForConditionalGeneration`, whose head is tied to the embedding whatever the file says.
    fn t5(&self) -> Result<Architecture, Error> {
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
            qkv_bias: false,
            output_bias: false,
            mlp_bias: false,
            activation,
            window: None,
            attention_softcap: false,
            logit_softcap: false,
            embedding_dropout: dropout,
            residual_dropout: dropout,
            attention_dropout: dropout,
            experts: None,
            latent: None,
            decoder: Some(Decoder {
                layers: self.optional("num_decoder_layers", limits::LAYERS)?.unwrap_or(layers),
                buckets: self.count("relative_attention_num_buckets", limits::VOCABULARY, 32)?,
                is_gated,
                scales_output: self.flag("tie_word_embeddings", true)?,
            }),
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
        if matches!(family, Family::Llama | Family::GptNeox | Family::Olmoe | Family::DeepseekV2)
            || is_qwen && !self.flag("use_sliding_window", false)?
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
        self.check_layer_types(window, layers)?;
        Ok(Some(window))
    }

    /// An explicit `layer_types` has to say the same as the pattern.
    fn check_layer_types(&self, window: SlidingWindow, layers: Count) -> Result<(), Error> {
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
                let expected = if window.covers(index) { "sliding_attention" } else { "full_attention" };
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
