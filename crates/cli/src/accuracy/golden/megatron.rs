//! Runs of Megatron-LM on real GPUs: `max_memory_allocated` of each pipeline stage.
//!
//! How they were run beside what a row says is read from the launcher that its source keeps
//! (MooreThreads/SimuMax@4dcaae5, simu_tools/megatron_scripts/scripts): Transformer Engine's cross entropy
//! (`--cross-entropy-fusion-impl te`, docs/strategy.md), all-to-all context parallelism (`CP_COMM_TYPE`), a capacity factor of 1, and a
//! `NullTokenizer`, whose vocabulary has one token more than it is given (megatron/training/tokenizer/tokenizer.py).

use serde_json::{Value, json};
use vram_core::model::{Model, from_config};
use vram_core::scenario::{
    Checkpointing, DataParallel, LossKernel, Mesh, Optimizer, Parallel, Recipe, Rotate, Scenario,
};
use vram_core::units::Count;

use super::{Golden, Unsupported, number, unsupported};
use crate::accuracy::FIGURES;

/// The kind of run.
pub(in crate::accuracy) const MEGATRON: &str = "Megatron-LM";

/// One run for each stage that was measured; none where the row is of another kind.
pub(in crate::accuracy) fn stages(run: &Value) -> Option<Vec<Golden>> {
    let stages = run["measured_per_stage"].as_array()?;
    let text = |key: &str| run[key].as_str().unwrap_or("?").to_owned();
    let of_stage = |stage: &Value| {
        let index = stage["stage"].as_u64().unwrap_or_default();
        let suffix = if stages.len() > 1 { format!("-stage{index}") } else { String::new() };
        let ways = ["tp", "pp", "cp", "ep", "dp"].map(|way| format!("{way}{}", run[way]));
        let mut measured = [None; FIGURES.len()];
        if let Some(at) = FIGURES.iter().position(|&figure| figure == "peak_allocated") {
            measured[at] = bytes(stage);
        }
        Golden {
            id: text("id") + &suffix,
            label: format!(
                "{} · {} · {} × {}",
                text("model"),
                ways.join(" "),
                run["micro_batch"],
                run["seq_len"]
            ),
            group: MEGATRON.to_owned(),
            scenario: scenario(run, index),
            measured,
        }
    };
    Some(stages.iter().map(of_stage).collect())
}

/// A row says MiB of the fullest rank, or GiB with three decimals.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a size in GiB is far below 2^53"
)]
fn bytes(stage: &Value) -> Option<u64> {
    let units = [("max_allocated_mib", 1_048_576.0), ("max_allocated_gib", 1_073_741_824.0)];
    units.iter().find_map(|&(key, unit)| Some((stage[key].as_f64()? * unit) as u64))
}

fn scenario(run: &Value, stage: u64) -> Result<Scenario, Unsupported> {
    let asked = [("optimizer", "adam"), ("attention", "flash"), ("unit", "GiB")];
    if let Some((key, _)) = asked.iter().find(|&&(key, word)| run[key] != word) {
        return Err(Unsupported(format!("{key} {}", run[key])));
    }
    if run["distributed_optimizer"] != true || run["dropout"].as_f64() != Some(0.0) {
        return Err(Unsupported("optimizer, dropout".to_owned()));
    }
    let config = config(run);
    let architecture = from_config(&config.to_string()).map_err(|error| Unsupported(unsupported(&error)))?;
    let mut scenario = Scenario {
        model: Model { preset: None, architecture },
        micro_batch: number(run, "micro_batch")?,
        sequence_length: number(run, "seq_len")?,
        gradient_accumulation: number(run, "num_microbatches")?,
        recipe: Recipe::Bf16Master,
        optimizer: Optimizer::AdamWFused,
        checkpointing: match run["recompute"].as_str() {
            Some("none") => Checkpointing::Off,
            Some("full") => Checkpointing::LayersReentrant,
            Some("selective") => Checkpointing::SelectiveAttention,
            _ => return Err(Unsupported("recompute".to_owned())),
        },
        ..Scenario::default()
    };
    if run["cross_entropy_fusion"] == true {
        scenario.kernels.loss = LossKernel::TransformerEngine;
    }
    scenario.parallel = Parallel {
        gpus: number(run, "world_size")?,
        data: DataParallel::Megatron,
        mesh: Mesh {
            tensor: number(run, "tp")?,
            sequence_parallel: run["sequence_parallel"] == true,
            pipeline: number(run, "pp")?,
            stage: u32::try_from(stage + 1).ok().map(Count::new),
            context: number(run, "cp")?,
            rotate: Rotate::Ulysses,
            expert: number(run, "ep")?,
            ..Mesh::default()
        },
        ..Parallel::default()
    };
    Ok(scenario)
}

/// The row's dimensions as a `config.json`.
fn config(run: &Value) -> Value {
    let dims = &run["model_dims"];
    let mut config = dims.clone();
    let mut set = |key: &str, value: Value| config[key] = value;
    set("model_type", json!(if dims["q_lora_rank"].is_null() { "llama" } else { "deepseek_v3" }));
    set("vocab_size", json!(dims["vocab_size"].as_u64().unwrap_or_default() + 1));
    if !dims["q_lora_rank"].is_null() {
        let of = |key: &str| dims[key].as_u64().unwrap_or_default();
        set("num_key_value_heads", dims["num_attention_heads"].clone());
        set("first_k_dense_replace", dims["dense_layers"].clone());
        let shared = of("shared_expert_intermediate_size") / of("moe_intermediate_size").max(1);
        set("n_shared_experts", json!(shared));
    }
    config
}
