//! What tensor parallelism adds to linear layers, norms and the embedding: collectives before and after them, as `DTensor` makes them
//! (`torch/distributed/tensor/placement_types.py`, `torch/distributed/_functional_collectives.py`).
//!
//! Without sequence parallelism a column-wise layer reads what all ranks have, and its input's gradient is summed over ranks, layer by layer
//! (`_functional_collectives.all_reduce` makes a new tensor); a row-wise layer's output is summed likewise. With it norms and residuals have
//! a part of the sequence: it is gathered once for q, k and v and once for the MLP, and what comes out is reduced and scattered. A
//! collective works along dimension 0, so that along the sequence a copy is needed before or after it (`_chunk_or_narrow_cat`), but for
//! gathering a single sequence (`_maybe_view_chunk_cat`). Derived from these, checked with PARALLEL section 6.

use super::Writer;
use super::embedding::SORTS_ABOVE;
use super::linear::Linear;
use crate::ledger::{Category, Dim, Dims, Module, Name, What};
use crate::parallel::{Split, TensorParallel};
use crate::tape::{Step, Storage, Var};

impl Writer<'_> {
    /// A linear layer of which the rank has a part.
    pub(super) fn split_linear(&mut self, x: Var, linear: &Linear<'_>, split: &TensorParallel) -> Var {
        match Split::of(linear.module) {
            Split::Columns if !split.splits_sequence => {
                // `from_local(x, Replicate())`, whose gradient is a partial sum.
                let gradient = self.gradient(x);
                let entered = self.tape.view(x, &[], &[gradient]);
                let output = self.held_linear(entered, linear);
                self.tape.drop(entered);
                output
            }
            Split::Rows => {
                let partial = self.held_linear(x, linear);
                let output = self.reduced(partial, linear.module, split);
                self.tape.drop(partial);
                output
            }
            Split::Columns | Split::Whole => self.held_linear(x, linear),
        }
    }

    /// The whole sequence of what a norm has made of a part of it; none where every rank has all of it.
    pub(super) fn whole_sequence(&mut self, x: Var, module: Module) -> Option<Var> {
        self.pass.tensor.filter(|split| split.splits_sequence)?;
        let whole = self.whole_stream(x, module, What::Input);
        let buffer = self.gather_buffer(whole).map(|buffer| self.tape.constant(buffer));
        let steps = [Step::Temporary(exchanged(whole, What::ReduceInput)), self.gradient(x)];
        let gathered = self.tape.operator(whole, &[], &steps);
        if let Some(buffer) = buffer {
            self.tape.drop(buffer);
        }
        Some(gathered)
    }

    /// The sum over ranks of a partial one, or the rank's part of the sequence of it.
    fn reduced(&mut self, partial: Var, module: Module, split: &TensorParallel) -> Var {
        let whole = self.whole_stream(partial, module, What::ReduceOutput);
        if !split.splits_sequence {
            return self.tape.operator(whole, &[], &[Step::Pass(partial)]);
        }
        let buffer = self.tape.constant(exchanged(whole, What::ReduceInput));
        let short = Storage { dims: Dims::new(&self.pass.stream()).and(self.pass.hidden()), ..whole };
        let mut steps: Vec<Step> = self.gather_buffer(whole).map(Step::Temporary).into_iter().collect();
        steps.push(self.gradient(partial));
        let output = self.tape.operator(short, &[], &steps);
        self.tape.drop(buffer);
        output
    }

    fn whole_stream(&self, x: Var, module: Module, what: What) -> Storage {
        self.made(module, what, self.rows(&[self.pass.hidden()]), self.tape.dtype(x))
    }

    /// What an all-gather along the sequence fills before it is put in order: nothing where there is one sequence.
    fn gather_buffer(&self, whole: Storage) -> Option<Storage> {
        (self.pass.rows > 1).then(|| exchanged(whole, What::GatherBuffer))
    }

    /// The gradient of a norm's fp32 input, which two operators make: of a `DTensor` two gradients are summed in a third tensor
    /// (`torch/csrc/autograd/input_buffer.cpp`, `can_accumulate_inplace`: not of a subclass).
    pub(super) fn gradient_in_norm(&self, x: Var, module: Module) -> Step {
        let is_in_plan = matches!(module, Module::InputNorm | Module::PostAttentionNorm | Module::FinalNorm);
        match self.pass.tensor {
            Some(split) if split.splits_sequence && is_in_plan => self.gradient_of_rows(x),
            _ => self.gradient(x),
        }
    }

    /// The logits of the whole vocabulary, unless the loss is computed from each rank's part. Takes over the caller's `part`.
    pub(super) fn joined_logits(&mut self, part: Var) -> Var {
        let Some(split) = self.pass.tensor.filter(|split| !split.splits_loss) else { return part };
        let vocabulary = Dim::new(self.pass.vocabulary().symbol, split.vocabulary().get());
        let dtype = self.tape.dtype(part);
        let whole = self.made(Module::LmHead, What::Logits, self.rows(&[vocabulary]), dtype);
        let buffer = self.tape.constant(exchanged(whole, What::GatherBuffer));
        let gradient = self.gradient(part);
        let logits = self.tape.operator(whole, &[], &[gradient]);
        self.tape.drop(buffer);
        self.tape.drop(part);
        logits
    }

    /// The lookup in the rank's rows of the embedding, summed over ranks. Its gradient is that of all rows, of which the rank's are copied
    /// out: by the optimizer, or, where the head's gradient or FSDP wait for them, at once.
    pub(super) fn split_lookup(&mut self, split: &TensorParallel) -> Var {
        let (hidden, dtype) = (self.pass.hidden(), self.pass.weight);
        let vocabulary = self.pass.vocabulary();
        let all = [Dim::new(vocabulary.symbol, split.vocabulary().get()), hidden];
        let mut steps = self.sort_buffers(SORTS_ABOVE, split.vocabulary());
        let gradient = |dims: &[Dim]| Storage {
            name: Name::gradient_of(Module::Embedding, What::Weight),
            category: Category::Temporaries,
            dims: Dims::new(dims),
            dtype,
        };
        let (whole, part) = (gradient(&all), gradient(&[vocabulary, hidden]));
        let is_tied = self.pass.architecture.tied;
        if is_tied || split.is_sharded() {
            let taken = if is_tied {
                vec![Step::Temporary(part), Step::Temporary(part), Step::IntoWaiting]
            } else {
                vec![self.parameter_gradient(Module::Embedding, What::Weight, &[vocabulary, hidden])]
            };
            let nothing = Storage { dims: Dims::new(&[Dim::number(0)]), ..whole };
            let weight = self.tape.operator(nothing, &[], &taken);
            self.tape.drop(weight);
            steps.push(Step::Gradient(weight, whole));
        } else {
            steps.push(self.parameter_gradient(Module::Embedding, What::Weight, &all));
        }
        let own = self.temporary(Module::Embedding, What::Output, self.rows(&[hidden]), dtype);
        let own = self.tape.operator(own, &[], &steps);
        let output = self.reduced(own, Module::Embedding, split);
        self.tape.drop(own);
        output
    }
}

/// A copy that a collective reads or fills.
fn exchanged(whole: Storage, what: What) -> Storage {
    Storage { name: Name { what, ..whole.name }, category: Category::Communication, ..whole }
}
