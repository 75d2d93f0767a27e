//! What one rank of a Megatron-LM run holds: which layers, which part of each tensor, how many micro-batches at once.
//!
//! Derived, checked against measured/megatron.jsonl. Sources: Megatron-LM core 0.14 (`megatron/core/parallel_state.py`,
//! `tensor_parallel/layers.py`, `pipeline_parallel/schedules.py`, `optimizer/distrib_optimizer.py`).

mod parameters;
mod states;

pub(crate) use parameters::{Local, local};
pub(crate) use states::{buffers, states};

use crate::ledger::{Dim, Symbol};
use crate::model::Architecture;
use crate::scenario::{Attention, Checkpointing, LossKernel, Scenario};
use crate::units::Count;

/// Rows of the vocabulary are padded to a multiple of this for each tensor-parallel rank (`--make-vocab-size-divisible-by`).
const VOCABULARY_MULTIPLE: u64 = 128;

/// The part of a run that one rank has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split {
    pub(crate) architecture: Architecture,
    /// Tensor-parallel ways.
    pub(crate) tensor: u64,
    /// Norms and residuals are split along the sequence.
    pub(crate) is_sequence_parallel: bool,
    /// Context-parallel ways.
    pub(crate) context: u64,
    /// Expert-parallel ways.
    pub(crate) expert: u64,
    /// Ways in which each expert is split.
    pub(crate) expert_tensor: u64,
    /// Data-parallel ranks.
    pub(crate) data: u64,
    /// The pipeline stage, from 0, and how many there are.
    pub(crate) stage: u64,
    pub(crate) stages: u64,
    /// Micro-batches of a step.
    pub(crate) micro_batches: u64,
    pub(crate) attention: Attention,
    pub(crate) checkpointing: Checkpointing,
    pub(crate) checkpoint_layers: u64,
    pub(crate) loss: LossKernel,
    rows: u64,
    sequence: u64,
    multiple: u64,
}

impl Split {
    /// The part that a rank of stage `stage`, from 0, has.
    pub(crate) fn of(scenario: &Scenario, stage: u64) -> Self {
        let (parallel, mesh) = (&scenario.parallel, &scenario.parallel.mesh);
        let tensor = mesh.tensor.get().max(1);
        Self {
            architecture: scenario.model.architecture,
            tensor,
            // `validate_args` switches it off without tensor parallelism.
            is_sequence_parallel: mesh.sequence_parallel && tensor > 1,
            context: mesh.context.get().max(1),
            expert: mesh.expert.get().max(1),
            expert_tensor: mesh.expert_tensor.map_or(tensor, Count::get).max(1),
            data: parallel.data_ways(),
            stage,
            stages: mesh.pipeline.get().max(1),
            micro_batches: scenario.gradient_accumulation.get(),
            attention: scenario.attention,
            checkpointing: scenario.checkpointing,
            checkpoint_layers: scenario.checkpoint_layers.get(),
            loss: scenario.kernels.loss,
            rows: scenario.micro_batch.get(),
            sequence: scenario.sequence_length.get(),
            multiple: scenario.vocabulary.multiple_of.map_or(VOCABULARY_MULTIPLE, Count::get),
        }
    }

    /// The layers of the stage, from 0: equally many for each.
    pub(crate) fn layers(&self) -> core::ops::Range<u64> {
        let each = self.architecture.layers.get() / self.stages;
        self.stage * each..(self.stage + 1) * each
    }

    pub(crate) const fn is_first(&self) -> bool {
        self.stage == 0
    }

    pub(crate) const fn is_last(&self) -> bool {
        self.stage + 1 == self.stages
    }

    /// Micro-batches that have gone forward and not backward at the most (`forward_backward_pipelining_without_interleaving`:
    /// `num_warmup_microbatches` and the one that runs).
    pub(crate) fn in_flight(&self) -> u64 {
        (self.stages - self.stage).min(self.micro_batches)
    }

    /// Whether one forward and one backward run in turn more than once, so that Python still names what the turn before has sent and
    /// received (`output_tensor_grad`, `input_tensor_grad`).
    pub(crate) fn has_turns(&self) -> bool {
        self.stages > 1 && self.micro_batches.saturating_sub(self.stages - self.stage - 1) > 1
    }

    /// Whether a layer of the model is run again in backward: `--recompute-method uniform` all, `block` the first of each stage.
    pub(crate) fn recomputes(&self, index: u64) -> bool {
        match self.checkpointing {
            Checkpointing::LayersReentrant => true,
            Checkpointing::FirstK => index - self.layers().start.min(index) < self.checkpoint_layers,
            _ => false,
        }
    }

    /// Ranks among which a parameter's optimizer states are sharded, and those of an expert's.
    pub(crate) fn optimizer_ways(&self) -> u64 {
        self.data.saturating_mul(self.context).max(1)
    }

    pub(crate) fn expert_optimizer_ways(&self) -> u64 {
        let ranks = self.optimizer_ways().saturating_mul(self.tensor);
        (ranks / self.expert.saturating_mul(self.expert_tensor).max(1)).max(1)
    }

    /// Rows of the vocabulary that a rank has, with its padding.
    pub(crate) fn vocabulary(&self) -> Dim {
        let multiple = self.multiple.saturating_mul(self.tensor).max(1);
        Dim::new(
            Symbol::Vocabulary,
            self.architecture.vocabulary.get().next_multiple_of(multiple) / self.tensor,
        )
    }

    pub(crate) const fn batch(&self) -> Dim {
        Dim::new(Symbol::Batch, self.rows)
    }

    /// Tokens of a sequence on the rank, between the layers of tensor parallelism.
    pub(crate) const fn sequence(&self) -> Dim {
        Dim::new(Symbol::Sequence, self.sequence / self.context)
    }

    /// The same outside of them, where sequence parallelism splits it.
    pub(crate) const fn short(&self) -> Dim {
        let ways = if self.is_sequence_parallel { self.tensor } else { 1 };
        Dim::new(Symbol::Sequence, self.sequence / self.context / ways)
    }

    pub(crate) const fn hidden(&self) -> Dim {
        Dim::new(Symbol::Hidden, self.architecture.hidden.get())
    }

    /// A width of which each tensor-parallel rank has a part.
    pub(crate) const fn part(&self, symbol: Symbol, width: u64) -> Dim {
        Dim::new(symbol, width / self.tensor)
    }

    pub(crate) const fn heads(&self) -> Dim {
        self.part(Symbol::Heads, self.architecture.heads.get())
    }

    pub(crate) const fn kv_heads(&self) -> Dim {
        self.part(Symbol::KvHeads, self.architecture.kv_heads.get())
    }

    pub(crate) const fn head_dim(&self) -> Dim {
        Dim::new(Symbol::HeadDim, self.architecture.head_dim.get())
    }

    /// Dimensions of a query head that are rotated.
    pub(crate) fn rotary_dim(&self) -> Dim {
        Dim::number(self.architecture.rotary_dim().get())
    }

    /// Tokens that a rank's experts work on, each counted as often as it has experts: as many for every expert
    /// (`get_capacity` with a factor of 1: rounded up), for the whole group of ranks as many as they send.
    pub(crate) fn routed(&self) -> u64 {
        let Some(experts) = self.architecture.experts else { return 0 };
        let tokens = self.rows.saturating_mul(self.short().value);
        let each = tokens.saturating_mul(experts.per_token.get()).div_ceil(experts.count.get().max(1));
        each.saturating_mul(experts.count.get())
    }

    /// Experts of a layer that the rank has.
    pub(crate) fn local_experts(&self) -> u64 {
        self.architecture.experts.map_or(0, |experts| experts.count.get() / self.expert)
    }
}

/// The stages of which one needs most: the first, which has most micro-batches in flight, those beside the end of the dense layers, and
/// the last, which has the head.
pub(crate) fn candidates(scenario: &Scenario) -> Vec<u64> {
    let mesh = &scenario.parallel.mesh;
    let stages = mesh.pipeline.get().max(1);
    if let Some(stage) = mesh.stage {
        return vec![stage.get().saturating_sub(1).min(stages - 1)];
    }
    let a = &scenario.model.architecture;
    let each = (a.layers.get() / stages).max(1);
    let dense = a.experts.map_or(0, |experts| experts.dense_layers.get());
    let mut candidates = vec![0, stages - 1, dense / each, dense.div_ceil(each), 1];
    candidates.retain(|&stage| stage < stages);
    candidates.sort_unstable();
    candidates.dedup();
    candidates
}
