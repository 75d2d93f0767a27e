//! Whose optimizer states a rank keeps where whole parameters are dealt out (`ZeroRedundancyOptimizer._partition_parameters`): the
//! largest first, each to the rank that has least so far. PARALLEL section 2.

use core::cmp::Reverse;
use std::collections::BinaryHeap;

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
    all.sort_by_key(|parameter| Reverse(parameter.elements()));
    let ranks = ranks.max(1).min(all.len() as u64);
    let mut loads: BinaryHeap<Reverse<(u64, u64)>> = (0..ranks).map(|rank| Reverse((0, rank))).collect();
    let mut of_rank = Vec::new();
    for parameter in all {
        // The first of the least loaded.
        let Some(mut least) = loads.peek_mut() else { break };
        let Reverse((load, owner)) = &mut *least;
        *load = load.saturating_add(parameter.elements());
        if *owner == rank {
            of_rank.push(parameter);
        }
    }
    of_rank
}
