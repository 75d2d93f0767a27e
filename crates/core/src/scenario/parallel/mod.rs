//! How a run is spread over several GPUs.

mod context;
mod deepspeed;
mod megatron;
mod mesh;
mod pipeline;
mod spread;
mod tensor;

pub use deepspeed::DeepSpeed;
pub use mesh::{Mesh, Rotate, Schedule};
pub(crate) use spread::GPUS_OF_A_NODE;
pub use spread::Spread;

use super::choices::choices;
use super::{
    AdapterMethod, Ema, ExpertTargets, Method, ModulesToSave, QuantisedBase, Recipe, Scenario, all_followed,
    divides, in_range, limits, unsupported,
};
use crate::error::Error;
use crate::units::{Count, Dtype};

choices! {
    /// How data-parallel ranks divide weights, gradients and optimizer states.
    DataParallel {
        /// Each rank holds everything; gradients are averaged in buckets (`torch.nn.parallel.DistributedDataParallel`).
        Ddp = "ddp",
        /// The same, with whole parameters' optimizer states dealt out among the ranks (`ZeroRedundancyOptimizer`).
        DdpZero1 = "ddp_zero1",
        /// DeepSpeed's ZeRO-1: each rank updates its part of the flat weights.
        Zero1 = "zero1",
        /// ZeRO-2: and keeps only that part's gradients.
        Zero2 = "zero2",
        /// ZeRO-3: and only its part of the weights, gathered around their use.
        Zero3 = "zero3",
        /// Megatron-LM: contiguous fp32 main gradients and the distributed optimizer, with layers of its own and Transformer Engine's.
        Megatron = "megatron",
        /// Every tensor is sharded, layer by layer gathered (`torch.distributed.fsdp.fully_shard`).
        Fsdp2 = "fsdp2",
        /// The same over flat parameters (`FullyShardedDataParallel`).
        Fsdp1 = "fsdp1",
    }
}

impl DataParallel {
    /// Whether PyTorch's DDP averages gradients in its buckets.
    pub const fn is_ddp(self) -> bool {
        matches!(self, Self::Ddp | Self::DdpZero1)
    }

    /// Whether weights are sharded.
    pub const fn shards_weights(self) -> bool {
        matches!(self, Self::Fsdp2 | Self::Fsdp1)
    }
}

choices! {
    /// What stays gathered between forward and backward.
    Reshard {
        /// Layers are sharded again after their forward; the root stays (PyTorch's default; ZeRO-3).
        AfterForward = "after_forward",
        /// Everything stays gathered until its backward (ZeRO-2; `SHARD_GRAD_OP`).
        AfterBackward = "after_backward",
        /// Nothing is ever sharded (`NO_SHARD` of FSDP1).
        Never = "never",
    }
}

choices! {
    /// Dtype in which gradients are reduced.
    ReduceDtype {
        /// fp32.
        Fp32 = "fp32",
        /// That of the gradients.
        Gradients = "gradients",
    }
}

choices! {
    /// When gradients are reduced where several micro-batches make a step.
    GradientSync {
        /// In the last micro-batch (`no_sync`, `set_requires_gradient_sync(False)` before).
        LastMicroBatch = "last",
        /// In every micro-batch.
        EveryMicroBatch = "every",
    }
}

/// How a run is spread over several GPUs, and which of them is looked at.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the framework, independent of the others"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parallel {
    /// All GPUs.
    pub gpus: Count,
    /// What data-parallel ranks hold.
    pub data: DataParallel,
    /// DDP's gradients are views of its buckets (`gradient_as_bucket_view`), not copies beside them.
    pub bucket_views: bool,
    /// What FSDP keeps gathered.
    pub reshard: Reshard,
    /// Dtype in which FSDP reduces gradients.
    pub reduce: ReduceDtype,
    /// Ranks among which FSDP shards, where that is fewer than all (hybrid sharding); none: all.
    pub shard_group: Option<Count>,
    /// When gradients are reduced.
    pub sync: GradientSync,
    /// Weights stay gathered from one micro-batch to the next (`set_reshard_after_backward(False)`).
    pub stays_gathered: bool,
    /// Shards, their gradients and the optimizer live in host memory (`CPUOffloadPolicy`).
    pub cpu_offload: bool,
    /// The last rank instead of the first, which holds most.
    pub is_last_rank: bool,
    /// DeepSpeed's settings.
    pub deepspeed: DeepSpeed,
    /// How the model and the sequence are split.
    pub mesh: Mesh,
}

impl Default for Parallel {
    fn default() -> Self {
        Self {
            gpus: Count::ONE,
            data: DataParallel::Fsdp2,
            bucket_views: false,
            reshard: Reshard::AfterForward,
            reduce: ReduceDtype::Fp32,
            shard_group: None,
            sync: GradientSync::LastMicroBatch,
            stays_gathered: false,
            cpu_offload: false,
            is_last_rank: false,
            deepspeed: DeepSpeed::default(),
            mesh: Mesh::default(),
        }
    }
}

impl Parallel {
    /// Whether more than one GPU takes part.
    pub fn is_on(&self) -> bool {
        self.gpus > Count::ONE
    }

    /// The data-parallel scheme, where more than one GPU takes part. A pipeline alone has none.
    pub fn scheme(&self) -> Option<DataParallel> {
        let is_pipeline_alone = self.data != DataParallel::Megatron
            && self.mesh.pipeline > Count::ONE
            && self.sharding_ways() == 1;
        (self.is_on() && !is_pipeline_alone).then_some(self.data)
    }

    /// Ranks among which FSDP shards: those of data parallelism and of context parallelism.
    pub fn sharding_ways(&self) -> u64 {
        self.data_ways().saturating_mul(self.mesh.context.get().max(1))
    }

    /// Whether shards live in host memory.
    pub fn is_offloaded(&self) -> bool {
        self.cpu_offload && self.scheme().is_some_and(DataParallel::shards_weights)
    }

    /// Ranks among which weights are sharded; 1 where they aren't.
    pub fn shards(&self) -> u64 {
        match self.scheme() {
            Some(data) if data.shards_weights() && self.reshard != Reshard::Never => {
                self.shard_group.map_or_else(|| self.sharding_ways(), Count::get)
            }
            _ => 1,
        }
    }
}

/// Into how many parts the ranks of a mesh split each thing, of which this rank holds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divided {
    /// Layers.
    pub layers: u64,
    /// Each layer's matrices.
    pub matrices: u64,
    /// Each sequence.
    pub sequence: u64,
    /// Each layer's experts.
    pub experts: u64,
    /// What layers and matrices leave of the weights, between their uses.
    pub weights: u64,
    /// The same of the gradients, once they are reduced.
    pub gradients: u64,
    /// The same of the optimizer states.
    pub states: u64,
}

impl Parallel {
    /// Into how many parts each thing is split.
    pub fn divided(&self) -> Divided {
        let (mesh, shards, data) = (&self.mesh, self.shards(), self.data_ways());
        let states = match self.scheme() {
            Some(
                DataParallel::DdpZero1 | DataParallel::Zero1 | DataParallel::Zero2 | DataParallel::Zero3,
            ) => data,
            Some(DataParallel::Megatron) => data.saturating_mul(mesh.context.get()),
            _ => shards,
        };
        let zero = self.scheme().and_then(DataParallel::zero_stage).unwrap_or_default();
        Divided {
            layers: mesh.pipeline.get(),
            matrices: mesh.tensor.get(),
            sequence: mesh.context.get(),
            experts: mesh.expert.get(),
            weights: if zero >= 3 { data } else { shards },
            gradients: if zero >= 2 { data } else { shards },
            states,
        }
    }
}

impl Scenario {
    /// A mesh that multiplies up, and schemes that frameworks have.
    pub(super) fn check_parallel(&self) -> Result<(), Error> {
        self.check_mesh()?;
        let parallel = &self.parallel;
        let numbers = [("gpus", Some(parallel.gpus)), ("shard_group", parallel.shard_group)];
        for (key, count) in numbers {
            if let Some(count) = count {
                in_range(key, count, limits::GPUS)?;
            }
        }
        if self.is_megatron() {
            return self.check_megatron();
        }
        if parallel.is_on() && parallel.mesh.tensor > Count::ONE {
            self.check_tensor_parallel()?;
        }
        if self.zero_stage().is_some() {
            self.check_deepspeed()?;
        }
        self.check_pipeline()?;
        self.check_context()?;
        let shards_weights = parallel.scheme().is_some_and(DataParallel::shards_weights);
        if self.recipe == Recipe::FsdpMixed && !shards_weights {
            return Err(unsupported(
                "recipe",
                self.recipe.key(),
                &["fp32", "bf16", "bf16-mixed", "fp16-mixed", "bf16-master"],
            ));
        }
        if let Some(group) = parallel.shard_group.filter(|_| shards_weights) {
            divides("gpus", parallel.sharding_ways(), "shard_group", group.get())?;
        }
        self.check_what_is_sharded(shards_weights)
    }

    /// Of sharded or dealt-out tensors only updates element by element are followed, and none inside backward.
    fn check_update(&self) -> Result<(), Error> {
        use super::Optimizer as O;
        let is_elementwise = matches!(
            self.optimizer,
            O::AdamWForeach
                | O::AdamWFused
                | O::AdamWForLoop
                | O::AdamAmsgrad
                | O::Sgd
                | O::SgdMomentum
                | O::SgdNesterov
                | O::NAdam
                | O::RAdam
                | O::Adamax
                | O::RmsProp
                | O::Adagrad
                | O::Adadelta
                | O::Lion
        );
        let settings = &self.optimizer_settings;
        let deals_out = self.parallel.scheme().is_some_and(|data| data != DataParallel::Ddp);
        if deals_out && !is_elementwise {
            return Err(unsupported(
                "optimizer",
                self.optimizer.key(),
                &["adamw_foreach", "adamw_fused", "sgd", "lion"],
            ));
        }
        if self.updates_in_backward() {
            return Err(unsupported("in_backward", "1", &["0"]));
        }
        if settings.ema != Ema::Off && deals_out {
            return Err(unsupported("ema", settings.ema.key(), &["off"]));
        }
        Ok(())
    }

    /// Adapters beside sharded weights, as far as PyTorch has been asked.
    fn check_sharded_adapters(&self) -> Result<(), Error> {
        if !self.lora.is_on() {
            return Ok(());
        }
        // PEFT converts a layer's input to the adapter's dtype, which FSDP1's mixed precision has changed by then: PyTorch fails.
        let is_cast_by_fsdp1 = self.parallel.data == DataParallel::Fsdp1 && self.recipe == Recipe::FsdpMixed;
        let (method, base) = (self.lora.method, self.quantised_base());
        all_followed(&[
            (
                matches!(method, AdapterMethod::Lora | AdapterMethod::RsLora),
                "peft",
                method.key(),
                &["off", "lora", "rslora"],
            ),
            (!is_cast_by_fsdp1, "recipe", self.recipe.key(), &["fp32", "bf16", "bf16-mixed", "fp16-mixed"]),
            (!self.parallel.stays_gathered, "stays_gathered", "1", &["0"]),
            (
                self.parallel.reshard != Reshard::Never,
                "reshard",
                self.parallel.reshard.key(),
                &["after_forward", "after_backward"],
            ),
            (
                base == QuantisedBase::None || base.is_bnb_4bit(),
                "quantised_base",
                base.key(),
                &["none", "nf4", "fp4"],
            ),
            // What is sharded together has one dtype.
            (!self.is_prepared(), "kbit", "1", &["0"]),
            (
                base == QuantisedBase::None || self.weight() == Dtype::Bf16,
                "base_dtype",
                self.lora.base.key(),
                &["bf16"],
            ),
            (base == QuantisedBase::None || !self.parallel.cpu_offload, "cpu_offload", "1", &["0"]),
            (self.lora.saves == ModulesToSave::None, "modules_to_save", self.lora.saves.key(), &["none"]),
            (
                self.lora.experts == ExpertTargets::None,
                "target_parameters",
                self.lora.experts.key(),
                &["none"],
            ),
        ])
    }

    fn check_what_is_sharded(&self, shards_weights: bool) -> Result<(), Error> {
        let parallel = &self.parallel;
        let is_on = parallel.is_on();
        let a = &self.model.architecture;
        if is_on && a.has_other_layers() && shards_weights {
            return Err(unsupported("dp", parallel.data.key(), &["ddp", "ddp_zero1"]));
        }
        if shards_weights && self.recipe == Recipe::Bf16Master {
            return Err(unsupported(
                "recipe",
                self.recipe.key(),
                &["fp32", "bf16", "bf16-mixed", "fp16-mixed", "fsdp-mp"],
            ));
        }
        if shards_weights {
            self.check_sharded_adapters()?;
        }
        if shards_weights && self.freezing.is_on() {
            return Err(unsupported("dp", parallel.data.key(), &["ddp"]));
        }
        if is_on {
            self.check_update()?;
        }
        if is_on
            && !self.objective.method.is_language_modelling()
            && (shards_weights || self.objective.method != Method::Dpo)
        {
            return Err(unsupported("objective", self.objective.word(), &["causal_lm"]));
        }
        if parallel.is_offloaded() && parallel.data != DataParallel::Fsdp2 {
            return Err(unsupported("cpu_offload", "1", &["0"]));
        }
        if parallel.scheme() == Some(DataParallel::Fsdp2) && parallel.reshard == Reshard::Never {
            return Err(unsupported("reshard", parallel.reshard.key(), &["after_forward", "after_backward"]));
        }
        Ok(())
    }
}
