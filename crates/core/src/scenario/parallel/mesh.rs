//! The device mesh: into how many ways the model itself is split, and which rank is looked at.

use super::super::choices::choices;
use super::super::{Scenario, divides, in_range, limits, unsupported};
use super::Parallel;
use crate::error::Error;
use crate::units::Count;

choices! {
    /// In which order a pipeline's stages run the micro-batches of a step.
    Schedule {
        /// All forwards, then all backwards (`ScheduleGPipe`).
        GPipe = "gpipe",
        /// Each stage runs one forward and one backward in turn once it is warm (`Schedule1F1B`).
        OneForwardOneBackward = "1f1b",
        /// The same with several chunks of layers a rank (`ScheduleInterleaved1F1B`).
        Interleaved = "interleaved",
    }
}

choices! {
    /// How context-parallel ranks exchange keys and values.
    Rotate {
        /// Gathered at once.
        AllGather = "allgather",
        /// Passed around the ring.
        AllToAll = "alltoall",
        /// Exchanged for heads: each rank has all tokens of some of them (Ulysses; Megatron's `--cp-comm-type a2a`).
        Ulysses = "ulysses",
    }
}

/// Ways of splitting the model and the sequence; their product with the data-parallel ways is the number of GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mesh {
    /// Tensor-parallel ways.
    pub tensor: Count,
    /// Norms and residuals are split along the sequence among the tensor-parallel ranks (sequence parallelism).
    pub sequence_parallel: bool,
    /// The loss is computed from each rank's part of the vocabulary (loss parallelism).
    pub loss_parallel: bool,
    /// Pipeline stages. The micro-batches of a step are those of gradient accumulation.
    pub pipeline: Count,
    /// The pipeline's schedule.
    pub schedule: Schedule,
    /// Chunks of layers that each pipeline rank holds (virtual stages) where the schedule interleaves them.
    pub chunks: Count,
    /// The pipeline rank that is looked at, from 1; none: the one that needs most.
    pub stage: Option<Count>,
    /// Context-parallel ways, among which each sequence is split.
    pub context: Count,
    /// How they exchange keys and values.
    pub rotate: Rotate,
    /// Keys and values are repeated for each query head before they are exchanged (`repeat_kv`, as torchtitan's Llama has it).
    pub repeats_keys: bool,
    /// Expert-parallel ways, among which each layer's experts are dealt out. They are some of the data-parallel ranks.
    pub expert: Count,
    /// Ways in which each expert is split; none: as many as tensor-parallel ones (Megatron's `--expert-tensor-parallel-size`).
    pub expert_tensor: Option<Count>,
}

impl Default for Mesh {
    fn default() -> Self {
        Self {
            tensor: Count::ONE,
            sequence_parallel: false,
            loss_parallel: false,
            pipeline: Count::ONE,
            schedule: Schedule::OneForwardOneBackward,
            chunks: Count::new(2),
            stage: None,
            context: Count::ONE,
            rotate: Rotate::AllGather,
            repeats_keys: false,
            expert: Count::ONE,
            expert_tensor: None,
        }
    }
}

impl Mesh {
    /// Chunks of layers that each pipeline rank holds: one where the schedule doesn't interleave them.
    pub fn chunks_of_rank(&self) -> u64 {
        let interleaves = self.pipeline > Count::ONE && self.schedule == Schedule::Interleaved;
        if interleaves { self.chunks.get().max(1) } else { 1 }
    }

    /// The pipeline rank that is looked at, from 0; none: the one that needs most.
    pub(crate) fn looked_at(&self) -> Option<u64> {
        Some(self.stage?.min(self.pipeline).get().saturating_sub(1))
    }

    /// Ranks among which one copy of the model and one sequence are split, before data parallelism.
    pub fn model_ways(&self) -> u64 {
        [self.tensor, self.pipeline, self.context].map(Count::get).into_iter().fold(1, u64::saturating_mul)
    }
}

impl Parallel {
    /// Data-parallel ranks: the GPUs that the other dimensions of the mesh leave.
    pub fn data_ways(&self) -> u64 {
        (self.gpus.get() / self.mesh.model_ways().max(1)).max(1)
    }
}

impl Scenario {
    /// A mesh whose product is the number of GPUs.
    pub(super) fn check_mesh(&self) -> Result<(), Error> {
        let (gpus, mesh) = (self.parallel.gpus.get(), &self.parallel.mesh);
        in_range("stage_chunks", mesh.chunks, limits::STAGE_CHUNKS)?;
        if let Some(stage) = mesh.stage.filter(|_| self.parallel.is_on() && mesh.pipeline > Count::ONE) {
            in_range("stage", stage, (1, mesh.pipeline.number()))?;
        }
        let ways = [("tp", mesh.tensor), ("pp", mesh.pipeline), ("cp", mesh.context), ("ep", mesh.expert)];
        for (key, count) in ways {
            in_range(key, count, limits::GPUS)?;
            if self.parallel.is_on()
                && !self.is_megatron()
                && !matches!(key, "tp" | "pp" | "cp")
                && count > Count::ONE
            {
                return Err(unsupported(key, &count.to_string(), &["1"]));
            }
        }
        let ways = mesh.model_ways();
        if self.parallel.is_on() { divides("gpus", gpus, "mesh", ways) } else { Ok(()) }
    }
}
