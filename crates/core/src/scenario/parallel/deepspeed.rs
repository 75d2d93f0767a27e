//! DeepSpeed's settings of ZeRO (`ds_config["zero_optimization"]`), and what of it is followed.

use super::super::{
    Checkpointing, DataParallel, Ema, Method, Recipe, Scenario, all_followed, in_range, limits, unsupported,
};
use crate::error::Error;
use crate::units::Count;

/// What `ds_config` sets. The defaults are DeepSpeed's (`deepspeed/runtime/zero/config.py`, version 0.19).
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of DeepSpeed, independent of the others")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeepSpeed {
    /// Elements of the bucket in which gradients are reduced (`reduce_bucket_size`).
    pub reduce_bucket: Count,
    /// A second bucket, so that gradients are reduced while backward fills the other one (`overlap_comm`). ZeRO-3 has one bucket either way.
    pub overlap: bool,
    /// Gathered parameters beyond which nothing is prefetched (`stage3_max_live_parameters`).
    pub max_live: Count,
    /// A parameter stays gathered where it is used again within so many elements (`stage3_max_reuse_distance`).
    pub max_reuse: Count,
    /// Elements that are gathered ahead of their use (`stage3_prefetch_bucket_size`).
    pub prefetch: Count,
    /// Parameters of at most so many elements stay whole (`stage3_param_persistence_threshold`).
    pub persistence: Count,
    /// Elements of a rank's part that are updated at a time (`sub_group_size`).
    pub sub_group: Count,
    /// Master weights, optimizer states and the update are the CPU's (`offload_optimizer`).
    pub offload_optimizer: bool,
    /// Shards of the weights are in host memory (`offload_param`).
    pub offload_weights: bool,
    /// What is offloaded is page-locked (`pin_memory`).
    pub pinned: bool,
}

impl Default for DeepSpeed {
    fn default() -> Self {
        Self {
            reduce_bucket: Count::new(500_000_000),
            overlap: false,
            max_live: Count::new(1_000_000_000),
            max_reuse: Count::new(1_000_000_000),
            prefetch: Count::new(50_000_000),
            persistence: Count::new(100_000),
            sub_group: Count::new(1_000_000_000),
            offload_optimizer: false,
            offload_weights: false,
            pinned: true,
        }
    }
}

impl DataParallel {
    /// The stage of DeepSpeed's ZeRO; none for other frameworks.
    pub const fn zero_stage(self) -> Option<u8> {
        match self {
            Self::Zero1 => Some(1),
            Self::Zero2 => Some(2),
            Self::Zero3 => Some(3),
            _ => None,
        }
    }
}

impl Scenario {
    /// The stage of DeepSpeed's ZeRO, where it trains on several GPUs.
    pub fn zero_stage(&self) -> Option<u8> {
        self.parallel.scheme().and_then(DataParallel::zero_stage)
    }

    /// DeepSpeed's engine in bf16 over a plain model.
    pub(super) fn check_deepspeed(&self) -> Result<(), Error> {
        let settings = &self.optimizer_settings;
        let a = &self.model.architecture;
        let is_checkpointed_otherwise = !matches!(
            self.checkpointing,
            Checkpointing::Off | Checkpointing::Layers | Checkpointing::LayersReentrant
        );
        let checks = [
            (self.recipe == Recipe::Bf16Master, "recipe", self.recipe.key(), &["bf16-master"][..]),
            (!self.lora.is_on(), "peft", self.lora.method.key(), &["off"]),
            (!self.freezing.is_on(), "freeze", "1", &["0"]),
            (!settings.in_backward, "in_backward", "1", &["0"]),
            (settings.ema == Ema::Off, "ema", settings.ema.key(), &["off"]),
            (!a.has_other_layers(), "dp", self.parallel.data.key(), &["ddp", "ddp_zero1"]),
            (
                !is_checkpointed_otherwise,
                "checkpointing",
                self.checkpointing.key(),
                &["off", "layers", "layers_reentrant"],
            ),
            (self.objective.method == Method::CausalLm, "objective", self.objective.word(), &["causal_lm"]),
        ];
        // ZeRO-3 can't be combined with a pipeline in DeepSpeed either (`PipelineEngine`: "ZeRO-2 and ZeRO-3 are incompatible with pipeline
        // parallelism").
        let mesh = &self.parallel.mesh;
        let ways = [("pp", mesh.pipeline), ("tp", mesh.tensor), ("cp", mesh.context), ("ep", mesh.expert)];
        for (key, count) in ways {
            if count > Count::ONE {
                return Err(unsupported(key, &count.to_string(), &["1"]));
            }
        }
        all_followed(&checks)?;
        self.check_deepspeed_numbers()
    }

    fn check_deepspeed_numbers(&self) -> Result<(), Error> {
        let zero = &self.parallel.deepspeed;
        if zero.offload_weights && self.zero_stage() != Some(3) {
            return Err(unsupported("offload_param", "1", &["0"]));
        }
        let numbers = [
            ("reduce_bucket", zero.reduce_bucket, limits::ELEMENTS),
            ("max_live", zero.max_live, limits::ELEMENTS_OR_NONE),
            ("max_reuse", zero.max_reuse, limits::ELEMENTS_OR_NONE),
            ("prefetch_bucket", zero.prefetch, limits::ELEMENTS_OR_NONE),
            ("persistence", zero.persistence, limits::ELEMENTS_OR_NONE),
            ("sub_group", zero.sub_group, limits::ELEMENTS),
        ];
        numbers.into_iter().try_for_each(|(key, count, range)| in_range(key, count, range))
    }
}
