//! Who holds tensors beside the graph: autocast's cache, checkpoints, names of the model's forward.

use super::{Mode, Tape, Var};

impl Tape {
    /// Autocast's cache, or another one, holds the tensor until forward is over.
    pub(crate) fn cache(&mut self, var: Var) {
        let id = self.storage_of(var);
        self.hold(id);
        self.cached.push(id);
    }

    /// The block's backward is one node, which a checkpoint hands all that it needs.
    pub(crate) fn hand_out_at_once(&mut self) {
        self.hands_out_at_once = self.mode == Mode::Recompute;
    }

    /// A checkpoint keeps the tensor: it is there when the block is run again (`torch/utils/checkpoint.py`, `_CachingTorchDispatchMode`).
    pub(crate) fn select(&mut self, var: Var) {
        let id = self.storage_of(var);
        self.selected.push(id);
        if !self.mode.records() {
            self.hold(id);
        }
    }

    /// The tensor stays until the step is over.
    pub(crate) fn hold_on(&mut self, var: Var) {
        let id = self.storage_of(var);
        self.hold(id);
    }

    /// The last operator's node keeps the tensor as an attribute of its own, not as a saved tensor: neither hooks nor the node's backward
    /// let go of it, only the graph's end, which comes with that of the loss.
    pub(crate) fn keep_by_node(&mut self, var: Var) {
        if self.mode != Mode::NoGrad && self.requires_grad(var) {
            let id = self.storage_of(var);
            self.hold(id);
            self.by_nodes.push(id);
        }
    }

    pub(super) fn let_go_of_nodes(&mut self) {
        for id in std::mem::take(&mut self.by_nodes) {
            self.release(id);
        }
    }

    /// Autocast is left before forward ends.
    pub(crate) fn leave_autocast(&mut self) {
        self.left_autocast = Some(self.empty_cache());
    }

    /// Forward is done, but what is dropped from here on is named until the model's forward returns.
    pub(crate) fn keep_names(&mut self) {
        self.returned = Some(self.events.len());
    }

    /// What has been dropped since `keep_names` is gone when the stack of layers returns; what is dropped from here on stays until the loss is
    /// there.
    pub(crate) fn leave_stack(&mut self) {
        self.left_stack = Some(self.events.len());
    }

    pub(super) fn empty_cache(&mut self) -> usize {
        for at in 0..self.cached.len() {
            self.release(self.cached[at]);
        }
        self.events.len()
    }
}
