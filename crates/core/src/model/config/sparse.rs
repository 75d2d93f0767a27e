//! Routed experts and latent attention, as `config.json` states them.

use serde_json::Value;

use super::{Config, wrong_kind};
use crate::error::{Error, Field};
use crate::model::{Experts, Family, Latent};
use crate::scenario::limits;
use crate::units::Count;

impl Config {
    /// The experts of the families that have them. Defaults: `configuration_mixtral.py`, `configuration_qwen3_moe.py`,
    /// `configuration_olmoe.py`, `configuration_deepseek_v2.py`.
    pub(super) fn experts(&self, family: Family) -> Result<Option<Experts>, Error> {
        let experts = match family {
            Family::Mixtral => Experts {
                count: self.count("num_local_experts", limits::EXPERTS, 8)?,
                per_token: self.count("num_experts_per_tok", limits::EXPERTS, 2)?,
                ffn: self.count("intermediate_size", limits::WIDTH, 14_336)?,
                shared_ffn: None,
                dense_layers: Count::new(0),
                every: Count::ONE,
                early: Count::new(0),
                jitters: false,
                renormalises: true,
            },
            Family::Qwen3Moe => Experts {
                count: self.count("num_experts", limits::EXPERTS, 128)?,
                per_token: self.count("num_experts_per_tok", limits::EXPERTS, 8)?,
                ffn: self.count("moe_intermediate_size", limits::WIDTH, 768)?,
                shared_ffn: None,
                dense_layers: self.dense_layers()?,
                every: self.count("decoder_sparse_step", limits::LAYERS, 1)?,
                early: Count::new(0),
                jitters: false,
                renormalises: self.flag("norm_topk_prob", false)?,
            },
            Family::Olmoe => {
                self.refuse_clipping()?;
                Experts {
                    count: self.count("num_experts", limits::EXPERTS, 64)?,
                    per_token: self.count("num_experts_per_tok", limits::EXPERTS, 8)?,
                    ffn: self.count("intermediate_size", limits::WIDTH, 2048)?,
                    shared_ffn: None,
                    dense_layers: Count::new(0),
                    every: Count::ONE,
                    early: Count::new(0),
                    jitters: false,
                    renormalises: self.flag("norm_topk_prob", false)?,
                }
            }
            Family::Qwen2Moe => Experts {
                count: self.count("num_experts", limits::EXPERTS, 60)?,
                per_token: self.count("num_experts_per_tok", limits::EXPERTS, 4)?,
                ffn: self.count("moe_intermediate_size", limits::WIDTH, 1408)?,
                shared_ffn: Some(self.count("shared_expert_intermediate_size", limits::WIDTH, 5632)?),
                dense_layers: self.dense_layers()?,
                every: self.count("decoder_sparse_step", limits::LAYERS, 1)?,
                early: Count::new(0),
                jitters: false,
                renormalises: self.flag("norm_topk_prob", false)?,
            },
            Family::Qwen3Next if self.get("num_experts").and_then(Value::as_u64) == Some(0) => {
                return Ok(None);
            }
            Family::Qwen3Next => Experts {
                count: self.count("num_experts", limits::EXPERTS, 512)?,
                per_token: self.count("num_experts_per_tok", limits::EXPERTS, 10)?,
                ffn: self.count("moe_intermediate_size", limits::WIDTH, 512)?,
                shared_ffn: Some(self.count("shared_expert_intermediate_size", limits::WIDTH, 512)?),
                dense_layers: self.dense_layers()?,
                every: self.count("decoder_sparse_step", limits::LAYERS, 1)?,
                early: Count::new(0),
                jitters: false,
                renormalises: self.flag("norm_topk_prob", true)?,
            },
            Family::Jamba if matches!(self.get("num_experts").and_then(Value::as_u64), Some(0 | 1)) => {
                return Ok(None);
            }
            Family::Jamba => self.jamba_experts()?,
            Family::GptOss => self.equal_experts(128, 4, 2880)?,
            Family::GraniteMoe => self.equal_experts(8, 2, 11_008)?,
            Family::MinimaxM2 => Experts { renormalises: true, ..self.equal_experts(256, 8, 1536)? },
            Family::Phimoe => self.pairs_of_experts()?,
            Family::Llama4Text => self.llama4_experts()?,
            Family::DeepseekV2 => self.deepseek_experts()?,
            Family::DeepseekV3 => self.grouped_experts(256, 2048, 3)?,
            Family::Glm4Moe => self.grouped_experts(128, 1408, 1)?,
            Family::Generic => match self.usual_experts()? {
                Some(count) => self.generic_experts(count)?,
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        if experts.per_token > experts.count {
            return Err(Error::OutOfRange {
                field: Field::new("num_experts_per_tok"),
                given: experts.per_token.to_string(),
                min: 1,
                max: experts.count.get(),
            });
        }
        Ok(Some(experts))
    }

    /// `clip_qkv` is `null` in every released model; clamping in place keeps tensors that no run has shown.
    fn refuse_clipping(&self) -> Result<(), Error> {
        let Some(value) = self.get("clip_qkv") else {
            return Ok(());
        };
        let given = Error::shown(&value.to_string());
        Err(Error::Unsupported { field: Field::new("clip_qkv"), given, accepted: vec!["null"] })
    }

    fn deepseek_experts(&self) -> Result<Experts, Error> {
        let field = Field::new("topk_method");
        match self.get("topk_method") {
            None => {}
            Some(Value::String(method)) if method == "greedy" => {}
            Some(other) => {
                let given = Error::shown(other.as_str().unwrap_or(&other.to_string()));
                return Err(Error::Unsupported { field, given, accepted: vec!["greedy"] });
            }
        }
        let ffn = self.count("moe_intermediate_size", limits::WIDTH, 1407)?;
        let shared = self.count("n_shared_experts", limits::EXPERTS, 2)?;
        let per_token = self.optional("num_experts_per_tok", limits::EXPERTS)?;
        Ok(Experts {
            count: self.count("n_routed_experts", limits::EXPERTS, 64)?,
            per_token: per_token.ok_or(Error::Missing { field: Field::new("num_experts_per_tok") })?,
            ffn,
            shared_ffn: Some(times(ffn, shared)),
            dense_layers: self.count("first_k_dense_replace", (0, limits::LAYERS.1), 0)?,
            every: Count::ONE,
            early: Count::new(0),
            jitters: false,
            // `DeepseekV2TopkRouter` does not read `norm_topk_prob`.
            renormalises: false,
        })
    }

    /// Experts in every layer, whose width is `intermediate_size`.
    fn equal_experts(&self, count: u32, per_token: u32, ffn: u32) -> Result<Experts, Error> {
        Ok(Experts {
            count: self.count("num_local_experts", limits::EXPERTS, count)?,
            per_token: self.count("num_experts_per_tok", limits::EXPERTS, per_token)?,
            ffn: self.count("intermediate_size", limits::WIDTH, ffn)?,
            shared_ffn: None,
            dense_layers: Count::new(0),
            every: Count::ONE,
            early: Count::new(0),
            jitters: false,
            renormalises: false,
        })
    }

    /// `PhimoeConfig`: its router draws two experts whatever the file says.
    fn pairs_of_experts(&self) -> Result<Experts, Error> {
        let experts = self.equal_experts(16, 2, 6400)?;
        if experts.per_token == Count::new(2) {
            return Ok(Experts { jitters: self.dropout("input_jitter_noise", 0.0)?, ..experts });
        }
        let field = Field::new("num_experts_per_tok");
        Err(Error::Unsupported { field, given: experts.per_token.to_string(), accepted: vec!["2"] })
    }

    /// `JambaConfig.layers_num_experts`: in one layer of `expert_layer_period`, the first of them at `expert_layer_offset`.
    fn jamba_experts(&self) -> Result<Experts, Error> {
        let (every, offset) =
            self.period_and_offset(("expert_layer_period", 2), ("expert_layer_offset", 1))?;
        let early = every.get().saturating_sub(1).saturating_sub(offset.get());
        Ok(Experts {
            count: self.count("num_experts", limits::EXPERTS, 16)?,
            every,
            early: Count::new(u32::try_from(early).unwrap_or_default()),
            ..self.equal_experts(16, 2, 14_336)?
        })
    }

    /// `Llama4TextConfig`: experts in one layer of `interleave_moe_layer_step`, with a shared one of the same width.
    fn llama4_experts(&self) -> Result<Experts, Error> {
        let key = "moe_layers";
        let experts = self.equal_experts(16, 1, 8192)?;
        let every = self.count("interleave_moe_layer_step", limits::LAYERS, 1)?;
        let experts = Experts { shared_ffn: Some(experts.ffn), every, ..experts };
        let Some(value) = self.get(key) else {
            return Ok(experts);
        };
        let layers = self.count("num_hidden_layers", limits::LAYERS, 48)?;
        let expected = (0..layers.get()).filter(|&index| experts.has(index));
        let agrees =
            value.as_array().is_some_and(|listed| listed.iter().map(Value::as_u64).eq(expected.map(Some)));
        if agrees {
            return Ok(experts);
        }
        let given = Error::shown(&value.to_string());
        Err(Error::Unsupported { field: Field::new(key), given, accepted: vec!["null"] })
    }

    /// `DeepseekV3Config`, `Glm4MoeConfig`. The layers that predict further tokens (`num_nextn_predict_layers`) are not built by
    /// transformers.
    fn grouped_experts(&self, count: u32, ffn: u32, dense: u32) -> Result<Experts, Error> {
        let ffn = self.count("moe_intermediate_size", limits::WIDTH, ffn)?;
        let shared = self.count("n_shared_experts", limits::EXPERTS, 1)?;
        Ok(Experts {
            count: self.count("n_routed_experts", limits::EXPERTS, count)?,
            per_token: self.count("num_experts_per_tok", limits::EXPERTS, 8)?,
            ffn,
            shared_ffn: Some(times(ffn, shared)),
            dense_layers: self.count("first_k_dense_replace", (0, limits::LAYERS.1), dense)?,
            every: Count::ONE,
            early: Count::new(0),
            jitters: false,
            renormalises: self.flag("norm_topk_prob", true)?,
        })
    }

    /// Experts of a decoder of no known family, by the keys that others use.
    fn generic_experts(&self, count: Count) -> Result<Experts, Error> {
        let first = |keys: &[&'static str], range| {
            keys.iter().find_map(|key| self.optional(key, range).transpose()).transpose()
        };
        let per_token =
            first(&["num_experts_per_tok", "num_experts_per_token", "moe_k", "moe_topk"], limits::EXPERTS)?;
        let ffn = match first(&["moe_intermediate_size"], limits::WIDTH)? {
            Some(ffn) => ffn,
            None => self.count("intermediate_size", limits::WIDTH, 1)?,
        };
        let shared = first(
            &["n_shared_experts", "num_shared_experts", "moe_num_shared_experts"],
            (0, limits::EXPERTS.1),
        )?;
        let shared = shared.filter(|shared| shared.get() > 0).map(|shared| times(ffn, shared));
        Ok(Experts {
            count,
            per_token: per_token.ok_or(Error::Missing { field: Field::new("num_experts_per_tok") })?,
            ffn,
            shared_ffn: first(&["shared_expert_intermediate_size"], limits::WIDTH)?.or(shared),
            dense_layers: first(&["first_k_dense_replace", "moe_layer_start_index"], (0, limits::LAYERS.1))?
                .unwrap_or(Count::new(0)),
            every: first(&["decoder_sparse_step", "moe_layer_interval"], limits::LAYERS)?
                .unwrap_or(Count::ONE),
            early: Count::new(0),
            jitters: false,
            renormalises: self.flag("norm_topk_prob", true)?,
        })
    }

    /// `mlp_only_layers`, where they are the first ones.
    fn dense_layers(&self) -> Result<Count, Error> {
        let key = "mlp_only_layers";
        let Some(value) = self.get(key) else {
            return Ok(Count::new(0));
        };
        let layers = value.as_array().ok_or_else(|| wrong_kind(key, value, "list of layers"))?;
        let are_first = layers.iter().zip(0_u64..).all(|(layer, index)| layer.as_u64() == Some(index));
        match u32::try_from(layers.len()) {
            Ok(count) if are_first && count <= limits::LAYERS.1 => Ok(Count::new(count)),
            _ => Err(Error::Unsupported {
                field: Field::new(key),
                given: Error::shown(&value.to_string()),
                accepted: vec!["[]", "[0]", "[0, 1]", "[0, 1, …]"],
            }),
        }
    }

    /// Latent attention of DeepSeek-V2 and -V3.
    pub(super) fn latent(&self, family: Family) -> Result<Option<Latent>, Error> {
        if !matches!(family, Family::DeepseekV2 | Family::DeepseekV3) {
            return Ok(None);
        }
        let is_direct = self.keys.get("q_lora_rank").is_some_and(Value::is_null);
        let rank = self.optional("q_lora_rank", limits::WIDTH)?.unwrap_or(Count::new(1536));
        Ok(Some(Latent {
            query_rank: (!is_direct).then_some(rank),
            rank: self.count("kv_lora_rank", limits::WIDTH, 512)?,
            value: self.count("v_head_dim", limits::HEADS, 128)?,
        }))
    }

    /// Width of a latent-attention head, and what of it is rotated.
    pub(super) fn latent_head(&self) -> Result<(Count, Count), Error> {
        let plain = self.count("qk_nope_head_dim", limits::HEADS, 128)?;
        let rotary = self.count("qk_rope_head_dim", limits::HEADS, 64)?;
        let sum = u32::try_from(plain.get().saturating_add(rotary.get())).unwrap_or(u32::MAX);
        Ok((Count::new(sum), rotary))
    }
}

/// The width of all shared experts together.
fn times(ffn: Count, shared: Count) -> Count {
    Count::new(u32::try_from(ffn.get().saturating_mul(shared.get())).unwrap_or(limits::WIDTH.1))
}
