//! What `step()` allocates with tensor parallelism.

use crate::ledger::{Category, Module, What};
use crate::model::Parameter;
use crate::optimizer::{Held, Updated, larger};
use crate::parallel::{Split, TensorParallel};
use crate::scenario::Optimizer;

/// Temporaries of the update, or, where that is more, gradients that aren't placed as their parameters are and are brought there first
/// (`torch/distributed/tensor/_dispatch.py`, `redistribute_local_args`): the rank's rows of a whole embedding's, and, where norms are
/// `DTensor`s too, sums over ranks of theirs. All parameters of a group are updated at once; without sequence parallelism the norms are
/// plain tensors, and a group of their own.
pub(super) fn step_temporaries(
    split: &TensorParallel,
    updated: &Updated<'_>,
    optimizer: Optimizer,
) -> Vec<Held> {
    if split.is_sharded() {
        return updated.step_temporaries(optimizer);
    }
    let is_tied = updated.architecture.tied;
    let is_plain = |parameter: &Parameter| !split.splits_sequence && !Split::divides(parameter);
    let is_misplaced = |parameter: &Parameter| {
        let is_embedding = parameter.name.module == Module::Embedding && !is_tied;
        is_embedding || split.splits_sequence && is_norm_of_tokens(parameter.name.module)
    };
    let some = |which: &dyn Fn(&Parameter) -> bool| -> Vec<Parameter> {
        updated.parameters.iter().filter(|parameter| which(parameter)).copied().collect()
    };
    let (group, misplaced) = (some(&|parameter| !is_plain(parameter)), some(&is_misplaced));
    let of_group = Updated { parameters: &group, ..*updated }.step_temporaries(optimizer);
    let placed = Updated { parameters: &misplaced, ..*updated };
    larger(of_group, vec![placed.copy(Category::Temporaries, What::StepCopy)])
}

/// Norms that the plan makes `SequenceParallel`.
const fn is_norm_of_tokens(module: Module) -> bool {
    matches!(module, Module::InputNorm | Module::PostAttentionNorm | Module::FinalNorm)
}
