//! Why a peak is where it is: what binds, what comes next, and which single change would move it.

use crate::estimate::{Estimate, estimate};
use crate::ledger::{Entry, Instant};
use crate::scenario::{Checkpointing, Optimizer, Scenario};
use crate::units::{Bytes, Count};

/// How many entries are named.
const LEADING: usize = 3;

/// The reasons for a peak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The largest entries at the peak, the largest first.
    pub leading: Vec<Entry>,
    /// The moment that needs most after the peak's.
    pub runner_up: Instant,
    /// How much less it needs.
    pub below: Bytes,
    /// The first of the changes that were tried that makes another moment bind.
    pub moved_by: Option<Moved>,
}

/// A change that makes another moment bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// What is changed.
    pub change: Change,
    /// The moment of the new peak.
    pub to: Instant,
    /// The new peak, requested bytes.
    pub peak: Bytes,
}

/// One setting, changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another optimizer.
    Optimizer(Optimizer),
    /// Activation checkpointing, on or off.
    Checkpointing(Checkpointing),
    /// Another micro-batch.
    MicroBatch(Count),
}

impl Change {
    /// The changes that readers try first, in that order; at most five.
    fn candidates(scenario: &Scenario) -> Vec<Self> {
        let mut changes = Vec::with_capacity(5);
        if scenario.optimizer == Optimizer::AdamWForeach {
            changes.push(Self::Optimizer(Optimizer::AdamWFused));
        }
        changes.push(Self::Checkpointing(match scenario.checkpointing {
            Checkpointing::Off => Checkpointing::Layers,
            _ => Checkpointing::Off,
        }));
        let batch = scenario.micro_batch.get();
        let others = [batch / 2, batch.saturating_mul(2), batch.saturating_mul(8)];
        changes.extend(
            others.into_iter().filter_map(|n| u32::try_from(n).ok()).map(Count::new).map(Self::MicroBatch),
        );
        changes
    }

    fn applied(self, scenario: &Scenario) -> Scenario {
        let mut changed = scenario.clone();
        match self {
            Self::Optimizer(optimizer) => changed.optimizer = optimizer,
            Self::Checkpointing(checkpointing) => changed.checkpointing = checkpointing,
            Self::MicroBatch(count) => changed.micro_batch = count,
        }
        changed
    }
}

/// The reasons for the peak of a scenario's estimate. Costs at most five estimates more.
pub fn why(scenario: &Scenario, answer: &Estimate) -> Why {
    let mut leading: Vec<Entry> = Vec::with_capacity(LEADING + 1);
    for entry in answer.alive(answer.peak) {
        let place = leading.iter().position(|other| other.bytes() < entry.bytes()).unwrap_or(leading.len());
        leading.insert(place, *entry);
        leading.truncate(LEADING);
    }
    let others = answer.instants.iter().filter(|total| total.instant != answer.peak);
    let (runner_up, next) = others
        .map(|total| (total.instant, total.requested))
        .max_by_key(|&(_, requested)| requested)
        .unwrap_or((answer.peak, Bytes::ZERO));
    // A change that does not fit the scenario's ranges is none.
    let moved_by = Change::candidates(scenario).into_iter().find_map(|change| {
        let changed = estimate(&change.applied(scenario)).ok()?;
        let peak = changed.at_peak().requested;
        (changed.peak != answer.peak).then_some(Moved { change, to: changed.peak, peak })
    });
    Why { leading, runner_up, below: answer.at_peak().requested.saturating_sub(next), moved_by }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

    use super::*;
    use crate::scenario::Recipe;

    #[test]
    fn foreach_adamw_binds_in_its_step_and_fused_adamw_moves_the_peak_to_backward() {
        let scenario = Scenario::default();
        let why = why(&scenario, &estimate(&scenario).unwrap());
        assert_eq!(why.leading.len(), 3);
        assert!(why.leading.is_sorted_by_key(|entry| core::cmp::Reverse(entry.bytes())));
        assert_eq!(why.runner_up, Instant::BackwardEmbedding);
        let moved = why.moved_by.unwrap();
        assert_eq!(moved.change, Change::Optimizer(Optimizer::AdamWFused));
        assert_eq!(moved.to, Instant::BackwardEmbedding);
    }

    #[test]
    fn a_long_batch_binds_in_backward_and_a_change_that_moves_the_peak_really_does() {
        let scenario = Scenario {
            recipe: Recipe::Bf16,
            optimizer: Optimizer::Sgd,
            micro_batch: Count::new(16),
            sequence_length: Count::new(2048),
            ..Scenario::default()
        };
        let answer = estimate(&scenario).unwrap();
        assert_ne!(answer.peak, Instant::OptimizerStep);
        if let Some(moved) = why(&scenario, &answer).moved_by {
            let changed = estimate(&moved.change.applied(&scenario)).unwrap();
            assert_eq!((changed.peak, changed.at_peak().requested), (moved.to, moved.peak));
            assert_ne!(changed.peak, answer.peak);
        }
    }
}
