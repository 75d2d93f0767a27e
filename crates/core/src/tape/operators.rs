//! What an operator leaves on the tape: its output, the tensors that its node keeps, the steps of its backward.

use super::{Mode, Node, Step, Storage, StorageId, Tape, Var};
use crate::ledger::{Dims, Module, Name, What};

impl Tape {
    /// An operator that makes one tensor.
    ///
    /// `saved` is what its node keeps for backward, `steps` what its backward does. Both are dropped where no gradient is
    /// recorded.
    pub(crate) fn operator(&mut self, output: Storage, saved: &[Var], steps: &[Step]) -> Var {
        // An operator's inputs are kept before it runs (`torch/csrc/autograd/VariableTypeManual.cpp` and what is generated like it).
        let before = self.events.len();
        let id = self.allocate(output);
        self.node(id, output, saved, steps, before)
    }

    /// The next operator keeps a parameter, which is there anyway: a frozen weight, by which the gradient of `x` is made.
    pub(crate) fn keep_parameter(&mut self, x: Var) {
        self.keeps_parameter = self.requires_grad(x);
    }

    /// The same, keeping its output too (softmax, tanh, attention).
    pub(crate) fn operator_keeping_output(&mut self, output: Storage, saved: &[Var], steps: &[Step]) -> Var {
        let output = self.operator_keeping_results(output, saved, steps);
        let is_recorded = self.mode.records() && self.requires_grad(output);
        if let (true, Some(node)) = (is_recorded, self.nodes.last_mut()) {
            node.saved.1 += 1;
            node.unpacks = true;
            let id = self.storage_of(output);
            self.saved.push(id);
            self.hold(id);
        }
        output
    }

    /// The same, where it makes one of the tensors that it keeps (dropout's mask).
    pub(crate) fn operator_keeping_results(&mut self, output: Storage, saved: &[Var], steps: &[Step]) -> Var {
        let output = self.operator(output, saved, steps);
        if self.mode.records() && self.requires_grad(output) {
            self.packed = self.events.len();
        }
        output
    }

    /// Gives a view its own name, shape or dtype: its gradient is made so.
    pub(crate) fn describe(&mut self, view: Var, describes: Storage) {
        self.variables[usize::from(view.0)].describes = describes;
    }

    /// Gives a view its own name and shape.
    pub(crate) fn reshape(&mut self, view: Var, name: Name, dims: Dims) {
        self.describe(view, Storage { name, dims, ..self.storage(view) });
    }

    /// An operator whose output shares the storage of `base`: a view, an in-place operation.
    pub(crate) fn view(&mut self, base: Var, saved: &[Var], steps: &[Step]) -> Var {
        let id = self.storage_of(base);
        self.hold(id);
        self.node(id, self.storage(base), saved, steps, self.events.len())
    }

    /// A tensor outside of the graph: masks, statistics, workspaces.
    pub(crate) fn constant(&mut self, storage: Storage) -> Var {
        let id = self.allocate(storage);
        self.variable(id, storage, false)
    }

    /// Memory that a kernel needs only while it runs.
    pub(crate) fn scratch(&mut self, storage: Storage) {
        let var = self.constant(storage);
        self.drop(var);
    }

    /// Python's last name for a tensor goes away.
    pub(crate) fn drop(&mut self, var: Var) {
        let id = self.storage_of(var);
        self.release(id);
    }

    fn node(
        &mut self,
        id: StorageId,
        describes: Storage,
        saved: &[Var],
        steps: &[Step],
        before: usize,
    ) -> Var {
        let leads_on = |step: &Step| {
            !matches!(step, Step::Temporary(_) | Step::Until(..) | Step::Scratch(_) | Step::Raw(_))
                && self.is_needed(step)
        };
        let requires_grad = self.mode != Mode::NoGrad && steps.iter().any(leads_on);
        let output = self.variable(id, describes, requires_grad);
        let keeps_parameter = std::mem::take(&mut self.keeps_parameter);
        if requires_grad && self.mode.records() {
            let unpacks = keeps_parameter || !saved.is_empty();
            if unpacks {
                self.packed = before;
            }
            let first_saved = self.saved.len();
            for var in saved {
                let kept = self.storage_of(*var);
                self.hold(kept);
                self.saved.push(kept);
            }
            let first_step = self.steps.len();
            for (at, step) in steps.iter().enumerate() {
                let target = steps[at..].iter().find(|step| !matches!(step, Step::Raw(_) | Step::Scratch(_)));
                let decides = if matches!(step, Step::Raw(_)) { target } else { Some(step) };
                if decides.is_some_and(|step| self.is_needed(step)) {
                    self.steps.push(*step);
                }
            }
            self.nodes.push(Node {
                output,
                steps: (first_step, self.steps.len()),
                saved: (first_saved, self.saved.len()),
                unpacks,
            });
        }
        output
    }

    fn is_needed(&self, step: &Step) -> bool {
        match step {
            Step::Gradient(var, _) | Step::GradientView(var, _) | Step::Pass(var) | Step::Join(var) => {
                self.variables[usize::from(var.0)].requires_grad
            }
            Step::Overwrite(var, _) => self.variables[usize::from(var.0)].requires_grad,
            Step::Parameter(storage) | Step::Waiting(storage) => self.trains.parameter(storage.name),
            Step::Become(name, _) => self.trains.parameter(*name),
            Step::IntoWaiting => self.trains.parameter(Name::of(Module::Embedding, What::Weight)),
            Step::MadeByForward(..)
            | Step::Until(..)
            | Step::Temporary(_)
            | Step::Scratch(_)
            | Step::Raw(_)
            | Step::Adapter(_)
            | Step::Wait
            | Step::Leaf => true,
        }
    }
}
