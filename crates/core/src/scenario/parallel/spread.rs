//! Named ways of spreading a run over several GPUs, with what a framework sets where it is asked for no more.
//!
//! A way is no field of its own: choosing one sets the fields that it is made of, and a scenario is said to be spread in the way whose
//! fields it has.

use super::super::choices::choices;
use super::super::{LossKernel, Optimizer, Recipe, Scenario};
use super::{DataParallel, Mesh, Parallel, ReduceDtype};
use crate::units::Count;

/// GPUs of a node, where there are as many: what several begin with, and the widest that tensor parallelism goes.
pub(crate) const GPUS_OF_A_NODE: u32 = 8;

choices! {
    /// A way of spreading a run.
    Spread {
        /// All on one GPU.
        OneGpu = "one_gpu",
        /// Everything on every GPU, gradients averaged (`DistributedDataParallel`).
        Ddp = "ddp",
        /// Every tensor sharded, layer by layer gathered in bf16, reduced in fp32, as torchtitan does (`fully_shard`).
        Fsdp2 = "fsdp2",
        /// The same with each layer split among a node's GPUs and sequence and loss parallelism, as torchtitan does.
        Fsdp2Tensor = "fsdp2_tp",
        /// fp32 flat parameters, gathered and reduced in bf16, as Accelerate does (`FullyShardedDataParallelPlugin`, `mixed_precision`).
        Accelerate = "accelerate",
        /// Weights, gradients and optimizer states cut among all GPUs, in bf16 with fp32 master weights (DeepSpeed's ZeRO-3).
        DeepSpeed = "deepspeed",
        /// Layers split among a node's GPUs, fp32 gradients, and an optimizer that is dealt out, as Megatron-LM does.
        Megatron = "megatron",
    }
}

impl Spread {
    /// Spreads a scenario in this way over the GPUs that it has, or over a node's.
    pub fn apply(self, scenario: &mut Scenario) {
        let gpus = match scenario.parallel.gpus {
            _ if self == Self::OneGpu => Count::ONE,
            Count::ONE => Count::new(GPUS_OF_A_NODE),
            gpus => gpus,
        };
        let tensor = match self {
            // Shards are among at least two.
            Self::Fsdp2Tensor => widest(scenario, gpus, 2),
            Self::Megatron => widest(scenario, gpus, 1),
            _ => Count::ONE,
        };
        let is_split = tensor > Count::ONE;
        scenario.parallel = Parallel {
            gpus,
            data: match self {
                Self::Ddp => DataParallel::Ddp,
                Self::Accelerate => DataParallel::Fsdp1,
                Self::DeepSpeed => DataParallel::Zero3,
                Self::Megatron => DataParallel::Megatron,
                Self::OneGpu | Self::Fsdp2 | Self::Fsdp2Tensor => DataParallel::Fsdp2,
            },
            reduce: if self == Self::Accelerate { ReduceDtype::Gradients } else { ReduceDtype::Fp32 },
            mesh: Mesh {
                tensor,
                sequence_parallel: is_split,
                loss_parallel: is_split && self == Self::Fsdp2Tensor,
                ..Mesh::default()
            },
            ..Parallel::default()
        };
        self.give_precision(scenario);
    }

    /// The precision that the framework works in; a loop without shards keeps its own.
    fn give_precision(self, scenario: &mut Scenario) {
        let kernel = &mut scenario.kernels.loss;
        match self {
            Self::Megatron => {
                (scenario.recipe, scenario.optimizer) = (Recipe::Bf16Master, Optimizer::AdamWFused);
                *kernel = LossKernel::TransformerEngine;
                return;
            }
            Self::DeepSpeed => scenario.recipe = Recipe::Bf16Master,
            Self::Fsdp2 | Self::Fsdp2Tensor | Self::Accelerate => scenario.recipe = Recipe::FsdpMixed,
            Self::OneGpu | Self::Ddp if scenario.recipe == Recipe::FsdpMixed => {
                scenario.recipe = Recipe::Bf16Mixed;
            }
            Self::OneGpu | Self::Ddp => {}
        }
        if *kernel == LossKernel::TransformerEngine {
            *kernel = LossKernel::Eager;
        }
    }

    /// The first way that would leave a scenario as it is; none for a mixture of one's own.
    pub fn of(scenario: &Scenario) -> Option<Self> {
        Self::ALL.iter().copied().find(|spread| {
            let mut after = scenario.clone();
            spread.apply(&mut after);
            after == *scenario
        })
    }
}

/// The ways of tensor parallelism that the scenario has, or as many GPUs of a node as heads and widths can be dealt out to evenly; there
/// are at least so many replicas or shards.
fn widest(scenario: &Scenario, gpus: Count, replicas: u64) -> Count {
    let a = &scenario.model.architecture;
    let divides = |ways: u64| {
        let whole = gpus.get().is_multiple_of(ways) && gpus.get() / ways >= replicas;
        whole && [a.heads, a.kv_heads, a.ffn].into_iter().all(|count| count.get().is_multiple_of(ways))
    };
    let own = Some(scenario.parallel.mesh.tensor).filter(|&ways| ways > Count::ONE);
    let of_node = [GPUS_OF_A_NODE, GPUS_OF_A_NODE / 2, GPUS_OF_A_NODE / 4].map(Count::new);
    own.into_iter().chain(of_node).find(|ways| divides(ways.get())).unwrap_or(Count::ONE)
}
