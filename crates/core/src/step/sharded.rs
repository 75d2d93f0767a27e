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
        let (Some(collectives), Some(kind)) = (self.collectives, self.kind_at(index)) else {
            return Vec::new();
        };
        let (before, after) = self.beside(index);
        collectives.in_forward(kind, &parallel::Layers { before: &before, after: &after })
    }

    pub(super) fn collectives_in_backward(&self, index: u64, phase: Phase) -> Vec<Held> {
        let (Some(collectives), Some(kind)) = (self.collectives, self.kind_at(index)) else {
            return Vec::new();
        };
        let (before, after) = self.beside(index);
        let layers = parallel::Layers { before: &before, after: &after };
        let next = index.checked_sub(1).and_then(|index| self.kind_at(index));
        match phase {
            Phase::Running => {
                let previous = self.kind_at(index + 1);
                collectives.in_backward(kind, next, previous, &layers)
            }
            Phase::Reducing => collectives.reducing(kind, next, &layers),
        }
    }

    /// Whether more is alive while a layer runs backward or when its gradients are reduced.
    pub(super) fn phase(&self, index: u64) -> Phase {
        let (Some(collectives), Some(layer)) = (self.collectives, self.at(index)) else {
            return Phase::Running;
        };
        // Of several micro-batches the last one alone reduces, when less is alive.
        if collectives.earlier == Earlier::Whole {
            return Phase::Running;
        }
        let block = layer.block();
        let running = block.bytes(&block.at_peak(layer.run))
            + parallel::bytes(&self.collectives_in_backward(index, Phase::Running));
        let reducing = block.bytes(&block.handed_on())
            + parallel::bytes(&self.collectives_in_backward(index, Phase::Reducing));
        if running >= reducing { Phase::Running } else { Phase::Reducing }
    }

    pub(super) fn held_in_forward(&self, index: u64) -> Totals {
        totals(&self.collectives_in_forward(index))
    }

    pub(super) fn held_in_backward(&self, index: u64) -> Totals {
        totals(&self.collectives_in_backward(index, self.phase(index)))
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

/// Some storages by category.
pub(super) fn totals(held: &[Held]) -> Totals {
    let mut totals = Totals::default();
    for (storage, copies) in held {
        let bytes: Bytes = storage.bytes().times(*copies);
        totals.add(storage.category, bytes);
    }
    totals
}
