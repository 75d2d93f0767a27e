//! What is alive while each layer runs, by category: the points of the timeline.

use super::Layers;
use super::registered::RegisteredLayer;
use crate::parallel::Collectives;
use crate::timeline::LayerTotals;
use crate::totals::Totals;

/// The sums of a kind of layer.
struct OfKind {
    /// What nodes of a first pass keep beside its backward.
    by_nodes: Totals,
    kept_in_autocast: Totals,
    kept_for_backward: Totals,
    left: Totals,
}

impl OfKind {
    fn of(layer: &RegisteredLayer<'_>) -> Self {
        let block = layer.block();
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
        Self { by_nodes, kept_in_autocast, kept_for_backward, left }
    }
}

/// What a layer and its collectives have while most is alive, forward and backward.
#[derive(Clone, Copy)]
struct Running {
    forward: Totals,
    backward: Totals,
}

impl Layers<'_> {
    fn running(&self, index: u64, layer: &RegisteredLayer<'_>, by_nodes: &Totals) -> Running {
        let forward = layer.totals_in_forward(self.forward_phase(index));
        let backward = layer.totals_in_backward(self.phase(index)).and(by_nodes);
        Running {
            forward: forward.and(&self.held_in_forward(index)),
            backward: backward.and(&self.held_in_backward(index)),
        }
    }

    /// The kinds of a layer and its neighbours: where collectives hold nothing of layers further away, they decide what it has.
    fn neighbours(&self, index: usize) -> Option<[Option<usize>; 3]> {
        let is_local = self.collectives.is_none_or(Collectives::holds_neighbours_alone);
        let at = |index: Option<usize>| self.of.get(index?).copied();
        is_local.then(|| [at(index.checked_sub(1)), at(Some(index)), at(Some(index + 1))])
    }

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
        let mut known: Vec<([Option<usize>; 3], Running)> = Vec::with_capacity(4);
        for (index, (layer, kind)) in layers.iter_mut().zip(&self.of).enumerate() {
            let Some((own, of)) = self.kinds.get(*kind).zip(of_kinds.get(*kind)) else { continue };
            let neighbours = self.neighbours(index);
            let index = index as u64;
            let same = known.iter().find(|(of, _)| Some(*of) == neighbours);
            let running =
                same.map_or_else(|| self.running(index, own, &of.by_nodes), |(_, running)| *running);
            if let (None, Some(neighbours)) = (same, neighbours) {
                known.push((neighbours, running));
            }
            layer.forward = in_forward.and(&running.forward);
            if let Some(lookup) = lookup.as_ref().filter(|_| !self.first_keeps_input(index)) {
                layer.forward = layer.forward.and(lookup);
            }
            layer.backward = for_backward.and(&running.backward);
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
