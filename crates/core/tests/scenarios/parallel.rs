//! Random ways of spreading a run over several GPUs.

use proptest::prelude::*;
use vram_core::Scenario;
use vram_core::scenario::{
    Attention, Checkpointing, DataParallel, DeepSpeed, GradientSync, Kernels, LossKernel, Mesh, Optimizer,
    Parallel, Recipe, ReduceDtype, Reshard, Rotate, Schedule,
};
use vram_core::units::Count;

/// One GPU, or several in any way.
pub(super) fn spread() -> impl Strategy<Value = Parallel> {
    let switches = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let choices = (
        proptest::sample::select(DataParallel::ALL),
        proptest::sample::select(Reshard::ALL),
        proptest::sample::select(ReduceDtype::ALL),
        proptest::sample::select(GradientSync::ALL),
    );
    let many =
        (2_u32..100, choices, switches, mesh()).prop_map(|(data_ways, choices, switches, (data, mesh))| {
            let data = data.unwrap_or(choices.0);
            // No replicas of a pipeline are followed but Megatron-LM's.
            let is_pipeline = mesh.pipeline > Count::ONE && data != DataParallel::Megatron;
            let data_ways = if is_pipeline { 1 } else { data_ways };
            Parallel {
                gpus: Count::new(data_ways * number(mesh.model_ways())),
                data,
                reshard: choices.1,
                reduce: choices.2,
                sync: choices.3,
                bucket_views: switches.0,
                stays_gathered: switches.1,
                cpu_offload: switches.2,
                is_last_rank: switches.3,
                deepspeed: DeepSpeed {
                    overlap: switches.0,
                    max_live: Count::new(data_ways * 1_000_000),
                    max_reuse: Count::new(data_ways * 300_000),
                    offload_optimizer: switches.1,
                    offload_weights: switches.2 && data == DataParallel::Zero3,
                    ..DeepSpeed::default()
                },
                shard_group: None,
                mesh,
            }
        });
    prop_oneof![Just(Parallel::default()), many]
}

fn number(count: u64) -> u32 {
    u32::try_from(count).unwrap()
}

/// A mesh, and the scheme that it goes with where it doesn't go with all.
fn mesh() -> impl Strategy<Value = (Option<DataParallel>, Mesh)> {
    let without = Just((None, Mesh::default()));
    let split = tensor().prop_map(|mesh| (Some(DataParallel::Fsdp2), mesh));
    let stages = pipeline().prop_map(|mesh| (None, mesh));
    let rings = ring().prop_map(|mesh| (Some(DataParallel::Fsdp2), mesh));
    let megatron = megatron().prop_map(|mesh| (Some(DataParallel::Megatron), mesh));
    prop_oneof![2 => without, 1 => split, 1 => stages, 1 => rings, 1 => megatron]
}

/// Tensor parallelism in any way.
fn tensor() -> impl Strategy<Value = Mesh> {
    (prop_oneof![Just(2_u32), Just(4)], any::<bool>(), any::<bool>()).prop_map(
        |(ways, sequence_parallel, loss_parallel)| Mesh {
            tensor: Count::new(ways),
            sequence_parallel,
            loss_parallel,
            ..Mesh::default()
        },
    )
}

/// Stages in any order of their micro-batches; one that is looked at, or the fullest.
fn pipeline() -> impl Strategy<Value = Mesh> {
    (2_u32..9, proptest::sample::select(Schedule::ALL), 1_u32..4, 0_u32..9).prop_map(
        |(stages, schedule, chunks, stage)| Mesh {
            pipeline: Count::new(stages),
            schedule,
            chunks: Count::new(chunks),
            stage: (1..=stages).contains(&stage).then(|| Count::new(stage)),
            ..Mesh::default()
        },
    )
}

/// Context parallelism of PyTorch.
fn ring() -> impl Strategy<Value = Mesh> {
    let rotate = prop_oneof![Just(Rotate::AllGather), Just(Rotate::AllToAll)];
    (prop_oneof![Just(2_u32), Just(4), Just(8)], rotate, any::<bool>()).prop_map(
        |(ways, rotate, repeats_keys)| Mesh {
            context: Count::new(ways),
            rotate,
            repeats_keys,
            ..Mesh::default()
        },
    )
}

/// All dimensions of Megatron-LM together.
fn megatron() -> impl Strategy<Value = Mesh> {
    let ways = || prop_oneof![2 => Just(1_u32), 1 => Just(2), 1 => Just(4)];
    let rotate = prop_oneof![Just(Rotate::Ulysses), Just(Rotate::AllToAll)];
    let expert_tensor = prop_oneof![Just(None), Just(Some(Count::ONE))];
    ((ways(), ways(), pipeline(), any::<bool>()), (ways(), rotate, ways(), expert_tensor)).prop_map(
        |((tensor, pipelines, stages, scatters), (context, rotate, expert, expert_tensor))| {
            let tensor = Count::new(tensor);
            let stages = if pipelines > 1 { stages } else { Mesh::default() };
            Mesh {
                tensor,
                sequence_parallel: scatters && tensor > Count::ONE,
                context: Count::new(context),
                rotate,
                expert: Count::new(expert),
                expert_tensor,
                schedule: match stages.schedule {
                    Schedule::GPipe => Schedule::OneForwardOneBackward,
                    other => other,
                },
                ..stages
            }
        },
    )
}

/// Where a mesh isn't followed with what was drawn, the same mesh with what it goes with; or with less of it; or none.
pub(super) fn with_mesh_that_fits(scenario: Scenario) -> Scenario {
    let is_megatron = scenario.parallel.data == DataParallel::Megatron;
    let is_alone = scenario.parallel.mesh.model_ways() == 1 && !is_megatron;
    if is_alone || scenario.validate().is_ok() {
        return scenario;
    }
    let mesh = scenario.parallel.mesh;
    let even =
        Mesh { pipeline: Count::new(2), schedule: Schedule::OneForwardOneBackward, stage: None, ..mesh };
    let dense = Mesh { expert: Count::ONE, expert_tensor: None, ..mesh };
    let dense_even = Mesh { expert: Count::ONE, expert_tensor: None, ..even };
    let of_ring = Mesh { context: mesh.context, rotate: Rotate::AllToAll, ..Mesh::default() };
    let of_tensor = Mesh { tensor: mesh.tensor, sequence_parallel: true, ..Mesh::default() };
    let fits = [mesh, even, dense, dense_even, of_ring, of_tensor, Mesh::default()]
        .into_iter()
        .filter(|mesh| is_megatron || mesh.model_ways() > 1)
        .map(|mesh| fitting(&scenario, mesh))
        .find(|fitting| fitting.validate().is_ok());
    let data = if is_megatron { DataParallel::Fsdp2 } else { scenario.parallel.data };
    let alone = Parallel { mesh: Mesh::default(), data, ..scenario.parallel };
    fits.unwrap_or(Scenario { parallel: alone, ..scenario })
}

/// Plain training on a mesh.
fn fitting(scenario: &Scenario, mesh: Mesh) -> Scenario {
    let Scenario { parallel, model, .. } = scenario;
    let is_megatron = parallel.data == DataParallel::Megatron;
    let is_odd = scenario.micro_batch.get() % 2 == 1;
    let recipe = match parallel.data {
        DataParallel::Megatron => Recipe::Bf16Master,
        _ if mesh.context > Count::ONE && is_odd => Recipe::FsdpMixed,
        _ if mesh.tensor > Count::ONE => Scenario::default().recipe,
        _ => Recipe::Bf16,
    };
    let checkpointing = match scenario.checkpointing {
        of @ (Checkpointing::Off | Checkpointing::FirstK | Checkpointing::SelectiveAttention) => of,
        _ if is_megatron => Checkpointing::LayersReentrant,
        of => of,
    };
    let pieces = mesh.context.get() * mesh.tensor.get() * 2;
    let loss = if is_megatron && is_odd { LossKernel::TransformerEngine } else { LossKernel::Eager };
    let is_even = mesh.pipeline > Count::ONE || mesh.context > Count::ONE;
    Scenario {
        model: model.clone(),
        micro_batch: scenario.micro_batch,
        sequence_length: Count::new(number(scenario.sequence_length.get().next_multiple_of(pieces))),
        gradient_accumulation: Count::new(number(
            scenario.gradient_accumulation.get().next_multiple_of(mesh.pipeline.get()),
        )),
        zero_grad: scenario.zero_grad,
        recipe,
        checkpointing,
        checkpoint_layers: scenario.checkpoint_layers,
        optimizer: Optimizer::AdamWFused,
        attention: if is_even { Attention::Sdpa } else { scenario.attention },
        kernels: Kernels { loss, ..Kernels::default() },
        parallel: Parallel {
            gpus: Count::new(number(parallel.data_ways() * mesh.model_ways())),
            mesh,
            ..*parallel
        },
        ..Scenario::default()
    }
}
