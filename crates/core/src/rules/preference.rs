//! Log-probabilities of pairs, for DPO: TRL's `selective_log_softmax`, which goes row by row. FINDINGS section 9.
//!
//! Rows are alike, so that all but the last are noted as one tensor: what forward keeps of them is exact at the last row, where
//! forward is at its largest; backward begins at the last row, where most is kept, and ends with the stack of all rows' gradients.

use super::Writer;
use crate::ledger::{Dim, Dims, Module, What};
use crate::scenario::LogProbs;
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// The summed log-probability of each row. Takes over the caller's `logits`.
    pub(crate) fn log_probabilities(&mut self, logits: Var, way: LogProbs) -> Var {
        let dims = Dims::new(&self.pass.tokens());
        let labels = self.tape.constant(self.made(Module::Loss, What::ShiftedLabels, dims, Dtype::Int64));
        let mut logits = logits;
        if way == LogProbs::SelectiveFp32 {
            let wide = self.cast(logits, Module::Loss, What::LogitsFp32, Dtype::Fp32);
            self.tape.drop(logits);
            logits = wide;
        }
        let chosen = if way == LogProbs::LogSoftmax {
            self.through_one_log_softmax(logits, labels)
        } else if self.tape.dtype(logits) == Dtype::Fp32 {
            self.through_logsumexp(logits, labels)
        } else {
            self.through_log_softmax(logits, labels)
        };
        let sum = self.scalar(chosen, &[]);
        self.tape.drop(chosen);
        self.tape.drop(labels);
        self.tape.drop(logits);
        sum
    }

    /// One row of the logits, or the log-probabilities of its tokens.
    fn of_row(&self, what: What, dtype: Dtype) -> Storage {
        let dims = Dims::new(&[self.pass.sequence(), self.pass.vocabulary()]);
        self.made(Module::Loss, what, dims, dtype)
    }

    fn chosen(&self, dtype: Dtype) -> Storage {
        self.made(Module::Loss, What::LogProbs, Dims::new(&self.pass.tokens()), dtype)
    }

    /// `gather(logits.log_softmax(-1), labels)`: one log-softmax of all rows, an fp32 operator under autocast.
    fn through_one_log_softmax(&mut self, logits: Var, labels: Var) -> Var {
        let dtype = if self.pass.autocast.is_some() { Dtype::Fp32 } else { self.tape.dtype(logits) };
        let wide = if self.tape.dtype(logits) == Dtype::Fp16 {
            self.tape.view(logits, &[], &[Step::Pass(logits)])
        } else {
            self.cast(logits, Module::Loss, What::LogitsFp32, dtype)
        };
        let gradient = self.gradient(wide);
        let all = self.made(Module::Loss, What::LogSoftmax, self.rows(&[self.pass.vocabulary()]), dtype);
        let log_softmax = self.tape.operator_keeping_output(all, &[], &[gradient]);
        self.tape.drop(wide);
        let gradient = self.gradient(log_softmax);
        let chosen = self.tape.operator(self.chosen(dtype), &[log_softmax, labels], &[gradient]);
        self.tape.drop(log_softmax);
        chosen
    }

    /// 16-bit logits: a log-softmax a row, in fp32 under autocast.
    fn through_log_softmax(&mut self, logits: Var, labels: Var) -> Var {
        let dtype = if self.pass.autocast.is_some() { Dtype::Fp32 } else { self.tape.dtype(logits) };
        let keeps = self.tape.mode() == crate::tape::Mode::Grad;
        let row = self.of_row(What::LogSoftmax, dtype);
        let others = Dim::number(self.pass.rows.saturating_sub(1));
        // unbind's backward stacks the gradients of all rows.
        let unbind = [self.gradient(logits)];
        let rows = self.tape.view(logits, &[], &unbind);
        let narrow = self.of_row(What::Logits, self.tape.dtype(logits));

        let earlier = self.tape.view(rows, &[], &[Step::Join(rows)]);
        self.tape.reshape(earlier, narrow.name, narrow.dims.times(others));
        // Without a graph only the row before the last is still held.
        let held = if keeps { Storage { dims: row.dims.times(others), ..row } } else { row };
        let step = [self.gradient(earlier)];
        let freed = self.tape.view(earlier, &[], &step);
        let earlier_rows = self.tape.operator(held, &[], &[Step::Pass(freed)]);
        let earlier_chosen = self.tape.view(earlier_rows, &[earlier_rows], &[Step::Pass(earlier_rows)]);

        let last = self.tape.view(rows, &[], &[Step::Pass(rows)]);
        self.tape.reshape(last, narrow.name, narrow.dims);
        // fp16 is widened inside the kernel (`aten/src/ATen/native/SoftMax.cpp`, `log_softmax`: `half_to_float`).
        let wide = if self.tape.dtype(last) == Dtype::Fp16 {
            self.tape.view(last, &[], &[Step::Pass(last)])
        } else {
            self.cast(last, Module::Loss, What::LogitsFp32, dtype)
        };
        let step = [self.gradient(wide)];
        let log_softmax = self.tape.operator_keeping_output(row, &[], &step);
        self.tape.drop(wide);
        let chosen = self.chosen(dtype);
        let steps = [self.gradient(log_softmax), Step::Pass(earlier_chosen)];
        let chosen = self.tape.operator(chosen, &[labels], &steps);
        for var in [log_softmax, last, earlier_chosen, earlier_rows, freed, earlier, rows] {
            self.tape.drop(var);
        }
        chosen
    }

    /// fp32 logits: `gather(logits) - logsumexp(logits)`. Both keep the logits; `logsumexp` goes row by row.
    fn through_logsumexp(&mut self, logits: Var, labels: Var) -> Var {
        let gather = [self.gradient(logits)];
        let selected = self.tape.operator(self.chosen(Dtype::Fp32), &[logits, labels], &gather);
        let unbind = [self.gradient(logits)];
        let rows = self.tape.view(logits, &[], &unbind);
        let row = self.of_row(What::Logits, Dtype::Fp32);
        let others = Dim::number(self.pass.rows.saturating_sub(1));
        let earlier = self.tape.view(rows, &[], &[Step::Join(rows)]);
        self.tape.reshape(earlier, row.name, row.dims.times(others));
        let last = self.tape.view(rows, &[], &[Step::Pass(rows)]);
        self.tape.reshape(last, row.name, row.dims);
        let earlier_sums = self.logsumexp(earlier, logits, row);
        let last_sum = self.logsumexp(last, logits, row);
        let steps = [Step::Pass(selected), self.gradient(last_sum), Step::Pass(earlier_sums)];
        let chosen = self.tape.operator(self.chosen(Dtype::Fp32), &[], &steps);
        for var in [last_sum, earlier_sums, last, earlier, rows, selected] {
            self.tape.drop(var);
        }
        chosen
    }

    /// `logsumexp` of some rows: exponents of one row at a time, in forward and in backward (`logsumexp_backward`).
    fn logsumexp(&mut self, rows: Var, logits: Var, row: Storage) -> Var {
        let exponents = self.temporary(Module::Loss, What::Step, row.dims, Dtype::Fp32);
        let sum = self.made(Module::Loss, What::LogSumExp, Dims::new(&[self.pass.sequence()]), Dtype::Fp32);
        self.tape.scratch(exponents);
        let steps = [Step::Temporary(exponents), self.gradient(rows)];
        self.tape.operator(sum, &[logits], &steps)
    }
}
