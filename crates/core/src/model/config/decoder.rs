//! Decoders whose keys are those of Llama, with what their configuration classes call otherwise.

use serde_json::Value;

use super::defaults::defaults;
use super::{Config, divided};
use crate::error::{Error, Field};
use crate::model::{Activation, Architecture, Branches, Family};
use crate::scenario::limits;
use crate::units::Count;

/// Which linear layers have biases.
struct Biases {
    qkv: bool,
    output: bool,
    mlp: bool,
}

/// Where dropout is above zero.
struct Dropouts {
    embedding: bool,
    residual: bool,
}

impl Config {
    pub(super) fn decoder(&self, family: Family) -> Result<Architecture, Error> {
        self.refuse_what_no_run_has_shown(family)?;
        let default = defaults(family);
        let hidden = self.count("hidden_size", limits::WIDTH, default.hidden)?;
        let heads = self.count("num_attention_heads", limits::HEADS, default.heads)?;
        let latent = self.latent(family)?;
        // Every query head has a key of its own in latent attention (`DeepseekV2Attention.expand_kv`).
        let has_key_heads = latent.is_none() && family != Family::GptNeox;
        let kv_heads = if has_key_heads { self.kv_heads(heads, default.kv_heads)? } else { heads };
        let (head_dim, rotary) = if latent.is_some() {
            let (head_dim, rotary) = self.latent_head()?;
            (head_dim, Some(rotary))
        } else {
            let head_dim = match family {
                Family::GptNeox | Family::StableLm => divided(hidden, heads)?,
                _ => self.head_dim(hidden, heads, default.head_dim)?,
            };
            check_joined_heads(family, hidden, heads, head_dim)?;
            (head_dim, self.rotary(family, head_dim)?)
        };
        let layers = self.count("num_hidden_layers", limits::LAYERS, default.layers)?;
        let (window, pattern) = self.window(family, layers, default.window)?;
        let biases = self.biases(family)?;
        let dropouts = self.dropouts(family)?;
        let is_gemma = matches!(family, Family::Gemma2 | Family::Gemma3Text);
        let ffn = if family == Family::Llama4Text { "intermediate_size_mlp" } else { "intermediate_size" };
        Ok(Architecture {
            family,
            vocabulary: self.count("vocab_size", limits::VOCABULARY, default.vocabulary)?,
            hidden,
            layers,
            heads,
            kv_heads,
            head_dim,
            ffn: self.count(ffn, limits::WIDTH, default.ffn)?,
            tied: self.flag("tie_word_embeddings", default.tied)?,
            rotary,
            parallel_residual: self.is_parallel(family)?,
            has_qk_norm: match family.qk_norm_is_optional() {
                None => true,
                Some(default) => self.flag("use_qk_norm", default)?,
            },
            qkv_bias: biases.qkv,
            output_bias: biases.output,
            mlp_bias: biases.mlp,
            head_bias: family.head_bias_is_optional() && self.flag("lm_head_bias", false)?,
            activation: self.activation_of(family)?,
            window,
            pattern,
            attention_softcap: is_gemma && self.softcap("attn_logit_softcapping", family == Family::Gemma2),
            logit_softcap: is_gemma && self.softcap("final_logit_softcapping", family == Family::Gemma2),
            embedding_dropout: dropouts.embedding,
            residual_dropout: dropouts.residual,
            attention_dropout: if family == Family::SeedOss {
                self.dropout("attention_dropout", 0.1)?
            } else {
                self.dropout("attention_dropout", 0.0)?
            },
            experts: self.experts(family)?,
            latent,
            recurrent: self.recurrent(family)?,
            ..Architecture::PLAIN
        })
    }

    /// The activation function; of a family that is not known any is taken for one kernel.
    fn activation_of(&self, family: Family) -> Result<Activation, Error> {
        let key = match family {
            Family::Gemma | Family::Gemma2 | Family::Gemma3Text
                if self.get("hidden_activation").is_some() =>
            {
                "hidden_activation"
            }
            _ => "hidden_act",
        };
        let default = match family {
            Family::Phi => Activation::NewGelu,
            Family::Nemotron | Family::Arcee => Activation::Relu2,
            _ => Activation::OneKernel,
        };
        match self.activation(key, default) {
            Err(_) if family == Family::Generic => Ok(Activation::OneKernel),
            other => other,
        }
    }

    fn is_parallel(&self, family: Family) -> Result<bool, Error> {
        match family {
            Family::StableLm => self.flag("use_parallel_residual", false),
            Family::GptNeox => self.flag("use_parallel_residual", true),
            _ => Ok(family.branches() != Branches::Sequence),
        }
    }

    fn biases(&self, family: Family) -> Result<Biases, Error> {
        let attention = |default| self.flag("attention_bias", default);
        let both = |bias| Biases { qkv: bias, output: bias, mlp: false };
        let qkv = |bias| Biases { qkv: bias, output: false, mlp: false };
        Ok(match family {
            Family::Phi3
            | Family::Mixtral
            | Family::Mistral
            | Family::Ministral
            | Family::Ministral3
            | Family::Exaone4
            | Family::MinimaxM2
            | Family::Jamba => both(false),
            Family::Qwen2 => qkv(true),
            Family::Qwen2Moe => qkv(self.flag("qkv_bias", true)?),
            Family::Glm | Family::Glm4 => qkv(attention(true)?),
            Family::Glm4Moe => qkv(attention(false)?),
            Family::Helium => Biases { mlp: self.flag("mlp_bias", false)?, ..qkv(attention(false)?) },
            Family::StableLm => qkv(self.flag("use_qkv_bias", false)?),
            Family::GptOss => both(attention(true)?),
            Family::GptNeox => Biases { mlp: true, ..both(attention(true)?) },
            Family::Phi => Biases { mlp: true, ..both(true) },
            Family::Starcoder2 => {
                let bias = self.flag("use_bias", true)?;
                Biases { mlp: bias, ..both(bias) }
            }
            Family::Ernie45 => {
                let bias = self.flag("use_bias", false)?;
                Biases { mlp: bias, ..both(bias) }
            }
            Family::SeedOss => Biases {
                output: self.flag("attention_out_bias", false)?,
                mlp: self.flag("mlp_bias", false)?,
                qkv: attention(true)?,
            },
            Family::Llama
            | Family::Granite
            | Family::DeepseekV2
            | Family::Smollm3
            | Family::Nemotron
            | Family::Arcee => Biases { mlp: self.flag("mlp_bias", false)?, ..both(attention(false)?) },
            Family::Generic => self.usual_biases()?,
            _ => both(attention(false)?),
        })
    }

    /// The biases of a decoder of no known family, by the keys that others use.
    fn usual_biases(&self) -> Result<Biases, Error> {
        let everywhere = self.flag("use_bias", false)?;
        let output = self.flag("attention_bias", everywhere)?;
        let qkv = self.flag("qkv_bias", self.flag("use_qkv_bias", output)?)?;
        Ok(Biases {
            qkv,
            output: self.flag("attention_out_bias", output)?,
            mlp: self.flag("mlp_bias", everywhere)?,
        })
    }

    fn dropouts(&self, family: Family) -> Result<Dropouts, Error> {
        Ok(match family {
            Family::Phi3 => Dropouts { embedding: false, residual: self.dropout("resid_pdrop", 0.0)? },
            Family::Phi => Dropouts {
                embedding: self.dropout("embd_pdrop", 0.0)?,
                residual: self.dropout("resid_pdrop", 0.0)?,
            },
            Family::GptNeox => {
                let dropout = self.dropout("hidden_dropout", 0.0)?;
                Dropouts { embedding: dropout, residual: dropout }
            }
            Family::Starcoder2 => Dropouts {
                embedding: self.dropout("embedding_dropout", 0.0)?,
                residual: self.dropout("residual_dropout", 0.0)?,
            },
            Family::SeedOss => {
                Dropouts { embedding: false, residual: self.dropout("residual_dropout", 0.1)? }
            }
            _ => Dropouts { embedding: false, residual: false },
        })
    }

    /// Options that no released model has, or whose tensors no run has shown.
    fn refuse_what_no_run_has_shown(&self, family: Family) -> Result<(), Error> {
        let refused: &[(&'static str, &'static str)] = match family {
            Family::Phi | Family::StableLm => &[("qk_layernorm", "false")],
            Family::Cohere => &[("use_qk_norm", "false")],
            Family::Olmo => &[("clip_qkv", "null")],
            Family::Generic => &[("kv_lora_rank", "null")],
            _ => &[],
        };
        for &(key, accepted) in refused {
            if let Some(value) = self.get(key).filter(|value| **value != Value::Bool(false)) {
                let given = Error::shown(&value.to_string());
                return Err(Error::Unsupported { field: Field::new(key), given, accepted: vec![accepted] });
            }
        }
        if family == Family::StableLm && self.dropout("hidden_dropout", 0.0)? {
            let given = "> 0".to_owned();
            return Err(Error::Unsupported {
                field: Field::new("hidden_dropout"),
                given,
                accepted: vec!["0"],
            });
        }
        Ok(())
    }

    /// Whether the keys are there without which a decoder of no known family can't be read.
    pub(super) fn has_usual_keys(&self) -> bool {
        ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"]
            .into_iter()
            .all(|key| self.get(key).is_some_and(Value::is_number))
    }

    /// `num_nextn_predict_layers` and the like count layers that transformers does not build.
    pub(super) fn usual_experts(&self) -> Result<Option<Count>, Error> {
        for key in ["num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"] {
            if let Some(count) = self.optional(key, (0, limits::EXPERTS.1))? {
                return Ok((count.get() > 1).then_some(count));
            }
        }
        Ok(None)
    }
}

/// `HeliumAttention.o_proj` and `OlmoeAttention.q_norm` are as wide as the model, and run only where its heads together are.
fn check_joined_heads(family: Family, hidden: Count, heads: Count, head_dim: Count) -> Result<(), Error> {
    let joined = heads.get().saturating_mul(head_dim.get());
    if !matches!(family, Family::Helium | Family::Olmoe) || joined == hidden.get() {
        return Ok(());
    }
    let wanted = hidden.get() / heads.get().max(1);
    Err(Error::OutOfRange {
        field: Field::new("head_dim"),
        given: head_dim.to_string(),
        min: wanted,
        max: wanted,
    })
}
