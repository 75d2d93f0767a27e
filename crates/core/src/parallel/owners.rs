//! Whose optimizer states a rank keeps where whole parameters are dealt out (`ZeroRedundancyOptimizer._partition_parameters`): the
//! largest first, each to the rank that has least so far. PARALLEL section 2.

use crate::model::{Architecture, Parameter, Place};

/// The parameters of which one rank keeps the states, each once.
pub(crate) fn owned(
    parameters: &[Parameter],
    architecture: &Architecture,
    ranks: u64,
    rank: u64,
) -> Vec<Parameter> {
    let mut all: Vec<Parameter> = Vec::new();
    for parameter in parameters {
        let copies = usize::try_from(parameter.copies(architecture)).unwrap_or(usize::MAX);
        all.extend(std::iter::repeat_n(Parameter { place: Place::Head, ..*parameter }, copies));
    }
    all.sort_by_key(|parameter| core::cmp::Reverse(parameter.elements()));
    let mut loads = vec![0_u64; usize::try_from(ranks.max(1)).unwrap_or(1).min(all.len().max(1))];
    let mut of_rank = Vec::new();
    for parameter in all {
        // The first of the least loaded.
        let Some((least, load)) = loads.iter_mut().enumerate().min_by_key(|(_, load)| **load) else {
            continue;
        };
        *load = load.saturating_add(parameter.elements());
        if least as u64 == rank {
            of_rank.push(parameter);
        }
    }
    of_rank
}
