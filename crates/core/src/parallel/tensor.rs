//! Tensor parallelism as PyTorch's `DTensor` does it (`torch/distributed/tensor/parallel/style.py`) with torchtitan's plan for Llama
//! (`torchtitan/models/llama3/infra/parallelize.py`): which part of each weight a rank has. PARALLEL section 6.
//!
//! `ColwiseParallel` (q, k, v, gate, up, head) shards the rows of a weight, `RowwiseParallel` (o, down) its columns, and of the embedding the
//! rows of the vocabulary. What is left is a narrower model: fewer heads and a narrower MLP of the same hidden width, so that shapes of
//! parameters and what the rules ask of a pass follow from one place. `DTensor` cuts as `torch.chunk` does: the last ranks' parts may be
//! smaller.

use crate::ledger::{Dim, Dims, Module, Symbol, What};
use crate::model::{Architecture, Parameter};
use crate::scenario::Scenario;
use crate::units::Count;

/// How the model is split among tensor-parallel ranks.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of the run, independent of the others")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TensorParallel {
    ways: u64,
    /// Norms and residuals are split along the sequence (`SequenceParallel`).
    pub(crate) splits_sequence: bool,
    /// Each rank keeps its part of the logits (`loss_parallel`).
    pub(crate) splits_loss: bool,
    is_last_rank: bool,
    /// FSDP shards each rank's part further.
    is_sharded: bool,
    /// Rows of the whole vocabulary.
    vocabulary: Count,
}

/// Which dimension of a weight tensor parallelism splits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// Output features (`ColwiseParallel`): the layer needs the whole input.
    Columns,
    /// Input features (`RowwiseParallel`): the layer's outputs are summed over ranks.
    Rows,
    /// Every rank has all of it.
    Whole,
}

impl Split {
    /// How the weight of a module is split.
    pub(crate) const fn of(module: Module) -> Self {
        match module {
            Module::QProj
            | Module::KProj
            | Module::VProj
            | Module::GateProj
            | Module::UpProj
            | Module::LmHead => Self::Columns,
            Module::OProj | Module::DownProj | Module::Embedding => Self::Rows,
            _ => Self::Whole,
        }
    }

    /// Whether each rank has a part of a parameter: of a layer whose input is split the bias is whole.
    pub(crate) fn divides(parameter: &Parameter) -> bool {
        match Self::of(parameter.name.module) {
            Self::Columns => true,
            Self::Rows => parameter.name.what != What::Bias,
            Self::Whole => false,
        }
    }
}

impl TensorParallel {
    /// None where `DTensor` splits nothing.
    pub(crate) fn of(scenario: &Scenario) -> Option<Self> {
        let (parallel, mesh) = (&scenario.parallel, &scenario.parallel.mesh);
        let is_on = parallel.is_on() && !scenario.is_megatron() && mesh.tensor > Count::ONE;
        is_on.then(|| Self {
            ways: mesh.tensor.get(),
            splits_sequence: mesh.sequence_parallel,
            splits_loss: mesh.loss_parallel,
            is_last_rank: parallel.is_last_rank,
            is_sharded: parallel.data_ways() > 1,
            vocabulary: scenario.architecture().vocabulary,
        })
    }

    /// What one rank has of a model.
    pub(crate) fn local(&self, whole: &Architecture) -> Architecture {
        let part = |width: Count| count(width.get().div_ceil(self.ways));
        Architecture {
            heads: part(whole.heads),
            kv_heads: part(whole.kv_heads),
            ffn: part(whole.ffn),
            vocabulary: self.chunk(whole.vocabulary),
            ..*whole
        }
    }

    /// A rank's part of rows that needn't divide evenly.
    fn chunk(&self, rows: Count) -> Count {
        let first = rows.get().div_ceil(self.ways);
        let before = if self.is_last_rank { first.saturating_mul(self.ways - 1) } else { 0 };
        count(rows.get().saturating_sub(before).min(first))
    }

    /// Tokens of a sequence in norms and residuals.
    pub(crate) const fn stream(&self, sequence: u64) -> u64 {
        if self.splits_sequence { sequence.div_ceil(self.ways) } else { sequence }
    }

    /// Whether FSDP shards each rank's part further.
    pub(crate) const fn is_sharded(&self) -> bool {
        self.is_sharded
    }

    /// Rows of the whole vocabulary.
    pub(crate) const fn vocabulary(&self) -> Count {
        self.vocabulary
    }

    /// The gradient of a parameter as `.grad` has it: the embedding's is whole (`embedding_dense_backward` on replicated indices) until
    /// the optimizer takes the rank's part of it, but for a tied one, which the head's has been added to.
    pub(crate) fn gradient(&self, parameter: &Parameter, is_tied: bool) -> Parameter {
        if parameter.name.module != Module::Embedding || is_tied {
            return *parameter;
        }
        let Some((_, width)) = parameter.matrix else { return *parameter };
        let rows = self.vocabulary.get();
        let dims = Dims::new(&[Dim::new(Symbol::Vocabulary, rows), Dim::new(Symbol::Hidden, width)]);
        Parameter { dims, matrix: Some((rows, width)), ..*parameter }
    }

    /// Elements by which gradients are more than their weights.
    pub(crate) fn beside_gradients(&self, parameters: &[Parameter]) -> u64 {
        let beside = |parameter: &Parameter| {
            self.gradient(parameter, false).elements().saturating_sub(parameter.elements())
        };
        parameters.iter().map(beside).fold(0, u64::saturating_add)
    }
}

fn count(n: u64) -> Count {
    Count::new(u32::try_from(n).unwrap_or(u32::MAX))
}

/// What one rank's tensors and kernels are of: the whole model, or its part.
pub(crate) fn local_architecture(scenario: &Scenario) -> Architecture {
    let whole = scenario.architecture();
    TensorParallel::of(scenario).map_or(whole, |split| split.local(&whole))
}
