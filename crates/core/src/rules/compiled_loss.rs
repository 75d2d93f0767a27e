//! Cross entropy compiled by Inductor. PARALLEL section 11.
//!
//! One kernel reads the logits as they are, twice: for the largest of each row and for the sum of exponentials, both of which it keeps in
//! fp32 beside the logits. Backward writes their gradient at once; where the logits were made inside of the compiled region, over them
//! (`torch/_functorch`, donated buffers).

use super::Writer;
use crate::ledger::{Dim, Dims, Module, What};
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// The statistics that compiled cross entropy keeps of each row.
    fn row_statistics(&mut self, rows: Dims) -> [Var; 2] {
        [What::LargestLogit, What::LogSumExp]
            .map(|what| self.tape.constant(self.made(Module::Loss, what, rows, Dtype::Fp32)))
    }

    /// The loss of rows of logits, which the caller still holds.
    pub(crate) fn compiled_loss_of(&mut self, logits: Var, rows: Dims, labels: Var) -> Var {
        let gradient = self.gradient(logits);
        self.kept_logits(logits, rows, labels, &[gradient])
    }

    /// Logits and statistics are kept; `steps` are what backward does.
    pub(crate) fn kept_logits(&mut self, logits: Var, rows: Dims, labels: Var, steps: &[Step]) -> Var {
        let [largest, sum] = self.row_statistics(rows);
        let number = self.made(Module::Loss, What::Output, Dims::new(&[]), Dtype::Fp32);
        let loss = self.tape.operator(number, &[logits, largest, sum, labels], steps);
        self.tape.drop(largest);
        self.tape.drop(sum);
        loss
    }

    /// `torch.compile(cross_entropy)` on all logits.
    pub(crate) fn compiled_cross_entropy(&mut self, logits: Var) -> Var {
        let [padded, labels] = self.shifted_labels();
        self.tape.drop(padded);
        let rows = Dims::new(&self.pass.tokens());
        let loss = self.compiled_loss_of(logits, rows, labels);
        self.tape.drop(labels);
        loss
    }

    /// `torch.compile` of head and cross entropy together: in backward the product for the weight comes first, after which the hidden
    /// states are let go.
    pub(crate) fn compiled_linear_cross_entropy(&mut self, normed: Var) -> Var {
        let [padded, labels] = self.shifted_labels();
        self.tape.drop(padded);
        let compute = self.pass.compute();
        let input = self.cast(normed, Module::LmHead, What::InputCast, compute);
        let weight = self.head_weight();
        let rows = Dims::new(&self.pass.tokens());
        let logits = self.made(Module::LmHead, What::Output, rows.and(self.pass.vocabulary()), compute);
        let nothing = Storage { dims: Dims::new(&[Dim::number(0)]), ..logits };
        let workspace = Step::Scratch(self.workspace(false));
        self.tape.keep_parameter(input);
        let steps = [self.gradient_of_rows(input), workspace];
        let of_input = self.tape.operator(nothing, weight.kept().as_slice(), &steps);
        self.tape.describe(of_input, logits);
        let of_weight = self.transposed(weight);
        let steps = [self.view_gradient(of_weight), workspace, Step::Pass(of_input)];
        let saved: &[Var] = if self.trains_head() { &[input] } else { &[] };
        let logits = self.tape.operator(logits, saved, &steps);
        self.tape.scratch(self.workspace(false));
        self.tape.drop(of_weight);
        self.leave_head_weight(weight);
        self.tape.drop(input);
        let loss = self.kept_logits(logits, rows, labels, &[Step::Overwrite(logits, logits)]);
        for var in [of_input, logits, labels] {
            self.tape.drop(var);
        }
        loss
    }
}
