//! What collectives hold while layers run whose weights are sharded.

use std::ops::Range;

use super::layers::{Layers, Phase};
use crate::ledger::Category;
use crate::parallel::{self, Earlier, Held, Kinds};
use crate::rules::LayerKind;
use crate::totals::Totals;
use crate::units::Bytes;

impl Layers<'_> {
    /// The kind of a layer.
    pub(super) fn kind_at(&self, index: u64) -> Option<LayerKind> {
        self.at(index).map(|layer| layer.kind.layer)
    }

    /// How many layers of each kind there are in a range.
    pub(super) fn kinds_among(&self, layers: &Range<u64>) -> Kinds {
        let kinds = self.kinds.iter().enumerate();
        kinds.map(|(at, layer)| (layer.kind.layer, self.among(layers, at))).collect()
    }

    /// The layers before and after one, by kind.
    fn beside(&self, index: u64) -> (Kinds, Kinds) {
        (self.kinds_among(&(0..index)), self.kinds_among(&(index + 1..self.count())))
    }

    pub(super) fn collectives_in_forward(&self, index: u64) -> Vec<Held> {
        self.collectives_in_phase_of_forward(index, self.forward_phase(index))
    }

    fn collectives_in_phase_of_forward(&self, index: u64, phase: Phase) -> Vec<Held> {
        let (Some(collectives), Some(kind)) = (self.collectives, self.kind_at(index)) else {
            return Vec::new();
        };
        let (before, after) = self.beside(index);
        let layers = parallel::Layers { before: &before, after: &after };
        match index.checked_sub(1).and_then(|before| self.kind_at(before)) {
            Some(before) if phase == Phase::Gathering => collectives.gathering(kind, before, &layers),
            _ => collectives.in_forward(kind, &layers),
        }
    }

    pub(super) fn collectives_in_backward(&self, index: u64) -> Vec<Held> {
        self.collectives_in_phase(index, self.phase(index))
    }

    fn collectives_in_phase(&self, index: u64, phase: Phase) -> Vec<Held> {
        let (Some(collectives), Some(kind)) = (self.collectives, self.kind_at(index)) else {
            return Vec::new();
        };
        let (before, after) = self.beside(index);
        let layers = parallel::Layers { before: &before, after: &after };
        let next = index.checked_sub(1).and_then(|index| self.kind_at(index));
        let previous = self.kind_at(index + 1);
        match phase {
            Phase::Gathering => collectives.gathering_next(kind, next, previous, &layers),
            Phase::Running | Phase::Finishing => collectives.in_backward(kind, next, previous, &layers),
            Phase::Beginning => collectives.in_backward(kind, None, previous, &layers),
            Phase::Reducing => collectives.reducing(kind, next, &layers),
        }
    }

    /// Whether more is alive while a layer's weights are gathered for its forward, or when it runs. The first layer's are gathered while the
    /// embedding's output is there (`Step::gathering_first`).
    pub(super) fn forward_phase(&self, index: u64) -> Phase {
        let Some(layer) = self.at(index).filter(|_| self.collectives.is_some() && index > 0) else {
            return Phase::Running;
        };
        let bytes = |phase| {
            layer.totals_in_forward(phase).sum()
                + parallel::bytes(&self.collectives_in_phase_of_forward(index, phase))
        };
        first_of_largest([Phase::Running, Phase::Gathering], bytes)
    }

    /// Whether more is alive while weights are gathered for backward, while a layer runs backward or when its gradients are reduced.
    pub(super) fn phase(&self, index: u64) -> Phase {
        let (Some(collectives), Some(layer)) = (self.collectives, self.at(index)) else {
            return Phase::Running;
        };
        // Of several micro-batches the last one alone reduces, when less is alive.
        let reduces = collectives.earlier != Earlier::Whole;
        let bytes = |phase| {
            if phase == Phase::Reducing && !reduces {
                return Bytes::ZERO;
            }
            layer.totals_in_backward(phase).sum() + parallel::bytes(&self.collectives_in_phase(index, phase))
        };
        if collectives.wraps_adapters {
            return first_of_largest([Phase::Beginning, Phase::Finishing], bytes);
        }
        first_of_largest([Phase::Running, Phase::Reducing, Phase::Gathering], bytes)
    }

    pub(super) fn held_in_forward(&self, index: u64) -> Totals {
        totals(&self.collectives_in_forward(index))
    }

    pub(super) fn held_in_backward(&self, index: u64) -> Totals {
        totals(&self.collectives_in_backward(index))
    }

    /// What a layer of a kind leaves of its gradients when they have been reduced, where they are sharded.
    pub(super) fn gradient_shard(&self, kind: usize) -> Option<Totals> {
        let layer = self.kinds.get(kind)?;
        let bytes = self.collectives?.gradient_shard(layer.kind.layer);
        let mut totals = Totals::default();
        totals.add(Category::Gradients, bytes);
        Some(totals)
    }
}

fn first_of_largest<const N: usize>(phases: [Phase; N], bytes: impl Fn(Phase) -> Bytes) -> Phase {
    let all = phases.into_iter().map(|phase| (bytes(phase), phase));
    all.reduce(|most, other| if other.0 > most.0 { other } else { most })
        .map_or(Phase::Running, |(_, phase)| phase)
}

/// Some storages by category.
pub(super) fn totals(held: &[Held]) -> Totals {
    let mut totals = Totals::default();
    for (storage, copies) in held {
        let bytes: Bytes = storage.bytes().times(*copies);
        totals.add(storage.category, bytes);
    }
    totals
}
