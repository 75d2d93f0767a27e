//! The layers between embedding and head: which of them are alive at an instant, and as what.
//!
//! Equal layers are one block. At an instant one layer runs, those below it hold what they keep for backward, and those above it, in
//! backward, have left their gradients.

mod registered;
mod totals;

pub(super) use registered::Kept;
use registered::{PhaseTotals, RegisteredLayer};

use std::ops::Range;

use super::Looked;
use super::blocks::{Kind, LayerBlocks, kind_of};
use crate::account::{Account, Registered};
use crate::ledger::Instant;
use crate::model::Place;
use crate::parallel::{Collectives, Earlier};
use crate::plan::Pass;
use crate::rules::LayerKind;
use crate::tape::Run;
use crate::units::Bytes;

/// The layers of a model.
pub(super) struct Layers<'a> {
    pub(super) kinds: Vec<RegisteredLayer<'a>>,
    /// The kind of each layer.
    of: Vec<usize>,
    /// Of each kind how many there are before each layer, and in all.
    before: Vec<Vec<u64>>,
    /// What gathers their weights and reduces their gradients, where these are sharded.
    pub(super) collectives: Option<&'a Collectives>,
}

/// What happens to a layer while most is alive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Weights are being gathered: in forward its own, in backward those of the layer that backward visits next.
    Gathering,
    /// It runs.
    Running,
    /// It runs backward, until the gradient is due of the adapter that forward has run first.
    Beginning,
    /// It runs backward from then on.
    Finishing,
    /// It has run, and its gradients are being reduced.
    Reducing,
}

impl Phase {
    const COUNT: usize = Self::Reducing as usize + 1;
}

impl<'a> Layers<'a> {
    pub(super) fn register(
        pass: &Pass,
        blocks: &'a [LayerBlocks],
        collectives: Option<&'a Collectives>,
        account: &mut Account,
    ) -> Self {
        let of = (0..pass.architecture.blocks()).map(|index| kind_of(pass, index));
        Self::in_order(blocks.iter().map(|blocks| (blocks.kind, blocks)), of, collectives, account)
    }

    /// Layers of the given kinds, in their order.
    pub(super) fn in_order(
        blocks: impl Iterator<Item = (Kind, &'a LayerBlocks)>,
        order: impl Iterator<Item = LayerKind>,
        collectives: Option<&'a Collectives>,
        account: &mut Account,
    ) -> Self {
        let kinds: Vec<RegisteredLayer<'a>> = blocks
            .map(|(kind, blocks)| RegisteredLayer {
                kind,
                without_graph: blocks.without_graph.as_ref().map(|block| account.register(block)),
                with_graph: account.register(&blocks.with_graph),
                run: blocks.run,
                offloads_input: blocks.offloads_input,
                forward: PhaseTotals::default(),
                backward: PhaseTotals::default(),
            })
            .collect();
        let of_kind =
            |layer| kinds.iter().position(|registered| registered.kind.layer == layer).unwrap_or_default();
        let of: Vec<usize> = order.map(of_kind).collect();
        let counted = |kind: usize| {
            let counts = of.iter().scan(0, move |count, &of| {
                *count += u64::from(of == kind);
                Some(*count)
            });
            [0].into_iter().chain(counts).collect()
        };
        let before = (0..kinds.len()).map(counted).collect();
        Self { kinds, of, before, collectives }
    }

    pub(super) const fn count(&self) -> u64 {
        self.of.len() as u64
    }

    /// How many of the layers in a range are of a kind.
    pub(super) fn among(&self, layers: &Range<u64>, kind: usize) -> u64 {
        let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.of.len());
        let before =
            |at| self.before.get(kind).and_then(|counts| counts.get(index(at))).copied().unwrap_or_default();
        before(layers.end).saturating_sub(before(layers.start))
    }

    pub(super) fn at(&self, index: u64) -> Option<&RegisteredLayer<'a>> {
        self.kinds.get(*self.of.get(usize::try_from(index).ok()?)?)
    }

    fn sum(&self, layers: &Range<u64>, bytes: impl Fn(&RegisteredLayer<'a>) -> Bytes) -> Bytes {
        self.kinds.iter().enumerate().map(|(at, kind)| bytes(kind).times(self.among(layers, at))).sum()
    }

    /// The layer that is asked for, or the largest.
    pub(super) fn looked(&self, looked: Looked, largest: impl FnOnce(&Self) -> u64) -> u64 {
        match looked {
            Looked::Largest => largest(self),
            Looked::At(index) => index.min(self.count().saturating_sub(1)),
        }
    }

    /// Whether a layer is the last one.
    pub(super) fn ends_with(&self, index: u64) -> bool {
        index + 1 >= self.count()
    }

    /// The layer at which forward is at its largest: the last one, or the last of another kind.
    pub(super) fn largest_in_forward(&self) -> u64 {
        self.largest(|kind| kind.last, |index, _| self.bytes_in_forward(index))
    }

    /// What is alive while a layer runs forward.
    pub(super) fn bytes_in_forward(&self, index: u64) -> Bytes {
        let own = self.at(index).map(|layer| layer.totals_in_forward(self.forward_phase(index)).sum());
        self.sum(&(0..index), |kind| kind.bytes_kept(Kept::InAutocast))
            + own.unwrap_or_default()
            + self.held_in_forward(index).sum()
    }

    /// The layer at which the beginning of backward is at its largest: the last one, or the last of another kind.
    pub(super) fn largest_visited_first(&self) -> u64 {
        self.largest(|kind| kind.last, |index, layer| self.in_backward(index, layer))
    }

    /// The same where something stands beside each layer but the last, so that the one before it may need more.
    pub(super) fn largest_visited_beside(&self, beside: Bytes) -> u64 {
        let beside = |index| if self.ends_with(index) { Bytes::ZERO } else { beside };
        let all = 0..self.count();
        all.max_by_key(|&index| self.bytes_in_backward(index) + beside(index)).unwrap_or_default()
    }

    /// The same at the end of backward: the first layer, or, of another kind, the one at which most is alive.
    pub(super) fn largest_visited_last(&self) -> u64 {
        let heaviest = self.heaviest();
        let of_kind =
            |kind: &Kind| self.of.get(usize::try_from(kind.first).ok()?).and_then(|&at| heaviest.get(at));
        self.largest(
            |kind| of_kind(kind).copied().unwrap_or(kind.first),
            |index, layer| self.in_backward(index, layer),
        )
    }

    /// Of each kind the layer below which and above which most is alive in backward, together: not one of the ends where layers of another
    /// kind keep less than they leave. Empty where one kind is all there is.
    fn heaviest(&self) -> Vec<u64> {
        if self.kinds.len() == 1 {
            return Vec::new();
        }
        let each: Vec<(Bytes, Bytes)> =
            self.kinds.iter().map(|kind| (kind.bytes_kept(Kept::ForBackward), kind.bytes_left())).collect();
        let of = |at: usize| each.get(at).copied().unwrap_or_default();
        let mut heaviest: Vec<(Bytes, u64)> =
            self.kinds.iter().map(|kind| (Bytes::ZERO, kind.kind.first)).collect();
        let mut around: Bytes = self.of.iter().map(|&at| of(at).1).sum();
        for (index, &at) in (0..).zip(&self.of) {
            let (kept, left) = of(at);
            around = around.saturating_sub(left);
            if let Some(most) = heaviest.get_mut(at).filter(|most| around > most.0) {
                *most = (around, index);
            }
            around += kept;
        }
        heaviest.into_iter().map(|(_, index)| index).collect()
    }

    /// What is alive while a layer runs backward.
    pub(super) fn bytes_in_backward(&self, index: u64) -> Bytes {
        self.at(index).map_or(Bytes::ZERO, |layer| self.in_backward(index, layer))
    }

    /// What is alive when a layer has run backward.
    pub(super) fn bytes_after_backward(&self, index: u64) -> Bytes {
        let handed_on = self.at(index).map(|layer| layer.block().bytes(&layer.block().handed_on()));
        self.sum(&(0..index), |kind| kind.bytes_kept(Kept::ForBackward))
            + handed_on.unwrap_or_default()
            + self.left_bytes(&(index + 1..self.count()))
    }

    /// The same in an account.
    pub(super) fn after_backward_of(&self, account: &mut Account, instant: Instant, index: u64) {
        self.kept(account, instant, &(0..index), Kept::ForBackward);
        self.left(account, instant, &(index + 1..self.count()));
        if let Some(layer) = self.at(index) {
            account.add(instant, &layer.with_graph, &layer.block().handed_on(), 1);
        }
    }

    fn in_backward(&self, index: u64, layer: &RegisteredLayer<'a>) -> Bytes {
        self.sum(&(0..index), |kind| kind.bytes_kept(Kept::ForBackward))
            + layer.totals_in_backward(self.phase(index)).sum()
            + layer.bytes_beside_backward()
            + self.held_in_backward(index).sum()
            + self.left_bytes(&(index + 1..self.count()))
    }

    /// Gradients that layers have left.
    pub(super) fn left_bytes(&self, layers: &Range<u64>) -> Bytes {
        let each = self.kinds.iter().enumerate().map(|(at, layer)| {
            let left = match self.gradient_shard(at) {
                Some(shard) => shard.sum(),
                None => layer.bytes_left(),
            };
            left.times(self.among(layers, at))
        });
        each.sum()
    }

    fn largest(
        &self,
        candidate: impl Fn(&Kind) -> u64,
        bytes: impl Fn(u64, &RegisteredLayer<'a>) -> Bytes,
    ) -> u64 {
        let candidates = self.kinds.iter().map(|layer| (candidate(&layer.kind), layer));
        if self.kinds.len() == 1 && self.collectives.is_none() {
            return candidates.map(|(index, _)| index).next().unwrap_or_default();
        }
        // The ends of backward have no neighbour whose weights or gradients are on their way.
        let ends = self.kinds.iter().flat_map(|layer| [layer.kind.first, layer.kind.last]);
        let beside = ends.flat_map(|index| [index.saturating_sub(1), index, index + 1]);
        let beside = beside.filter_map(|index| Some((index, self.at(index)?)));
        let beside = beside.filter(|_| self.collectives.is_some());
        candidates
            .chain(beside)
            .max_by_key(|&(index, layer)| bytes(index, layer))
            .map_or(0, |(index, _)| index)
    }

    /// Bytes that all layers keep of a micro-batch for its backward.
    pub(super) fn kept_bytes(&self) -> Bytes {
        self.sum(&(0..self.count()), |kind| kind.bytes_kept(Kept::ForBackward))
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
                    Kept::AtLoss => block.kept_at_loss(),
                    Kept::ForBackward => block.kept_for_backward(),
                };
                account.add(instant, &layer.with_graph, alive, count);
                continue;
            };
            // The checkpoint keeps the layer's input; autocast's cache keeps the weight casts until it is left.
            account.add(instant, &layer.with_graph, &layer.kept_by_checkpoint(), count);
            let block = without_graph.block();
            let beside = match kept {
                Kept::InAutocast | Kept::AtLoss => block.only_casts(),
                Kept::ForBackward => block.kept_by_nodes_alone(),
            };
            account.add(instant, without_graph, &beside, count);
        }
    }

    /// Gradients of layers that backward has visited, and what their nodes keep until the step is over.
    pub(super) fn left(&self, account: &mut Account, instant: Instant, layers: &Range<u64>) {
        if let Some(collectives) = self.collectives {
            if collectives.earlier != Earlier::Nothing {
                return;
            }
            let visited = |is_sparse: Option<bool>| {
                let of_kind = |at: &usize| {
                    let kind = self.kinds.get(*at).map(|layer| layer.kind.layer.is_sparse);
                    is_sparse.is_none_or(|is_sparse| kind == Some(is_sparse))
                };
                (0..self.kinds.len()).filter(of_kind).map(|at| self.among(layers, at)).sum()
            };
            return account.add_gradients_of(instant, |place| match place {
                Place::Layer => visited(None),
                Place::DenseLayer => visited(Some(false)),
                Place::SparseLayer => visited(Some(true)),
                _ => 0,
            });
        }
        for (at, layer) in self.kinds.iter().enumerate() {
            let left = layer.block().left_by_backward();
            account.add(instant, &layer.with_graph, &left, self.among(layers, at));
            if let Some(first) = &layer.without_graph {
                account.add(instant, first, &first.block().kept_by_nodes(), self.among(layers, at));
            }
        }
    }

    /// A layer's forward.
    pub(super) fn forward_of(&self, account: &mut Account, instant: Instant, index: u64) {
        if let Some(layer) = self.at(index) {
            let running = layer.running();
            account.add(instant, running, &layer.alive_in_forward(self.forward_phase(index)), 1);
        }
        account.add_held(instant, &self.collectives_in_forward(index));
    }

    /// A layer's backward, with what the others keep or have left.
    pub(super) fn backward_of(&self, account: &mut Account, instant: Instant, index: u64) {
        self.kept(account, instant, &(0..index), Kept::ForBackward);
        self.left(account, instant, &(index + 1..self.count()));
        if let Some(layer) = self.at(index) {
            account.add(instant, &layer.with_graph, &layer.alive_in_backward(self.phase(index)), 1);
            if let Some(first) = &layer.without_graph {
                account.add(instant, first, &first.block().kept_by_nodes_alone(), 1);
            }
        }
        account.add_held(instant, &self.collectives_in_backward(index));
    }

    /// What the last layer hands to another rank, or the gradient that comes back of it.
    pub(super) fn output_of_last(&self, account: &mut Account, instant: Instant, run: Run) {
        let Some(last) = self.count().checked_sub(1).and_then(|index| self.at(index)) else { return };
        let ends = last.block().ends();
        let id = if run == Run::Forward { ends.output } else { ends.incoming };
        account.add(instant, &last.with_graph, &last.block().only(id), 1);
    }

    /// Whether what the embedding made is counted with the first layer, while another one runs.
    pub(super) fn first_keeps_input(&self, running: u64) -> bool {
        self.at(0).is_some_and(|first| match first.without_graph {
            _ if running == 0 => true,
            Some(_) => !first.offloads_input,
            None => first.block().keeps_input(),
        })
    }

    /// Bytes of the layers' weight casts that only autocast's cache keeps: those of checkpointed layers.
    pub(super) fn held_by_cache_alone(&self) -> Bytes {
        self.sum(&(0..self.count()), |layer| {
            let casts = layer.without_graph.as_ref().map(Registered::block);
            casts.map_or(Bytes::ZERO, |block| {
                block.bytes(&block.only_casts()).saturating_sub(block.bytes(&block.kept_by_nodes_alone()))
            })
        })
    }
}
