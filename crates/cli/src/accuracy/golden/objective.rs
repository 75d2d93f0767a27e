//! Objectives as golden files say them.

use serde_json::Value;
use vram_core::scenario::{LogProbs, Objective};

use super::Unsupported;

pub(super) fn log_probs(word: &str) -> Option<LogProbs> {
    match word {
        "trl" => Some(LogProbs::Selective),
        "trl_fp32" => Some(LogProbs::SelectiveFp32),
        "logsoftmax" => Some(LogProbs::LogSoftmax),
        _ => None,
    }
}

pub(super) fn objective(dpo: &Value) -> Result<Objective, Unsupported> {
    if dpo.is_null() {
        return Ok(Objective::CausalLm);
    }
    match dpo["ref"].as_str() {
        Some("none") | None => Ok(Objective::DpoNoReference),
        Some("fp32") => Ok(Objective::DpoReferenceFp32),
        Some("bf16") => Ok(Objective::DpoReferenceBf16),
        Some("adapter") => Ok(Objective::DpoReferenceAdapter),
        Some(other) => Err(Unsupported(format!("reference {other}"))),
    }
}
