//! Implementations of the loss and of modules as golden files say them.

use serde_json::Value;
use vram_core::Scenario;
use vram_core::scenario::{Checkpointing, Compile, Fused, Kernels, LossKernel, Shift};

use super::{Unsupported, number};

/// The variants that are implementations; others are refused.
pub(super) fn kernels(variant: &Value) -> Result<Kernels, Unsupported> {
    let mut kernels = Kernels::default();
    for (key, value) in variant.as_object().into_iter().flatten() {
        match key.as_str() {
            "liger" => liger(value, &mut kernels)?,
            "compile" => {
                let word = value.as_str().unwrap_or_default();
                kernels.compile =
                    Compile::from_key(word).ok_or_else(|| Unsupported(format!("compile {word}")))?;
            }
            "loss" => kernels.loss = loss(value.as_str().unwrap_or_default())?,
            "shift" => kernels.shift = shift(value.as_str().unwrap_or_default())?,
            "chunks" => kernels.loss_chunks = number(variant, "chunks")?,
            "chunk" => kernels.loss_chunk_tokens = number(variant, "chunk")?,
            "k" => kernels.loss_last_tokens = number(variant, "k")?,
            // Of checkpointing, of the optimizer, of the objective.
            "checkpoint" | "opt_in_bwd" | "ema" | "grpo" | "generate" | "objective" => {}
            _ => return Err(Unsupported(format!("variant {key}"))),
        }
    }
    Ok(kernels)
}

/// All that Liger patches, or some by name.
fn liger(value: &Value, kernels: &mut Kernels) -> Result<(), Unsupported> {
    let all = ["rope", "rms_norm", "swiglu", "fused_linear_cross_entropy"];
    let named: Vec<&str> = match value.as_array() {
        Some(names) => names.iter().filter_map(Value::as_str).collect(),
        None => all.to_vec(),
    };
    for name in named {
        match name {
            "rope" => kernels.rope = Fused::Liger,
            "rms_norm" => kernels.norm = Fused::Liger,
            "swiglu" | "geglu" => kernels.mlp = Fused::Liger,
            "cross_entropy" => kernels.loss = LossKernel::Liger,
            "fused_linear_cross_entropy" => kernels.loss = LossKernel::LigerFusedLinear,
            other => return Err(Unsupported(format!("liger {other}"))),
        }
    }
    Ok(())
}

fn shift(word: &str) -> Result<Shift, Unsupported> {
    Shift::from_key(word).ok_or_else(|| Unsupported(format!("shift {word}")))
}

fn loss(word: &str) -> Result<LossKernel, Unsupported> {
    match word {
        "bf16_ce" => Ok(LossKernel::NoUpcast),
        "torchtune_chunked" => Ok(LossKernel::Chunked),
        "torchtune_chunked_compiled" => Ok(LossKernel::ChunkedCompiled),
        "ckpt_chunked" => Ok(LossKernel::RecomputedChunks),
        "compiled_ce" => Ok(LossKernel::Compiled),
        "compiled_linear_ce" => Ok(LossKernel::CompiledLinear),
        "trl_nll" => Ok(LossKernel::TrlTiles),
        "cut_last" => Ok(LossKernel::LastTokens),
        other => Err(Unsupported(format!("loss {other}"))),
    }
}

/// Ways of checkpointing that transformers has no switch for.
pub(super) fn checkpointing(variant: &Value, scenario: &mut Scenario) -> Result<(), Unsupported> {
    let given = &variant["checkpoint"];
    scenario.checkpointing = match given["kind"].as_str() {
        None => return Ok(()),
        Some("every_k") => Checkpointing::EveryKth,
        Some("first_k") => Checkpointing::FirstK,
        Some("ops") => Checkpointing::SelectiveOps,
        Some("sdpa") => Checkpointing::SelectiveAttention,
        Some("offload_inputs") => Checkpointing::OffloadedInputs,
        Some(other) => return Err(Unsupported(format!("checkpoint {other}"))),
    };
    if scenario.checkpointing == Checkpointing::EveryKth || scenario.checkpointing == Checkpointing::FirstK {
        scenario.checkpoint_layers = number(given, "k")?;
    }
    Ok(())
}
