//! A kind of layer with its slots in the account, and what is kept of it.

use std::cell::OnceCell;

use super::Phase;
use crate::account::Registered;
use crate::ledger::What;
use crate::step::blocks::Kind;
use crate::tape::{Alive, Block, Run};
use crate::totals::Totals;
use crate::units::Bytes;

/// A kind of layer with its slots in the account.
pub(in crate::step) struct RegisteredLayer<'a> {
    pub(in crate::step) kind: Kind,
    pub(super) without_graph: Option<Registered<'a>>,
    pub(super) with_graph: Registered<'a>,
    pub(in crate::step) run: Run,
    pub(super) offloads_input: bool,
    /// What is alive of it in each phase of forward and of backward, once that has been asked for.
    pub(super) forward: PhaseTotals,
    pub(super) backward: PhaseTotals,
}

/// The totals of each phase.
pub(super) type PhaseTotals = [OnceCell<Totals>; Phase::COUNT];

/// What is kept of a layer when its forward is done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::step) enum Kept {
    /// While autocast is on, which holds its cache of weight casts.
    InAutocast,
    /// The same when all layers are done.
    AtLoss,
    /// For backward.
    ForBackward,
}

impl RegisteredLayer<'_> {
    pub(in crate::step) fn block(&self) -> &Block {
        self.with_graph.block()
    }

    pub(in crate::step) fn running(&self) -> &Registered<'_> {
        self.without_graph.as_ref().unwrap_or(&self.with_graph)
    }

    /// What the checkpoint holds: the layer's input, and outputs of the operators that it doesn't run again.
    pub(super) fn kept_by_checkpoint(&self) -> Alive {
        self.block().kept_by_checkpoint(self.offloads_input)
    }

    /// What is alive of it in forward.
    pub(in crate::step) fn alive_in_forward(&self, phase: Phase) -> Alive {
        let block = self.running().block();
        if phase == Phase::Gathering { block.only_input() } else { block.at_peak(Run::Forward) }
    }

    /// That by category.
    pub(in crate::step) fn totals_in_forward(&self, phase: Phase) -> Totals {
        let totals = || self.running().block().by_category(&self.alive_in_forward(phase));
        self.forward.get(phase as usize).map_or_else(totals, |known| *known.get_or_init(totals))
    }

    /// The event of backward with which the gradient is made of the adapter that forward runs first.
    fn last_adapter(&self) -> usize {
        self.block().last_gradient_of(self.run, What::LoraA).unwrap_or_default()
    }

    /// And in backward.
    pub(in crate::step) fn alive_in_backward(&self, phase: Phase) -> Alive {
        let block = self.block();
        match phase {
            Phase::Gathering if self.without_graph.is_some() => {
                block.before_backward(&self.kept_by_checkpoint())
            }
            Phase::Gathering => block.before_backward(block.kept_for_backward()),
            Phase::Running => block.at_peak(self.run),
            Phase::Beginning => block.at_peak_among(self.run, 0..self.last_adapter()),
            Phase::Finishing => block.at_peak_among(self.run, self.last_adapter()..usize::MAX),
            Phase::Reducing => block.handed_on(),
        }
    }

    /// That by category.
    pub(in crate::step) fn totals_in_backward(&self, phase: Phase) -> Totals {
        let totals = || self.block().by_category(&self.alive_in_backward(phase));
        self.backward.get(phase as usize).map_or_else(totals, |known| *known.get_or_init(totals))
    }

    pub(super) fn bytes_kept(&self, kept: Kept) -> Bytes {
        match (&self.without_graph, kept) {
            (None, Kept::InAutocast) => self.block().bytes(self.block().kept_by_forward()),
            (None, Kept::AtLoss) => self.block().bytes(self.block().kept_at_loss()),
            (None, Kept::ForBackward) => self.block().bytes(self.block().kept_for_backward()),
            (Some(first), Kept::ForBackward) => {
                self.block().bytes(&self.kept_by_checkpoint())
                    + first.block().bytes(&first.block().kept_by_nodes_alone())
            }
            (Some(first), Kept::InAutocast | Kept::AtLoss) => {
                self.block().bytes(&self.kept_by_checkpoint())
                    + first.block().bytes(&first.block().only_casts())
            }
        }
    }

    /// What its backward leaves until the step is over.
    pub(super) fn bytes_left(&self) -> Bytes {
        let first = self.without_graph.as_ref().map(Registered::block);
        self.block().bytes(&self.block().left_by_backward())
            + first.map_or(Bytes::ZERO, |first| first.bytes(&first.kept_by_nodes()))
    }

    /// What nodes of its first pass keep while its backward runs.
    pub(super) fn bytes_beside_backward(&self) -> Bytes {
        let first = self.without_graph.as_ref().map(Registered::block);
        first.map_or(Bytes::ZERO, |first| first.bytes(&first.kept_by_nodes_alone()))
    }
}
