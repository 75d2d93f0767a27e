//! How each field of a scenario is written and read: one table.

use super::{CUSTOM, count};
use crate::error::{Error, Field};
use crate::gpu;
use crate::model::{Activation, Architecture, Decoder, Experts, Family, Latent, SlidingWindow};
use crate::presets;
use crate::scenario::{
    AdapterDtype, Attention, AutocastScope, BaseDtype, Checkpointing, Held, KvCache, LogProbs, LoraTargets,
    Objective, Optimizer, Padding, Recipe, Scenario, Stack, Trainer, ZeroGrad, limits,
};
use crate::units::{Bytes, Count};

/// A field of the link.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) write: fn(&Scenario) -> String,
    pub(super) read: fn(&mut Scenario, Field, &str) -> Result<(), Error>,
}

/// A whole number at a place of the scenario.
macro_rules! number {
    ($name:literal, $range:expr, |$scenario:ident| $place:expr) => {
        Key {
            name: $name,
            write: |$scenario| $place.to_string(),
            read: |$scenario, field, text| {
                $place = count(field, text, $range)?;
                Ok(())
            },
        }
    };
}

/// A whole number that may be absent; `0` says so.
macro_rules! optional {
    ($name:literal, $range:expr, |$scenario:ident| $place:expr) => {
        Key {
            name: $name,
            write: |$scenario| zero_for_none($place),
            read: |$scenario, field, text| {
                $place = none_for_zero(field, text, $range)?;
                Ok(())
            },
        }
    };
}

/// A whole number of a part that the model may lack; it is then read and forgotten.
macro_rules! of_part {
    ($name:literal, $range:expr, $part:ident, $absent:expr, |$value:ident| $place:expr) => {
        Key {
            name: $name,
            write: |s| s.model.architecture.$part.map_or($absent, |$value| $place).to_string(),
            read: |s, field, text| {
                let number = count(field, text, $range)?;
                if let Some($value) = &mut s.model.architecture.$part {
                    $place = number;
                }
                Ok(())
            },
        }
    };
}

/// `0` or `1` of a part that the model may lack.
macro_rules! flag_of_part {
    ($name:literal, $part:ident, |$value:ident| $place:expr) => {
        Key {
            name: $name,
            write: |s| u8::from(s.model.architecture.$part.is_some_and(|$value| $place)).to_string(),
            read: |s, field, text| {
                let flag = is_set(field, text)?;
                if let Some($value) = &mut s.model.architecture.$part {
                    $place = flag;
                }
                Ok(())
            },
        }
    };
}

/// The same, where the number may be absent.
macro_rules! optional_of_part {
    ($name:literal, $range:expr, $part:ident, |$value:ident| $place:expr) => {
        Key {
            name: $name,
            write: |s| zero_for_none(s.model.architecture.$part.and_then(|$value| $place)),
            read: |s, field, text| {
                let number = none_for_zero(field, text, $range)?;
                if let Some($value) = &mut s.model.architecture.$part {
                    $place = number;
                }
                Ok(())
            },
        }
    };
}

/// One of the words of an enum.
macro_rules! choice {
    ($name:literal, $kind:ty, |$scenario:ident| $place:expr) => {
        Key {
            name: $name,
            write: |$scenario| $place.key().to_owned(),
            read: |$scenario, field, text| {
                $place = <$kind>::from_key(text).ok_or_else(|| unknown(field, text, <$kind>::KEYS))?;
                Ok(())
            },
        }
    };
}

/// `0` or `1`.
macro_rules! flag {
    ($name:literal, |$scenario:ident| $place:expr) => {
        Key {
            name: $name,
            write: |$scenario| u8::from($place).to_string(),
            read: |$scenario, field, text| {
                $place = is_set(field, text)?;
                Ok(())
            },
        }
    };
}

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "model",
        write: |s| s.model.preset.clone().unwrap_or_else(|| CUSTOM.to_owned()),
        read: read_model,
    },
    Key {
        name: "family",
        write: |s| s.model.architecture.family.key().to_owned(),
        read: |s, field, text| {
            let accepted = || Family::ALL.iter().map(|family| family.key()).collect();
            s.model.architecture.family = Family::from_key(text).ok_or_else(|| Error::UnknownChoice {
                field,
                given: Error::shown(text),
                accepted: accepted(),
            })?;
            Ok(())
        },
    },
    number!("vocab", limits::VOCABULARY, |s| s.model.architecture.vocabulary),
    number!("hidden", limits::WIDTH, |s| s.model.architecture.hidden),
    number!("layers", limits::LAYERS, |s| s.model.architecture.layers),
    number!("heads", limits::HEADS, |s| s.model.architecture.heads),
    number!("kv_heads", limits::HEADS, |s| s.model.architecture.kv_heads),
    number!("head_dim", limits::HEADS, |s| s.model.architecture.head_dim),
    number!("ffn", limits::WIDTH, |s| s.model.architecture.ffn),
    flag!("tied", |s| s.model.architecture.tied),
    optional!("positions", limits::SEQUENCE_LENGTH, |s| s.model.architecture.positions),
    optional!("token_types", limits::VOCABULARY, |s| s.model.architecture.token_types),
    optional!("rotary", limits::HEADS, |s| s.model.architecture.rotary),
    flag!("parallel", |s| s.model.architecture.parallel_residual),
    flag!("qkv_bias", |s| s.model.architecture.qkv_bias),
    flag!("o_bias", |s| s.model.architecture.output_bias),
    flag!("mlp_bias", |s| s.model.architecture.mlp_bias),
    choice!("act", Activation, |s| s.model.architecture.activation),
    Key {
        name: "window",
        write: |s| zero_for_none(s.model.architecture.window.map(|window| window.size)),
        read: |s, field, text| {
            let size = none_for_zero(field, text, limits::SEQUENCE_LENGTH)?;
            s.model.architecture.window =
                size.map(|size| SlidingWindow { size, ..window(&s.model.architecture) });
            Ok(())
        },
    },
    of_part!("window_first", (0, limits::LAYERS.1), window, Count::new(0), |window| window.first),
    optional_of_part!("window_full_every", limits::LAYERS, window, |window| window.full_every),
    Key {
        name: "experts",
        write: |s| zero_for_none(s.model.architecture.experts.map(|experts| experts.count)),
        read: |s, field, text| {
            let count = none_for_zero(field, text, limits::EXPERTS)?;
            s.model.architecture.experts = count.map(|count| Experts { count, ..ONE_EXPERT });
            Ok(())
        },
    },
    of_part!("experts_per_token", limits::EXPERTS, experts, Count::ONE, |experts| experts.per_token),
    of_part!("expert_ffn", limits::WIDTH, experts, Count::ONE, |experts| experts.ffn),
    optional_of_part!("shared_ffn", limits::WIDTH, experts, |experts| experts.shared_ffn),
    of_part!("dense_layers", (0, limits::LAYERS.1), experts, Count::new(0), |experts| experts.dense_layers),
    of_part!("sparse_every", limits::LAYERS, experts, Count::ONE, |experts| experts.every),
    flag_of_part!("renormalise", experts, |experts| experts.renormalises),
    Key {
        name: "latent",
        write: |s| zero_for_none(s.model.architecture.latent.map(|latent| latent.rank)),
        read: |s, field, text| {
            let rank = none_for_zero(field, text, limits::WIDTH)?;
            s.model.architecture.latent = rank.map(|rank| Latent { rank, query_rank: None, value: rank });
            Ok(())
        },
    },
    optional_of_part!("query_latent", limits::WIDTH, latent, |latent| latent.query_rank),
    of_part!("value_dim", limits::HEADS, latent, Count::ONE, |latent| latent.value),
    Key {
        name: "decoder_layers",
        write: |s| zero_for_none(s.model.architecture.decoder.map(|decoder| decoder.layers)),
        read: |s, field, text| {
            let layers = none_for_zero(field, text, limits::LAYERS)?;
            s.model.architecture.decoder = layers.map(|layers| Decoder { layers, ..ONE_LAYER });
            Ok(())
        },
    },
    of_part!("buckets", limits::VOCABULARY, decoder, Count::ONE, |decoder| decoder.buckets),
    flag_of_part!("gated", decoder, |decoder| decoder.is_gated),
    flag_of_part!("scaled_output", decoder, |decoder| decoder.scales_output),
    flag!("attn_softcap", |s| s.model.architecture.attention_softcap),
    flag!("logit_softcap", |s| s.model.architecture.logit_softcap),
    flag!("embd_drop", |s| s.model.architecture.embedding_dropout),
    flag!("resid_drop", |s| s.model.architecture.residual_dropout),
    flag!("attn_drop", |s| s.model.architecture.attention_dropout),
    number!("b", limits::MICRO_BATCH, |s| s.micro_batch),
    number!("s", limits::SEQUENCE_LENGTH, |s| s.sequence_length),
    number!("accumulation", limits::GRADIENT_ACCUMULATION, |s| s.gradient_accumulation),
    choice!("recipe", Recipe, |s| s.recipe),
    choice!("optimizer", Optimizer, |s| s.optimizer),
    choice!("attention", Attention, |s| s.attention),
    choice!("checkpointing", Checkpointing, |s| s.checkpointing),
    // Before the fields that it sets, so that these win where a link or a command gives both.
    Key {
        name: "trainer",
        write: |s| Trainer::of(s).map_or(CUSTOM, Trainer::key).to_owned(),
        read: |s, field, text| {
            if text != CUSTOM {
                Trainer::from_key(text).ok_or_else(|| unknown(field, text, Trainer::KEYS))?.apply(s);
            }
            Ok(())
        },
    },
    choice!("zero_grad", ZeroGrad, |s| s.zero_grad),
    choice!("objective", Objective, |s| s.objective),
    optional!("lora_rank", limits::LORA_RANK, |s| s.lora.rank),
    choice!("lora_targets", LoraTargets, |s| s.lora.targets),
    flag!("lora_dropout", |s| s.lora.dropout),
    choice!("lora_dtype", AdapterDtype, |s| s.lora.adapters),
    choice!("base_dtype", BaseDtype, |s| s.lora.base),
    choice!("log_probs", LogProbs, |s| s.log_probs),
    choice!("padding", Padding, |s| s.padding),
    choice!("autocast_scope", AutocastScope, |s| s.autocast_scope),
    choice!("held", Held, |s| s.held),
    choice!("kv_cache", KvCache, |s| s.kv_cache),
    choice!("stack", Stack, |s| s.stack),
    Key { name: "gpu", write: |s| s.gpu.id.clone(), read: read_gpu },
    Key {
        name: "gpu_mib",
        write: |s| (s.gpu.capacity.get() >> 20).to_string(),
        read: |s, field, text| {
            s.gpu.capacity = Bytes::mib(count(field, text, limits::CAPACITY_MIB)?.get());
            Ok(())
        },
    },
];

/// What a link says nothing of, where it says that there are experts.
const ONE_EXPERT: Experts = Experts {
    count: Count::ONE,
    per_token: Count::ONE,
    ffn: Count::ONE,
    shared_ffn: None,
    dense_layers: Count::new(0),
    every: Count::ONE,
    renormalises: false,
};

/// The same of a decoder behind an encoder.
const ONE_LAYER: Decoder =
    Decoder { layers: Count::ONE, buckets: Count::ONE, is_gated: false, scales_output: false };

fn is_set(field: Field, text: &str) -> Result<bool, Error> {
    match text {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(unknown(field, text, &["0", "1"])),
    }
}

fn read_model(scenario: &mut Scenario, field: Field, text: &str) -> Result<(), Error> {
    if text == CUSTOM {
        scenario.model.preset = None;
        return Ok(());
    }
    let preset = presets::find(text).ok_or_else(|| Error::UnknownChoice {
        field,
        given: Error::shown(text),
        accepted: presets::all().iter().map(|preset| preset.id).collect(),
    })?;
    scenario.model = preset.model()?;
    Ok(())
}

fn read_gpu(scenario: &mut Scenario, field: Field, text: &str) -> Result<(), Error> {
    if text == CUSTOM {
        CUSTOM.clone_into(&mut scenario.gpu.id);
        return Ok(());
    }
    let known = gpu::find(text).ok_or_else(|| Error::UnknownChoice {
        field,
        given: Error::shown(text),
        accepted: gpu::all().iter().map(|gpu| gpu.id).collect(),
    })?;
    scenario.gpu = known.gpu();
    Ok(())
}

fn window(architecture: &Architecture) -> SlidingWindow {
    architecture.window.unwrap_or(SlidingWindow { size: Count::ONE, first: Count::new(0), full_every: None })
}

fn unknown(field: Field, text: &str, accepted: &[&'static str]) -> Error {
    Error::UnknownChoice { field, given: Error::shown(text), accepted: accepted.to_vec() }
}

fn zero_for_none(count: Option<Count>) -> String {
    count.map_or_else(|| "0".to_owned(), |count| count.to_string())
}

fn none_for_zero(field: Field, text: &str, (_, max): (u32, u32)) -> Result<Option<Count>, Error> {
    Ok(Some(count(field, text, (0, max))?).filter(|count| count.get() > 0))
}
