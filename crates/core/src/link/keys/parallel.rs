//! How a run is spread over several GPUs.

use super::{CUSTOM, Key, always, is_set, none_for_zero, unknown, zero_for_none};
use crate::link::count;
use crate::scenario::{
    DataParallel, ExpertLoad, GradientSync, ReduceDtype, Reshard, Rotate, Scenario, Schedule, Spread, limits,
};
use crate::units::Count;

fn is_parallel(scenario: &Scenario) -> bool {
    scenario.parallel.is_on()
}

fn is_sharded(scenario: &Scenario) -> bool {
    scenario.parallel.scheme().is_some_and(DataParallel::shards_weights)
}

fn is_ddp(scenario: &Scenario) -> bool {
    scenario.parallel.scheme().is_some_and(DataParallel::is_ddp)
}

fn is_zero(scenario: &Scenario) -> bool {
    scenario.zero_stage().is_some()
}

fn is_zero3(scenario: &Scenario) -> bool {
    scenario.zero_stage() == Some(3)
}

fn is_megatron(scenario: &Scenario) -> bool {
    scenario.parallel.scheme() == Some(DataParallel::Megatron)
}

/// Whether the last rank can hold less than the others: what is cut unevenly is, except by Megatron-LM, which cuts nothing unevenly.
fn has_last_rank(scenario: &Scenario) -> bool {
    is_parallel(scenario) && !is_megatron(scenario) && !scenario.is_pipelined()
}

/// Only what stands in host memory is page-locked or not.
fn offloads(scenario: &Scenario) -> bool {
    let deepspeed = &scenario.parallel.deepspeed;
    is_zero(scenario) && (deepspeed.offload_optimizer || deepspeed.offload_weights)
}

fn is_tensor_parallel(scenario: &Scenario) -> bool {
    is_parallel(scenario) && scenario.parallel.mesh.tensor > Count::ONE
}

fn is_pipelined(scenario: &Scenario) -> bool {
    is_parallel(scenario) && scenario.parallel.mesh.pipeline > Count::ONE
}

fn is_interleaved(scenario: &Scenario) -> bool {
    is_pipelined(scenario) && scenario.parallel.mesh.schedule == Schedule::Interleaved
}

fn is_context_parallel(scenario: &Scenario) -> bool {
    is_parallel(scenario) && scenario.parallel.mesh.context > Count::ONE
}

fn is_expert_parallel(scenario: &Scenario) -> bool {
    is_parallel(scenario) && scenario.parallel.mesh.expert > Count::ONE
}

fn accumulates(scenario: &Scenario) -> bool {
    scenario.gradient_accumulation > Count::ONE
}

/// Whether something is cut into parts of which the last rank may hold less.
fn has_unequal_ranks(scenario: &Scenario) -> bool {
    let data = scenario.parallel.scheme();
    let is_cut = is_sharded(scenario) || is_zero(scenario) || data == Some(DataParallel::DdpZero1);
    has_last_rank(scenario) && (is_cut || is_tensor_parallel(scenario))
}

/// Whether the framework splits layers and sequences beside what it does with the data.
fn splits_layers(scenario: &Scenario) -> bool {
    is_megatron(scenario) || is_parallel(scenario) && scenario.parallel.data == DataParallel::Fsdp2
}

fn deals_out_experts(scenario: &Scenario) -> bool {
    is_megatron(scenario) && scenario.model.architecture.experts.is_some()
}

/// How many GPUs, and a named way of spreading the run over them. They stand before everything that the way sets, so that this wins where
/// a link or a command gives both; a link needs only what it sets.
pub(super) const SPREAD: &[Key] = &[
    number!("gpus", limits::GPUS, |s| s.parallel.gpus).when(is_parallel).asked(always),
    Key {
        name: "spread",
        write: |s| Spread::of(s).map_or(CUSTOM, Spread::key).to_owned(),
        read: |s, field, text| {
            if text != CUSTOM {
                Spread::from_key(text).ok_or_else(|| unknown(field, text, Spread::KEYS))?.apply(s);
            }
            Ok(())
        },
        words: Spread::KEYS,
        matters: |_| false,
        applies: always,
    },
];

pub(super) const KEYS: &[Key] = &[
    choice!("dp", DataParallel, |s| s.parallel.data)
        .when(is_parallel)
        .asked(|s| s.parallel.scheme().is_some()),
    flag!("bucket_views", |s| s.parallel.bucket_views).when(is_ddp).asked(|s| is_ddp(s) && !accumulates(s)),
    choice!("reshard", Reshard, |s| s.parallel.reshard).when(is_sharded),
    choice!("reduce_dtype", ReduceDtype, |s| s.parallel.reduce).when(is_sharded),
    optional!("shard_group", limits::GPUS, |s| s.parallel.shard_group).when(is_sharded),
    choice!("gradient_sync", GradientSync, |s| s.parallel.sync)
        .when(is_sharded)
        .asked(|s| is_sharded(s) && accumulates(s)),
    flag!("stays_gathered", |s| s.parallel.stays_gathered)
        .when(is_sharded)
        .asked(|s| is_sharded(s) && accumulates(s)),
    flag!("cpu_offload", |s| s.parallel.cpu_offload)
        .when(is_sharded)
        .asked(|s| s.parallel.scheme() == Some(DataParallel::Fsdp2)),
    number!("reduce_bucket", limits::ELEMENTS, |s| s.parallel.deepspeed.reduce_bucket).when(is_zero),
    flag!("overlap_comm", |s| s.parallel.deepspeed.overlap)
        .when(is_zero)
        .asked(|s| is_zero(s) && !is_zero3(s)),
    number!("max_live", limits::ELEMENTS_OR_NONE, |s| s.parallel.deepspeed.max_live).when(is_zero3),
    number!("max_reuse", limits::ELEMENTS_OR_NONE, |s| s.parallel.deepspeed.max_reuse).when(is_zero3),
    number!("prefetch_bucket", limits::ELEMENTS_OR_NONE, |s| s.parallel.deepspeed.prefetch).when(is_zero3),
    number!("persistence", limits::ELEMENTS_OR_NONE, |s| s.parallel.deepspeed.persistence).when(is_zero3),
    number!("sub_group", limits::ELEMENTS, |s| s.parallel.deepspeed.sub_group).when(is_zero3),
    flag!("offload_optimizer", |s| s.parallel.deepspeed.offload_optimizer).when(is_zero),
    flag!("offload_param", |s| s.parallel.deepspeed.offload_weights).when(is_zero3),
    flag!("pin_memory", |s| s.parallel.deepspeed.pinned)
        .when(offloads)
        .asked(|s| is_zero(s) && s.parallel.deepspeed.offload_optimizer),
    flag!("last_rank", |s| s.parallel.is_last_rank).when(has_last_rank).asked(has_unequal_ranks),
    number!("tp", limits::GPUS, |s| s.parallel.mesh.tensor).when(is_tensor_parallel).asked(splits_layers),
    flag!("sequence_parallel", |s| s.parallel.mesh.sequence_parallel).when(is_tensor_parallel),
    flag!("loss_parallel", |s| s.parallel.mesh.loss_parallel)
        .when(|s| is_tensor_parallel(s) && !is_megatron(s)),
    number!("pp", limits::GPUS, |s| s.parallel.mesh.pipeline)
        .when(is_pipelined)
        .asked(|s| is_parallel(s) && !is_zero(s)),
    choice!("schedule", Schedule, |s| s.parallel.mesh.schedule).when(is_pipelined),
    number!("stage_chunks", limits::STAGE_CHUNKS, |s| s.parallel.mesh.chunks).when(is_interleaved),
    optional!("stage", limits::GPUS, |s| s.parallel.mesh.stage).when(is_pipelined),
    number!("cp", limits::GPUS, |s| s.parallel.mesh.context).when(is_context_parallel).asked(splits_layers),
    choice!("cp_rotate", Rotate, |s| s.parallel.mesh.rotate).when(is_context_parallel),
    flag!("cp_repeats_keys", |s| s.parallel.mesh.repeats_keys)
        .when(|s| is_context_parallel(s) && !is_megatron(s)),
    number!("ep", limits::GPUS, |s| s.parallel.mesh.expert).when(is_expert_parallel).asked(deals_out_experts),
    optional!("etp", limits::GPUS, |s| s.parallel.mesh.expert_tensor)
        .when(|s| is_parallel(s) && s.parallel.mesh.expert_tensor.is_some())
        .asked(deals_out_experts),
    number!("expert_imbalance", limits::IMBALANCE, |s| s.expert_load.imbalance)
        .when(|s| s.expert_load != ExpertLoad::default())
        .asked(|s| is_expert_parallel(s) && deals_out_experts(s)),
];
