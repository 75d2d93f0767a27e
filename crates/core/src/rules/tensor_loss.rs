//! Final norm, logits and loss with tensor parallelism. The training loop asks the model for logits and computes the loss itself, as
//! torchtitan does, so that the model's hidden states are gone by then.

use super::Writer;
use super::layer::residual_stream;
use crate::ledger::{Dim, Dims, Module, Name, What};
use crate::parallel::TensorParallel;
use crate::plan::Pass;
use crate::tape::{Block, Mode, Step, Var};
use crate::units::Dtype;

/// What stands after the last layer.
pub(super) fn split_head(pass: &Pass, mode: Mode, split: &TensorParallel) -> Block {
    let mut writer = Writer::new(pass, mode, pass.trained.head());
    let input = residual_stream(pass, Name::of(Module::Layer, What::Output));
    let input = writer.tape.input(input, pass.follows(pass.architecture.blocks()));
    let normed = writer.norm_of_tokens(input, Module::FinalNorm);
    writer.tape.drop(input);
    let gathered = writer.whole_sequence(normed, Module::LmHead);
    let logits = writer.logits(gathered.unwrap_or(normed));
    for var in gathered.into_iter().chain([normed]) {
        writer.tape.drop(var);
    }
    if pass.autocast.is_none() {
        // The model returns: what FSDP wraps ends here, as autocast around the model alone would.
        writer.tape.leave_autocast();
    }
    let loss =
        if split.splits_loss { writer.parallel_cross_entropy(logits) } else { writer.cross_entropy(logits) };
    writer.tape.drop(logits);
    writer.tape.finish(Some(input), loss, true)
}

impl Writer<'_> {
    /// `cross_entropy(logits.float(), labels)` of a part of the vocabulary (`torch/distributed/tensor/parallel/loss.py`, `_log_softmax`,
    /// `_nll_loss_forward`, `_nll_loss_and_log_softmax_backward`): in Python, step by step. Keeps the log-softmax and the labels; backward
    /// makes the gradient of the logits at once, in three tensors of their size.
    fn parallel_cross_entropy(&mut self, logits: Var) -> Var {
        let wide = self.cast(logits, Module::Loss, What::LogitsFp32, Dtype::Fp32);
        let dims = self.tape.storage(wide).dims;
        let column = self.made(Module::Loss, What::Accumulator, Dims::new(&self.pass.tokens()), Dtype::Fp32);
        let full = |writer: &Self, what| writer.made(Module::Loss, what, dims, Dtype::Fp32);
        let largest = self.tape.constant(column);
        let of_all = self.tape.constant(column);
        self.tape.drop(largest);
        let shifted = full(self, What::Centred);
        let shifted = self.tape.constant(shifted);
        let exponentials = full(self, What::Softmax);
        let exponentials = self.tape.constant(exponentials);
        let sums = self.tape.constant(column);
        self.tape.drop(exponentials);
        let sums_of_all = self.tape.constant(column);
        self.tape.drop(sums);
        let logarithm = self.tape.constant(column);
        let log_softmax = full(self, What::LogSoftmax);
        let log_softmax = self.tape.operator_keeping_output(log_softmax, &[], &[Step::Pass(wide)]);
        for var in [shifted, of_all, sums_of_all, logarithm] {
            self.tape.drop(var);
        }
        let loss = self.made(Module::Loss, What::Output, Dims::new(&[]), Dtype::Fp32);
        let tokens = Dims::new(&self.pass.tokens());
        // Targets without ignored ones, which of them are this rank's, and where they stand; the update and the incoming gradient.
        let (places, columns) = (tokens.times(Dim::number(3)), tokens.times(Dim::number(2)));
        let temporary = |what, dims, dtype| Step::Temporary(self.temporary(Module::Loss, what, dims, dtype));
        let steps = [
            temporary(What::Labels, places, Dtype::Int64),
            temporary(What::Mask, tokens, Dtype::Bool),
            temporary(What::Accumulator, columns, Dtype::Fp32),
            temporary(What::Step, dims, Dtype::Fp32),
            temporary(What::Product, dims, Dtype::Fp32),
            self.gradient(log_softmax),
        ];
        let loss = self.tape.operator(loss, &[log_softmax], &steps);
        self.tape.drop(log_softmax);
        self.tape.drop(wide);
        loss
    }
}
