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
use crate::scenario::{Attention, Checkpointing, ExpertLoad, LossKernel, Rotate, Scenario};
use crate::units::Count;

/// Rows of the vocabulary are padded to a multiple of this for each tensor-parallel rank (`--make-vocab-size-divisible-by`).
const VOCABULARY_MULTIPLE: u64 = 128;

/// The part of a run that one rank has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RankPart {
    pub(crate) architecture: Architecture,
    /// Tensor-parallel ways.
    pub(crate) tensor: u64,
    /// Norms and residuals are split along the sequence.
    pub(crate) is_sequence_parallel: bool,
    /// Context-parallel ways.
    pub(crate) context: u64,
    /// How context-parallel ranks exchange what attention reads.
    pub(crate) rotate: Rotate,
    /// Expert-parallel ways.
    pub(crate) expert: u64,
    /// Ways in which each expert is rank.
    pub(crate) expert_tensor: u64,
    /// Data-parallel ranks.
    pub(crate) data: u64,
    /// The pipeline stage, from 0, and how many there are.
    pub(crate) stage: u64,
    pub(crate) stages: u64,
    /// Chunks of layers of each stage: more than one where the schedule interleaves them.
    pub(crate) chunks: u64,
    /// Micro-batches of a step.
    pub(crate) micro_batches: u64,
    pub(crate) attention: Attention,
    pub(crate) checkpointing: Checkpointing,
    pub(crate) checkpoint_layers: u64,
    pub(crate) loss: LossKernel,
    /// Tokens of the fullest expert-parallel rank, in percent of the mean.
    imbalance: u64,
    rows: u64,
    sequence: u64,
    multiple: u64,
}

impl RankPart {
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
            rotate: mesh.rotate,
            expert: mesh.expert.get().max(1),
            expert_tensor: mesh.expert_tensor.map_or(tensor, Count::get).max(1),
            data: parallel.data_ways(),
            stage,
            stages: mesh.pipeline.get().max(1),
            chunks: mesh.chunks_of_rank(),
            micro_batches: scenario.gradient_accumulation.get(),
            attention: scenario.attention,
            checkpointing: scenario.checkpointing,
            checkpoint_layers: scenario.checkpoint_layers.get(),
            loss: scenario.kernels.loss,
            imbalance: scenario.expert_load.imbalance.get(),
            rows: scenario.micro_batch.get(),
            sequence: scenario.sequence_length.get(),
            multiple: scenario.vocabulary.multiple_of.map_or(VOCABULARY_MULTIPLE, Count::get),
        }
    }

    /// The layers of the stage, from 0: equally many for each, in chunks that are as far apart as there are stages.
    pub(crate) fn layers(&self) -> impl Iterator<Item = u64> {
        let (each, stages, stage) = (self.layers_of_chunk(), self.stages, self.stage);
        (0..self.chunks).flat_map(move |chunk| {
            let from = (chunk * stages + stage) * each;
            from..from + each
        })
    }

    /// Layers of a chunk.
    pub(crate) fn layers_of_chunk(&self) -> u64 {
        self.architecture.layers.get() / (self.stages * self.chunks).max(1)
    }

    pub(crate) const fn is_first(&self) -> bool {
        self.stage == 0
    }

    pub(crate) const fn is_last(&self) -> bool {
        self.stage + 1 == self.stages
    }

    /// Micro-batches of each chunk that have gone forward and not backward at the most, once the first forwards are done: those, and the
    /// one that runs (`get_pp_rank_microbatches`). A chunk has as many in a row as there are stages (`get_schedule_table`).
    pub(crate) fn in_flight(&self) -> Vec<u64> {
        let alive =
            self.first_forwards().saturating_add(1).min(self.micro_batches.saturating_mul(self.chunks));
        let round = self.stages.saturating_mul(self.chunks).max(1);
        let of_chunk = |chunk: u64| {
            let rest = (alive % round).saturating_sub(chunk * self.stages);
            (alive / round) * self.stages + rest.min(self.stages)
        };
        (0..self.chunks).map(of_chunk).collect()
    }

    /// Forwards of chunks before the first backward.
    fn first_forwards(&self) -> u64 {
        let behind = self.stages.saturating_sub(self.stage + 1);
        if self.chunks == 1 { behind } else { 2 * behind + (self.chunks - 1) * self.stages }
    }

    /// Whether one forward and one backward run in turn more than once, so that Python still names what the turn before has sent and
    /// received (`output_tensor_grad`, `input_tensor_grad`).
    pub(crate) fn has_turns(&self) -> bool {
        let all = self.micro_batches.saturating_mul(self.chunks);
        self.stages > 1 && all.saturating_sub(self.first_forwards()) > 1
    }

    /// Whether the stage takes what another one has made, and whether it hands on what it makes.
    pub(crate) const fn receives(&self) -> bool {
        !self.is_first() || self.chunks > 1
    }

    pub(crate) const fn sends(&self) -> bool {
        !self.is_last() || self.chunks > 1
    }

    /// Whether a layer of the model is run again in backward: `--recompute-method uniform` all, `block` the first of each chunk.
    pub(crate) fn recomputes(&self, index: u64) -> bool {
        match self.checkpointing {
            Checkpointing::LayersReentrant => true,
            Checkpointing::FirstK => index % self.layers_of_chunk().max(1) < self.checkpoint_layers,
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

    /// A width of which each tensor-parallel rank has a rank.
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

    /// Tokens that a rank sends to experts, each counted as often as it has experts: as many for every expert
    /// (`get_capacity` with a factor of 1: rounded up).
    pub(crate) fn routed(&self) -> u64 {
        let Some(experts) = self.architecture.experts else { return 0 };
        let tokens = self.rows.saturating_mul(self.short().value);
        let each = tokens.saturating_mul(experts.per_token.get()).div_ceil(experts.count.get().max(1));
        each.saturating_mul(experts.count.get())
    }

    /// Tokens that a rank's experts work on: as many as it sends, where all ranks get as many; the fullest one's where they don't.
    ///
    /// Derived, not measured, for more than the mean: without a capacity nothing is dropped or padded (`MoEAlltoAllTokenDispatcher`,
    /// `num_out_tokens`, `output_splits`).
    pub(crate) fn received(&self) -> u64 {
        self.routed().saturating_mul(self.imbalance).div_ceil(ExpertLoad::BALANCED.into())
    }

    /// Experts of a layer that the rank has.
    pub(crate) fn local_experts(&self) -> u64 {
        self.architecture.experts.map_or(0, |experts| experts.count.get() / self.expert)
    }
}
