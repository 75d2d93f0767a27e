//! The layers between embedding and head: which of them are alive at an instant, and as what.
//!
//! Equal layers are one block. At an instant one layer runs, those below it hold what they keep for backward, and those above it, in
//! backward, have left their gradients.

use std::ops::Range;

use super::Looked;
use super::blocks::{Kind, LayerBlocks, kind_of};
use crate::account::{Account, Registered};
use crate::ledger::Instant;
use crate::plan::Pass;
use crate::tape::{Alive, Block, Run};
use crate::timeline::LayerTotals;
use crate::totals::Totals;
use crate::units::Bytes;

/// A kind of layer with its slots in the account.
struct RegisteredLayer<'a> {
    kind: Kind,
    without_graph: Option<Registered<'a>>,
    with_graph: Registered<'a>,
    run: Run,
}

/// What is kept of a layer when its forward is done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// While autocast is on, which holds its cache of weight casts.
    InAutocast,
    /// For backward.
    ForBackward,
}

/// The layers of a model.
pub(super) struct Layers<'a> {
    kinds: Vec<RegisteredLayer<'a>>,
    /// The kind of each layer.
    of: Vec<usize>,
}

impl RegisteredLayer<'_> {
    fn block(&self) -> &Block {
        self.with_graph.block()
    }

    fn running(&self) -> &Registered<'_> {
        self.without_graph.as_ref().unwrap_or(&self.with_graph)
    }

    fn bytes_kept(&self, kept: Kept) -> Bytes {
        match (&self.without_graph, kept) {
            (None, Kept::InAutocast) => self.block().bytes(self.block().kept_by_forward()),
            (None, Kept::ForBackward) => self.block().bytes(self.block().kept_for_backward()),
            (Some(_), Kept::ForBackward) => self.block().bytes(&self.block().only_input()),
            (Some(block), Kept::InAutocast) => {
                self.block().bytes(&self.block().only_input())
                    + block.block().bytes(block.block().kept_by_forward())
            }
        }
    }
}

/// The sums of a kind of layer.
struct OfKind {
    running: Totals,
    backward: Totals,
    kept_in_autocast: Totals,
    kept_for_backward: Totals,
    left: Totals,
}

impl OfKind {
    fn of(layer: &RegisteredLayer<'_>) -> Self {
        let (block, running) = (layer.block(), layer.running().block());
        let (kept_in_autocast, kept_for_backward) = if let Some(first) = &layer.without_graph {
            let input = block.by_category(&block.only_input());
            let casts = first.block().by_category(first.block().kept_by_forward());
            (input.and(&casts), input)
        } else {
            (block.by_category(block.kept_by_forward()), block.by_category(block.kept_for_backward()))
        };
        Self {
            running: running.by_category(&running.at_peak(Run::Forward)),
            backward: block.by_category(&block.at_peak(layer.run)),
            kept_in_autocast,
            kept_for_backward,
            left: block.by_category(&block.left_by_backward()),
        }
    }
}

impl<'a> Layers<'a> {
    pub(super) fn register(pass: &Pass, blocks: &'a [LayerBlocks], account: &mut Account) -> Self {
        let kinds: Vec<RegisteredLayer<'a>> = blocks
            .iter()
            .map(|blocks| RegisteredLayer {
                kind: blocks.kind,
                without_graph: blocks.without_graph.as_ref().map(|block| account.register(block)),
                with_graph: account.register(&blocks.with_graph),
                run: blocks.run,
            })
            .collect();
        let of_layer = |index| {
            let layer = kind_of(pass, index);
            kinds.iter().position(|registered| registered.kind.layer == layer).unwrap_or_default()
        };
        let of = (0..pass.architecture.blocks()).map(of_layer).collect();
        Self { kinds, of }
    }

    pub(super) const fn count(&self) -> u64 {
        self.of.len() as u64
    }

    /// How many of the layers in a range are of a kind.
    fn among(&self, layers: &Range<u64>, kind: usize) -> u64 {
        let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.of.len());
        let of = self.of.get(index(layers.start)..index(layers.end)).unwrap_or_default();
        of.iter().filter(|&&of| of == kind).count() as u64
    }

    fn at(&self, index: u64) -> Option<&RegisteredLayer<'a>> {
        self.kinds.get(*self.of.get(usize::try_from(index).ok()?)?)
    }

    fn sum(&self, layers: &Range<u64>, bytes: impl Fn(&RegisteredLayer<'a>) -> Bytes) -> Bytes {
        self.kinds.iter().enumerate().map(|(at, kind)| bytes(kind).times(self.among(layers, at))).sum()
    }

    /// The layer that is asked for, or the largest.
    pub(super) fn looked(&self, looked: Looked, largest: fn(&Self) -> u64) -> u64 {
        match looked {
            Looked::Largest => largest(self),
            Looked::At(index) => index.min(self.count().saturating_sub(1)),
        }
    }

    /// What is alive while each layer runs, beside what the layers don't decide. `lookup` is what the embedding made, where the model's
    /// forward names it.
    pub(super) fn totals(
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
            layer.forward = in_forward.and(&of.running);
            if let Some(lookup) = lookup.as_ref().filter(|_| !self.first_keeps_input(index)) {
                layer.forward = layer.forward.and(lookup);
            }
            layer.backward = for_backward.and(&of.backward);
            in_forward = in_forward.and(&of.kept_in_autocast);
            for_backward = for_backward.and(&of.kept_for_backward);
        }
        let mut left = Totals::default();
        for (layer, kind) in layers.iter_mut().zip(&self.of).rev() {
            layer.backward = layer.backward.and(&left);
            if let Some(of) = of_kinds.get(*kind) {
                left = left.and(&of.left);
            }
        }
        layers
    }

    /// The layer at which forward is at its largest: the last one, or the last of another kind.
    pub(super) fn largest_in_forward(&self) -> u64 {
        self.largest(
            |kind| kind.last,
            |index, layer| {
                let running = layer.running().block();
                self.sum(&(0..index), |kind| kind.bytes_kept(Kept::InAutocast))
                    + running.bytes(&running.at_peak(Run::Forward))
            },
        )
    }

    /// The layer at which the beginning of backward is at its largest: the last one, or the last of another kind.
    pub(super) fn largest_visited_first(&self) -> u64 {
        self.largest(|kind| kind.last, |index, layer| self.in_backward(index, layer))
    }

    /// The same at the end of backward: the first layer, or the first of another kind.
    pub(super) fn largest_visited_last(&self) -> u64 {
        self.largest(|kind| kind.first, |index, layer| self.in_backward(index, layer))
    }

    fn in_backward(&self, index: u64, layer: &RegisteredLayer<'a>) -> Bytes {
        self.sum(&(0..index), |kind| kind.bytes_kept(Kept::ForBackward))
            + layer.block().bytes(&layer.block().at_peak(layer.run))
            + self
                .sum(&(index + 1..self.count()), |kind| kind.block().bytes(&kind.block().left_by_backward()))
    }

    fn largest(
        &self,
        candidate: impl Fn(&Kind) -> u64,
        bytes: impl Fn(u64, &RegisteredLayer<'a>) -> Bytes,
    ) -> u64 {
        let candidates = self.kinds.iter().map(|layer| (candidate(&layer.kind), layer));
        if self.kinds.len() == 1 {
            return candidates.map(|(index, _)| index).next().unwrap_or_default();
        }
        candidates.max_by_key(|&(index, layer)| bytes(index, layer)).map_or(0, |(index, _)| index)
    }

    /// What the layers in a range keep.
    pub(super) fn kept(&self, account: &mut Account, instant: Instant, layers: &Range<u64>, kept: Kept) {
        self.kept_times(account, instant, layers, kept, 1);
    }

    /// The same several times over.
    pub(super) fn kept_times(
        &self,
        account: &mut Account,
        instant: Instant,
        layers: &Range<u64>,
        kept: Kept,
        times: u64,
    ) {
        for (at, layer) in self.kinds.iter().enumerate() {
            let count = self.among(layers, at).saturating_mul(times);
            let Some(without_graph) = &layer.without_graph else {
                let block = layer.block();
                let alive = match kept {
                    Kept::InAutocast => block.kept_by_forward(),
                    Kept::ForBackward => block.kept_for_backward(),
                };
                account.add(instant, &layer.with_graph, alive, count);
                continue;
            };
            // The checkpoint keeps the layer's input; autocast's cache keeps the weight casts until it is left.
            account.add(instant, &layer.with_graph, &layer.block().only_input(), count);
            if kept == Kept::InAutocast {
                account.add(instant, without_graph, without_graph.block().kept_by_forward(), count);
            }
        }
    }

    /// Gradients of layers that backward has visited.
    pub(super) fn left(&self, account: &mut Account, instant: Instant, layers: &Range<u64>) {
        for (at, layer) in self.kinds.iter().enumerate() {
            let left = layer.block().left_by_backward();
            account.add(instant, &layer.with_graph, &left, self.among(layers, at));
        }
    }

    /// A layer's forward.
    pub(super) fn forward_of(&self, account: &mut Account, instant: Instant, index: u64) {
        if let Some(layer) = self.at(index) {
            let running = layer.running();
            account.add(instant, running, &running.block().at_peak(Run::Forward), 1);
        }
    }

    /// A layer's backward, with what the others keep or have left.
    pub(super) fn backward_of(&self, account: &mut Account, instant: Instant, index: u64) {
        self.kept(account, instant, &(0..index), Kept::ForBackward);
        self.left(account, instant, &(index + 1..self.count()));
        if let Some(layer) = self.at(index) {
            let alive: Alive = layer.block().at_peak(layer.run);
            account.add(instant, &layer.with_graph, &alive, 1);
        }
    }

    /// Whether what the embedding made is counted with the first layer, while another one runs.
    pub(super) fn first_keeps_input(&self, running: u64) -> bool {
        self.at(0)
            .is_some_and(|first| running == 0 || first.without_graph.is_some() || first.block().keeps_input())
    }

    /// Bytes of the layers' weight casts that only autocast's cache keeps: those of checkpointed layers.
    pub(super) fn held_by_cache_alone(&self) -> Bytes {
        self.sum(&(0..self.count()), |layer| {
            let casts = layer.without_graph.as_ref().map(Registered::block);
            casts.map_or(Bytes::ZERO, |block| block.bytes(block.kept_by_forward()))
        })
    }
}
