//! Backward of a block: its nodes in reverse, each with what it allocates, hands on and lets go.

use super::{GradientSum, Mode, Node, Step, Storage, StorageId, Tape, Var};
use crate::ledger::Name;

/// Gradients that a node has made, of variables and, without one, of parameters.
type Made = [Option<(Option<Var>, StorageId)>; 6];

impl Tape {
    pub(super) fn backward(&mut self) {
        for index in (0..self.nodes.len()).rev() {
            let Node { output, steps, saved, unpacks } = self.nodes[index];
            let Some(incoming) = self.variables[usize::from(output.0)].pending.take() else {
                self.release_saved(saved);
                continue;
            };
            if unpacks && self.unpacked.is_none() {
                self.unpacked = Some(self.events.len());
            }
            self.call(incoming, steps, saved);
            self.release_joined(output);
        }
        // The last one of a block is taken to be updated with it: of most layers that is a norm's.
        if let Some(last) = self.updates.waiting.take() {
            self.update(last);
        }
        if std::mem::take(&mut self.hands_out_at_once) {
            self.release_saved((0, self.saved.len()));
        }
    }

    fn call(&mut self, incoming: StorageId, steps: (usize, usize), saved: (usize, usize)) {
        let mut temporaries = [None; 6];
        let mut made = [None; 6];
        let mut raw = [None; 6];
        let mut at = steps.0;
        while at < steps.1 {
            match self.steps[at] {
                Step::Temporary(storage) => {
                    let id = self.allocate(storage);
                    put(&mut temporaries, id);
                }
                Step::Scratch(storage) => {
                    let id = self.allocate(storage);
                    self.release(id);
                }
                Step::Raw(storage) => {
                    let id = self.allocate(storage);
                    let workspace = at + 1;
                    at += if matches!(self.steps[workspace], Step::Scratch(_)) { 2 } else { 1 };
                    put(&mut raw, (id, workspace, at));
                }
                other => self.hand_out(incoming, other, &mut made),
            }
            at += 1;
        }
        temporaries.into_iter().flatten().for_each(|id| self.release(id));
        let unpacks_once = self.mode == Mode::Recompute;
        if unpacks_once {
            self.release_saved(saved);
        }
        for (id, workspace, at) in raw.into_iter().flatten() {
            self.hand_out(incoming, self.steps[at], &mut made);
            if let Step::Scratch(storage) = self.steps[workspace] {
                let sums = self.allocate(storage);
                self.release(sums);
            }
            self.release(id);
        }
        if !unpacks_once {
            self.release_saved(saved);
        }
        for (var, id) in made.into_iter().flatten() {
            match var {
                Some(var) => self.accumulate(var, id),
                None if self.sums == GradientSum::NewTensor => {}
                None if self.accumulates => self.release(id),
                None if self.updates.are_late => {}
                None if !self.updates.hooks.is_empty() => self.update(id),
                None => {}
            }
        }
        self.release(incoming);
        if self.updates.are_late {
            let of_parameters = made.into_iter().flatten().filter(|(var, _)| var.is_none());
            for (_, id) in of_parameters {
                if let Some(earlier) = self.updates.waiting.replace(id) {
                    self.update(earlier);
                }
            }
        }
        // A weight's gradient reaches the sum through nodes of its own (`TBackward0`, `AccumulateGrad`).
        let is_summed = self.sums == GradientSum::NewTensor;
        for (_, id) in made.into_iter().flatten().filter(|(var, _)| var.is_none() && is_summed) {
            let sum = self.allocate(self.storages[id.index()]);
            self.release(sum);
            self.release(id);
        }
    }

    /// A parameter's hook: its update, and the end of its gradient.
    fn update(&mut self, gradient: StorageId) {
        let name = Name { gradient: false, ..self.storages[gradient.index()].name };
        if let Some(&(_, size)) = self.updates.hooks.iter().find(|(of, _)| *of == name) {
            let made = self.allocate(Storage::of_update(size));
            self.release(made);
            self.release(gradient);
        }
    }

    /// What a step gives to the nodes before.
    fn hand_out(&mut self, incoming: StorageId, step: Step, made: &mut Made) {
        match step {
            Step::Gradient(var, storage) => {
                let id = self.allocate(storage);
                put(made, (Some(var), id));
            }
            Step::GradientView(var, storage) => {
                let id = self.allocate(storage);
                self.is_viewed[id.index()] = true;
                put(made, (Some(var), id));
            }
            Step::Pass(var) => {
                self.hold(incoming);
                put(made, (Some(var), incoming));
            }
            Step::Overwrite(var, kept) => {
                let id = self.storage_of(kept);
                self.hold(id);
                put(made, (Some(var), id));
            }
            Step::MadeByForward(kept, is_tied) => {
                self.become_parameters(self.storage_of(kept), is_tied, made);
            }
            Step::Wait => self.hold(incoming),
            Step::Become(_, is_tied) => self.become_parameters(incoming, is_tied, made),
            Step::Until(var, storage) => {
                let id = self.allocate(storage);
                self.joined.push((var, id));
            }
            Step::Join(var) => {
                self.hold(incoming);
                self.joined.push((var, incoming));
            }
            Step::Parameter(storage) | Step::Adapter(storage) => {
                let id = self.allocate(storage);
                put(made, (None, id));
            }
            Step::Waiting(storage) => {
                self.allocate(storage);
            }
            Step::IntoWaiting | Step::Leaf | Step::Temporary(_) | Step::Scratch(_) | Step::Raw(_) => {}
        }
    }

    fn become_parameters(&mut self, id: StorageId, is_tied: bool, made: &mut Made) {
        self.hold(id);
        if !is_tied {
            put(made, (None, id));
        }
    }

    /// `torch/csrc/autograd/input_buffer.cpp`, `InputBuffer::accumulate`.
    fn accumulate(&mut self, var: Var, gradient: StorageId) {
        let index = usize::from(var.0);
        let Some(old) = self.variables[index].pending else {
            self.variables[index].pending = Some(gradient);
            return;
        };
        if self.references[old.index()] > 1 || self.is_viewed[old.index()] {
            let sum = self.allocate(self.storages[gradient.index()]);
            self.variables[index].pending = Some(sum);
            self.release(old);
        }
        self.release(gradient);
    }

    fn release_joined(&mut self, var: Var) {
        let mut at = 0;
        while let Some(&(to, id)) = self.joined.get(at) {
            if to == var {
                self.joined.swap_remove(at);
                self.release(id);
            } else {
                at += 1;
            }
        }
    }

    fn release_saved(&mut self, saved: (usize, usize)) {
        if self.hands_out_at_once {
            return;
        }
        for at in saved.0..saved.1 {
            self.release(self.saved[at]);
        }
    }
}

/// Puts `value` into the first free place; an operator's backward has fewer steps than there are places.
fn put<T: Copy>(places: &mut [Option<T>], value: T) {
    if let Some(place) = places.iter_mut().find(|place| place.is_none()) {
        *place = Some(value);
    }
}
