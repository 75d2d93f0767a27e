//! Objectives as golden files say them.

use serde_json::Value;
use vram_core::model::Family;
use vram_core::scenario::{GenerationCache, LogProbs, Method, Objective, OtherModel, Place};
use vram_core::units::Count;

use super::{Unsupported, number, word};

pub(super) fn log_probs(word: &str) -> Option<LogProbs> {
    match word {
        "trl" => Some(LogProbs::Selective),
        "trl_fp32" => Some(LogProbs::SelectiveFp32),
        "logsoftmax" => Some(LogProbs::LogSoftmax),
        _ => None,
    }
}

pub(super) fn objective(run: &Value, family: Family) -> Result<Objective, Unsupported> {
    let (dpo, variant) = (&run["train"]["dpo"], &run["variant"]);
    if !variant["grpo"].is_null() {
        return grpo(&run["train"], &variant["grpo"]);
    }
    if !variant["generate"].is_null() {
        return generate(&run["train"], &variant["generate"]);
    }
    if !variant["objective"].is_null() {
        return other(&variant["objective"]);
    }
    if dpo.is_null() {
        // What an encoder with masks predicts is what they hide (`BertForMaskedLM`).
        let method = if family.is_masked() { Method::MaskedLm } else { Method::CausalLm };
        return Ok(Objective { method, ..Objective::default() });
    }
    let place = if dpo["ref"].is_null() { Place::None } else { word(&dpo["ref"], Place::None, place)? };
    Ok(Objective::dpo(place))
}

fn place(word: &str) -> Option<Place> {
    match word {
        "bfloat16" => Some(Place::Bf16),
        other => Place::from_key(other),
    }
}

/// Another model of the policy's dimensions.
fn model(given: &Value) -> Result<OtherModel, Unsupported> {
    Ok(OtherModel { place: word(given, Place::None, place)?, millions: None })
}

/// `mb`: rows of one call of the policy.
fn grpo(train: &Value, given: &Value) -> Result<Objective, Unsupported> {
    let mut objective = Objective { method: Method::Grpo, ..Objective::default() };
    objective.reference = model(&given["ref"])?;
    objective.lengths.completion = Some(number(given, "completion")?);
    let rollout = &mut objective.rollout;
    if !given["mb"].is_null() {
        let (rows, of_call) = (number(train, "micro_batch")?.get(), number(given, "mb")?.get());
        let calls = u32::try_from(rows.div_ceil(of_call)).unwrap_or(u32::MAX);
        rollout.calls = Count::new(calls);
    }
    rollout.keeps_completion = given["keep"] != false;
    rollout.temperature = given["temperature"] != false;
    rollout.entropy = given["entropy"] == true;
    Ok(objective)
}

fn generate(train: &Value, given: &Value) -> Result<Objective, Unsupported> {
    let mut objective = Objective { method: Method::Generate, ..Objective::default() };
    objective.rollout.cache = word(&given["cache"], GenerationCache::Dynamic, GenerationCache::from_key)?;
    objective.lengths.prompt = Some(number(train, "seq_len")?);
    objective.lengths.completion = Some(number(given, "new")?);
    Ok(objective)
}

fn other(given: &Value) -> Result<Objective, Unsupported> {
    let kind = given["kind"].as_str().unwrap_or_default();
    let method = Method::from_key(kind).ok_or_else(|| Unsupported(format!("objective {kind}")))?;
    let mut objective = Objective { method, ..Objective::default() };
    if !given["labels"].is_null() {
        objective.labels = number(given, "labels")?;
    }
    objective.reference = model(&given["ref"])?;
    objective.teacher = model(&given["teacher"])?;
    if !given["completion"].is_null() {
        objective.lengths.completion = Some(number(given, "completion")?);
    }
    Ok(objective)
}
