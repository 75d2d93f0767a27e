//! The ranks of a pipeline: which of its stages are of a kind, and which needs most.

use std::cmp::Reverse;

use super::Looked;
use super::layers::Layers;
use crate::account::Account;
use crate::ledger::Instant;
use crate::tape::Storage;
use crate::timeline::LayerTotals;
use crate::totals::Totals;
use crate::units::Bytes;

/// What one kind of rank holds and needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rank {
    /// The first stage of the kind, from 1.
    pub stage: u64,
    /// How many stages are of the kind.
    pub stages: u64,
    /// Layers that it holds.
    pub layers: u64,
    /// Whether it holds the embedding.
    pub has_embedding: bool,
    /// Whether it holds final norm, head and loss.
    pub has_head: bool,
    /// The most that is requested at once.
    pub peak: Bytes,
}

/// What is alive at every instant on a rank, and while each of its layers runs.
pub(super) type Walked = (Account, Vec<LayerTotals>);

/// The first stage of each kind, from 0, and how many are of it; stages of the same key need the same or, as fewer micro-batches are in
/// flight on later ones, less.
pub(super) fn kinds<K: PartialEq>(stages: u64, key: impl Fn(u64) -> K) -> Vec<(u64, u64)> {
    let mut kinds: Vec<(K, u64, u64)> = Vec::with_capacity(4);
    for stage in 0..stages {
        let of = key(stage);
        match kinds.iter_mut().find(|(known, ..)| *known == of) {
            Some((_, _, count)) => *count += 1,
            None => kinds.push((of, stage, 1)),
        }
    }
    kinds.into_iter().map(|(_, stage, count)| (stage, count)).collect()
}

/// The stage that is asked for, or the first of those with the largest peak: which one that is does not depend on the layer that is looked at.
pub(super) fn asked_or_fullest(
    asked: Option<u64>,
    kinds: Vec<(u64, u64)>,
    looked: Looked,
    walk: impl Fn(u64, Looked) -> Walked,
) -> Walked {
    if let Some(stage) = asked {
        return walk(stage, looked);
    }
    let of_kinds = kinds.into_iter().map(|(stage, _)| {
        let rank = walk(stage, Looked::Largest);
        (peak(&rank.0), stage, rank)
    });
    let fullest = of_kinds.reduce(|most, other| if other.0 > most.0 { other } else { most });
    match (fullest, looked) {
        (Some((_, _, rank)), Looked::Largest) => rank,
        (Some((_, stage, _)), Looked::At(_)) => walk(stage, looked),
        (None, _) => walk(0, looked),
    }
}

/// The most loaded first.
pub(super) fn by_load(mut ranks: Vec<Rank>) -> Vec<Rank> {
    ranks.sort_by_key(|rank| Reverse(rank.peak));
    ranks
}

/// What is alive while each layer runs where a gradient stands beside it that came from the next stage: of the last layer it is its own.
/// `backward` is what there is at the end of backward, where the gradient stands beside the layer that is largest there.
pub(super) fn totals_beside(
    layers: &Layers<'_>,
    forward: Totals,
    backward: Totals,
    came: &Storage,
) -> Vec<LayerTotals> {
    let is_counted = !layers.ends_with(layers.largest_visited_last());
    let without = if is_counted { backward.without(came.category, came.bytes()) } else { backward };
    let mut totals = layers.totals(forward, without, None);
    for layer in totals.iter_mut().rev().skip(1) {
        layer.backward.add(came.category, came.bytes());
    }
    totals
}

/// The most that is alive at once.
pub(super) fn peak(account: &Account) -> Bytes {
    Instant::ALL.into_iter().map(|instant| account.totals(instant).sum()).max().unwrap_or_default()
}
