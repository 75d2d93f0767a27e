//! Parameter-efficient training as golden files say it.

use serde_json::Value;
use vram_core::scenario::{AdapterDtype, BaseDtype, Lora, LoraTargets};
use vram_core::units::Count;

use super::{Unsupported, number, word};

/// The kit's LoRA: rank 16 and all linear layers where the run doesn't say.
pub(super) fn lora(train: &Value) -> Result<Lora, Unsupported> {
    let given = &train["lora"];
    if given.is_null() {
        return if train["base_dtype"].is_null() {
            Ok(Lora::default())
        } else {
            Err(Unsupported("base_dtype".to_owned()))
        };
    }
    Ok(Lora {
        rank: Some(if given["r"].is_null() { Count::new(16) } else { number(given, "r")? }),
        targets: targets(given)?,
        dropout: given["dropout"].as_f64().is_some_and(|p| p > 0.0),
        adapters: if given["fp32_adapters"] == false { AdapterDtype::Base } else { AdapterDtype::Fp32 },
        base: word(&train["base_dtype"], BaseDtype::Recipe, |dtype| {
            (dtype == "bfloat16").then_some(BaseDtype::Bf16)
        })?,
    })
}

/// Which linear layers have an adapter: all of them where no names are given.
pub(super) fn targets(given: &Value) -> Result<LoraTargets, Unsupported> {
    let Some(names) = given["targets"].as_array() else {
        return Ok(LoraTargets::AllLinear);
    };
    match names.iter().filter_map(Value::as_str).collect::<Vec<_>>().as_slice() {
        ["q_proj", "v_proj"] | ["qkv_proj" | "query_key_value"] => Ok(LoraTargets::QueryValue),
        ["q_proj", "k_proj", "v_proj", "o_proj"] | ["qkv_proj", "o_proj"] | ["query_key_value", "dense"] => {
            Ok(LoraTargets::Attention)
        }
        other => Err(Unsupported(format!("lora targets {other:?}"))),
    }
}
