//! Parameter-efficient training as golden files say it.

use serde_json::Value;
use vram_core::model::Family;
use vram_core::scenario::{
    AdapterDtype, AdapterMethod, BaseDtype, ExpertTargets, Lora, LoraTargets, ModuleSet, ModulesToSave,
    Targets,
};
use vram_core::units::Count;

use super::{Unsupported, number, word};

/// The kit's LoRA: rank 16 and all linear layers where the run doesn't say. Or another of PEFT's methods.
pub(super) fn lora(train: &Value, family: Family) -> Result<Lora, Unsupported> {
    if !train["peft"].is_null() {
        return other(&train["peft"], train, family);
    }
    let given = &train["lora"];
    if given.is_null() {
        return if train["base_dtype"].is_null() {
            Ok(Lora::default())
        } else {
            Err(Unsupported("base_dtype".to_owned()))
        };
    }
    let method = match (given["dora"] == true, given["rslora"] == true) {
        (true, _) => AdapterMethod::Dora,
        (false, true) => AdapterMethod::RsLora,
        (false, false) => AdapterMethod::Lora,
    };
    Ok(Lora {
        rank: Some(if given["r"].is_null() { Count::new(16) } else { number(given, "r")? }),
        method,
        targets: targets(&given["targets"], family)?,
        saves: saves(&given["save"])?,
        experts: experts(&given["parameters"])?,
        ..common(given, train)?
    })
}

fn other(given: &Value, train: &Value, family: Family) -> Result<Lora, Unsupported> {
    let method = word(&given["method"], AdapterMethod::Lora, AdapterMethod::from_key)?;
    let mut lora = common(given, train)?;
    lora.switch_to(method);
    if !given["r"].is_null() {
        lora.rank = Some(number(given, "r")?);
    }
    if !given["tokens"].is_null() {
        lora.tokens = number(given, "tokens")?;
    }
    if !given["projection"].is_null() {
        lora.prefix_projection = Some(number(given, "projection")?);
    }
    if !given["targets"].is_null() {
        lora.targets = targets(&given["targets"], family)?;
    }
    Ok(lora)
}

fn common(given: &Value, train: &Value) -> Result<Lora, Unsupported> {
    Ok(Lora {
        dropout: given["dropout"].as_f64().is_some_and(|p| p > 0.0),
        adapters: if given["fp32_adapters"] == false { AdapterDtype::Base } else { AdapterDtype::Fp32 },
        base: word(&train["base_dtype"], BaseDtype::Recipe, |dtype| {
            (dtype == "bfloat16").then_some(BaseDtype::Bf16)
        })?,
        ..Lora::default()
    })
}

/// Matrices of all experts, by the end of their names.
fn experts(given: &Value) -> Result<ExpertTargets, Unsupported> {
    let names = given.as_array().into_iter().flatten().filter_map(Value::as_str);
    let ends: Vec<&str> = names.filter_map(|name| name.rsplit('.').next()).collect();
    if ends.is_empty() {
        return Ok(ExpertTargets::None);
    }
    ExpertTargets::from_key(&ends.join(".")).ok_or_else(|| Unsupported(format!("target_parameters {ends:?}")))
}

fn saves(given: &Value) -> Result<ModulesToSave, Unsupported> {
    let names: Vec<&str> = given.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() {
        return Ok(ModulesToSave::None);
    }
    ModulesToSave::from_key(&names.join(".")).ok_or_else(|| Unsupported(format!("modules_to_save {names:?}")))
}

/// Which linear layers have an adapter: all of them where no names are given.
pub(super) fn targets(given: &Value, family: Family) -> Result<Targets, Unsupported> {
    let Some(names) = given.as_array() else { return Ok(Targets::Word(LoraTargets::AllLinear)) };
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    match names.as_slice() {
        ["q_proj", "v_proj"] | ["query", "value"] | ["qkv_proj" | "query_key_value"] => {
            Ok(Targets::Word(LoraTargets::QueryValue))
        }
        ["q_proj", "k_proj", "v_proj", "o_proj"] | ["qkv_proj", "o_proj"] | ["query_key_value", "dense"] => {
            Ok(Targets::Word(LoraTargets::Attention))
        }
        other => ModuleSet::from_names(other.iter().copied(), family)
            .map(Targets::Modules)
            .ok_or_else(|| Unsupported(format!("lora targets {other:?}"))),
    }
}
