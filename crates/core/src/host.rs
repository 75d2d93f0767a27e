//! What a run holds in the memory of the host: what is offloaded, rank by rank, and how much of it is page-locked.
//!
//! Derived, not measured:
//! * FSDP2's `CPUOffloadPolicy` (`torch/distributed/fsdp/_fully_shard/_fsdp_param.py`, `_fsdp_collectives.py`): shards are pinned, their
//!   gradients come by a copy that doesn't block, which allocates pinned memory; the optimizer's states are made beside them, pageable.
//! * DeepSpeed (`runtime/zero/stage_1_and_2.py`, `stage3.py`): fp32 gradients, what is copied back and, of ZeRO-1 and -2, master weights are
//!   pinned; states are pageable.
//! * Checkpoints in host memory: each layer's input, by a copy that doesn't block.
//!
//! PyTorch's allocator of pinned memory rounds each block up to a power of two (`ATen/core/CachingHostAllocator.h`, `PowerOf2Ceil`).

use std::collections::BTreeMap;

use crate::ledger::{Category, Dim, Dims, Module, Name, Symbol, What};
use crate::model::Parameter;
use crate::parallel::Shards;
use crate::parallel::deepspeed::Zero;
use crate::scenario::{Checkpointing, DataParallel, GPUS_OF_A_NODE, Scenario};
use crate::step;
use crate::tape::Storage;
use crate::units::{Bytes, Dtype};

/// Equal tensors in host memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostTensor {
    /// What it is, as on the GPU.
    pub name: Name,
    /// What it is for.
    pub category: Category,
    /// Number of equal tensors, then the shape.
    pub dims: Dims,
    /// Element type.
    pub dtype: Dtype,
    /// Whether it is page-locked.
    pub is_pinned: bool,
    /// What it takes, all copies together: pinned blocks are rounded up to a power of two.
    pub allocated: Bytes,
}

impl HostTensor {
    /// Bytes that were asked for.
    pub fn bytes(&self) -> Bytes {
        Bytes::new(self.dims.product()).times(self.dtype.size())
    }
}

/// What one rank has in host memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// By name; nothing where nothing is offloaded.
    pub tensors: Vec<HostTensor>,
    /// Ranks that share a node: eight, or all of fewer.
    pub ranks_of_a_node: u64,
}

impl Host {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let ranks_of_a_node = scenario.parallel.gpus.get().min(GPUS_OF_A_NODE.into());
        let mut host = Self { tensors: Vec::new(), ranks_of_a_node };
        if scenario.checkpointing == Checkpointing::OffloadedInputs {
            host.checkpoints(scenario);
        }
        if scenario.parallel.is_offloaded() && scenario.parallel.data == DataParallel::Fsdp2 {
            host.shards(scenario);
        }
        if let Some(zero) = Zero::of(scenario) {
            host.zero(scenario, &zero);
        }
        host
    }

    /// Bytes of a rank that were asked for.
    pub fn requested(&self) -> Bytes {
        self.tensors.iter().map(HostTensor::bytes).sum()
    }

    /// Bytes that a rank takes.
    pub fn allocated(&self) -> Bytes {
        self.tensors.iter().map(|tensor| tensor.allocated).sum()
    }

    /// Those of them that are page-locked.
    pub fn pinned(&self) -> Bytes {
        self.tensors.iter().filter(|tensor| tensor.is_pinned).map(|tensor| tensor.allocated).sum()
    }

    fn put(&mut self, storage: Storage, copies: u64, is_pinned: bool) {
        let Storage { name, category, dims, dtype } = storage;
        let one = storage.bytes();
        if one == Bytes::ZERO || copies == 0 {
            return;
        }
        let block =
            if is_pinned { one.get().checked_next_power_of_two().unwrap_or(u64::MAX) } else { one.get() };
        let dims = if copies == 1 { dims } else { dims.times(Dim::new(Symbol::SomeLayers, copies)) };
        let allocated = Bytes::new(block).times(copies);
        self.tensors.push(HostTensor { name, category, dims, dtype, is_pinned, allocated });
    }

    fn checkpoints(&mut self, scenario: &Scenario) {
        let a = scenario.architecture();
        let dims = [
            Dim::new(Symbol::Batch, scenario.sequences()),
            Dim::new(Symbol::Sequence, scenario.tokens_of_sequence()),
            Dim::new(Symbol::Hidden, a.hidden.get()),
        ];
        let input = Storage {
            name: Name::of(Module::Layer, What::Input),
            category: Category::Activations,
            dims: Dims::new(&dims),
            dtype: scenario.weight(),
        };
        self.put(input, a.layers.get(), true);
    }

    fn shards(&mut self, scenario: &Scenario) {
        let architecture = scenario.architecture();
        let parameters = step::Parameters::of(scenario);
        let Some(shards) = Shards::among(scenario) else { return };
        let mut pin = |parameter: &Parameter, gradient: bool, dtype: Dtype| {
            let storage = Storage {
                name: Name { gradient, ..parameter.name },
                category: if gradient { Category::Gradients } else { Category::Parameters },
                dims: shards.padded(parameter).dims,
                dtype,
            };
            self.put(storage, parameter.copies(&architecture), true);
        };
        for parameter in parameters.frozen(scenario) {
            pin(&parameter, false, scenario.stored());
        }
        for parameter in parameters.trained() {
            pin(parameter, false, scenario.trained());
            pin(parameter, true, scenario.trained());
        }
        let local: Vec<_> = parameters.trained().iter().map(|parameter| shards.local(parameter)).collect();
        for state in step::updated(scenario, &architecture, &local).states(scenario.optimizer) {
            self.put(state.storage, 1, false);
        }
    }

    fn zero(&mut self, scenario: &Scenario, zero: &Zero) {
        let (part, is_pinned) = (zero.partition(), zero.settings.pinned);
        let of = |category, what, elements, dtype| Storage {
            name: Name::of(Module::ZeroPartition, what),
            category,
            dims: Dims::new(&[Dim::new(Symbol::ShardRows, elements)]),
            dtype,
        };
        if zero.settings.offload_weights {
            self.put(of(Category::Parameters, What::Partition, part, Dtype::Bf16), 1, true);
        }
        if !zero.settings.offload_optimizer {
            return;
        }
        let is_third = zero.stage == 3;
        self.put(of(Category::MasterWeights, What::Master, part, Dtype::Fp32), 1, is_pinned && !is_third);
        self.put(of(Category::Gradients, What::GradientFp32, part, Dtype::Fp32), 1, is_pinned);
        // ZeRO-3's gradients, ZeRO-1's and -2's updated weights on their way back.
        let (category, what) = if is_third {
            (Category::Gradients, What::Partition)
        } else {
            (Category::Parameters, What::Partition)
        };
        self.put(of(category, what, part, Dtype::Bf16), 1, is_pinned);
        if let Some(staging) = zero.staging() {
            self.put(staging, 1, is_pinned);
        }
        if zero.accumulates && !is_third {
            let mut sizes: BTreeMap<u64, u64> = BTreeMap::new();
            for piece in zero.pieces.iter().filter(|piece| zero.owns(piece)) {
                *sizes.entry(piece.elements).or_default() += 1;
            }
            for (elements, copies) in sizes {
                let whole = of(Category::Gradients, What::UnshardedGradients, elements, Dtype::Bf16);
                self.put(whole, copies, is_pinned);
            }
        }
        let architecture = scenario.architecture();
        let updated = [Zero::updated(part)];
        for state in step::updated(scenario, &architecture, &updated).states(scenario.optimizer) {
            self.put(state.storage, 1, false);
        }
    }
}
