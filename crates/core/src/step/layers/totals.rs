//! What is alive while each layer runs, by category: the points of the timeline.

use super::registered::RegisteredLayer;
use super::{Layers, Phase};
use crate::timeline::LayerTotals;
use crate::totals::Totals;

/// The sums of a kind of layer.
struct OfKind {
    forward: [Totals; Phase::ALL.len()],
    backward: [Totals; Phase::ALL.len()],
    kept_in_autocast: Totals,
    kept_for_backward: Totals,
    left: Totals,
}

impl OfKind {
    fn of(layer: &RegisteredLayer<'_>) -> Self {
        let (block, running) = (layer.block(), layer.running().block());
        let mut by_nodes = Totals::default();
        let mut left = block.by_category(&block.left_by_backward());
        let (kept_in_autocast, kept_for_backward) = if let Some(first) = &layer.without_graph {
            let first = first.block();
            let input = block.by_category(&layer.kept_by_checkpoint());
            let casts = first.by_category(&first.only_casts());
            by_nodes = first.by_category(&first.kept_by_nodes_alone());
            left = left.and(&first.by_category(&first.kept_by_nodes()));
            (input.and(&casts), input.and(&by_nodes))
        } else {
            (block.by_category(block.kept_by_forward()), block.by_category(block.kept_for_backward()))
        };
        let forward = |phase| running.by_category(&layer.alive_in_forward(phase));
        let backward = |phase| block.by_category(&layer.alive_in_backward(phase)).and(&by_nodes);
        Self {
            forward: Phase::ALL.map(forward),
            backward: Phase::ALL.map(backward),
            kept_in_autocast,
            kept_for_backward,
            left,
        }
    }

    fn in_phase(of: &[Totals; Phase::ALL.len()], phase: Phase) -> Totals {
        let totals = Phase::ALL.iter().zip(of).find(|(of, _)| **of == phase);
        totals.map_or_else(Totals::default, |(_, totals)| *totals)
    }
}

impl Layers<'_> {
    /// What is alive while each layer runs, beside what the layers don't decide. `lookup` is what the embedding made, where the model's
    /// forward names it.
    pub(in crate::step) fn totals(
        &self,
        forward: Totals,
        backward: Totals,
        lookup: Option<Totals>,
    ) -> Vec<LayerTotals> {
        let of_kinds: Vec<OfKind> = self.kinds.iter().map(OfKind::of).collect();
        let mut layers = vec![LayerTotals::default(); self.of.len()];
        let (mut in_forward, mut for_backward) = (forward, backward);
        for ((index, layer), kind) in (0..).zip(&mut layers).zip(&self.of) {
            let Some(of) = of_kinds.get(*kind) else { continue };
            layer.forward = in_forward
                .and(&OfKind::in_phase(&of.forward, self.forward_phase(index)))
                .and(&self.held_in_forward(index));
            if let Some(lookup) = lookup.as_ref().filter(|_| !self.first_keeps_input(index)) {
                layer.forward = layer.forward.and(lookup);
            }
            layer.backward = for_backward.and(&OfKind::in_phase(&of.backward, self.phase(index)));
            layer.backward = layer.backward.and(&self.held_in_backward(index));
            in_forward = in_forward.and(&of.kept_in_autocast);
            for_backward = for_backward.and(&of.kept_for_backward);
        }
        let mut left = Totals::default();
        for (layer, kind) in layers.iter_mut().zip(&self.of).rev() {
            layer.backward = layer.backward.and(&left);
            let Some(of) = of_kinds.get(*kind) else { continue };
            left = left.and(&self.gradient_shard(*kind).unwrap_or(of.left));
        }
        layers
    }
}
