//! `MambaMixer`, `FalconMambaMixer`, `JambaMambaMixer`: one projection, a convolution, from what it makes the length of a step, B and C,
//! and the selective scan, times a gate.
//!
//! All but the projections is done with a row for each channel. A matrix product reads rows for tokens: of more than one sample it copies
//! what is transposed (`aten/src/ATen/native/LinearAlgebra.cpp`, `should_fold`), and its gradient is copied back.

use super::selective::SelectiveInputs;
use crate::ledger::{Dim, Module, What};
use crate::model::{Recurrent, ScanNorms};
use crate::rules::Writer;
use crate::rules::linear::Linear;
use crate::rules::norm::Norm;
use crate::tape::{Step, Var};
use crate::units::Dtype;

impl Writer<'_> {
    pub(super) fn mamba(&mut self, x: Var, layer: &Recurrent) -> Var {
        let given = self.tape.dtype(x);
        let (inner, state) = (Dim::number(layer.values()), layer.key_dim.get());
        let width = inner.value.saturating_mul(2);
        let projected = self.recurrent_projection(x, Module::RecurrentIn, width, layer.proj_bias);
        let decay = self.negative_rate(&[inner, Dim::number(state)]);
        let of_inner = self.rows(&[inner]);
        let by_channel = self.by_channel(projected);
        let [mixed, gate] = self.split_into(by_channel, [(What::Input, of_inner), (What::Scaled, of_inner)]);
        self.tape.drop(by_channel);
        let hidden = self.then(mixed, |w, x| w.convolution(x, layer));
        let [step, keys, queries] = self.selected_by_input(hidden, layer);
        let step = self.widened_step(step, layer);
        let bias = self.step_bias(inner);
        let inputs = SelectiveInputs { hidden, step, bias, decay, keys, queries, gate };
        let read = self.selective_scan(&inputs, layer);
        let narrow = self.cast(read, Module::RecurrentOut, What::Input, given);
        let input = self.cast(narrow, Module::RecurrentOut, What::InputCast, self.pass.compute());
        let rows = self.rows_of_tokens(input);
        let output = self.recurrent_output(rows, layer);
        let names = [rows, input, narrow, read, queries, keys, step, hidden, gate, decay, projected];
        for var in names.into_iter().chain(bias) {
            self.tape.drop(var);
        }
        output
    }

    /// The length of a step, B and C of each token (`x_proj`), normalised as the family does it. The caller still holds `hidden`.
    fn selected_by_input(&mut self, hidden: Var, layer: &Recurrent) -> [Var; 3] {
        let [inner, state, rank] =
            [layer.values(), layer.key_dim.get(), layer.step_rank.get()].map(Dim::number);
        let all = [Dim::number(rank.value.saturating_add(state.value.saturating_mul(2)))];
        let module = Module::SelectiveIn;
        let rows = self.rows_of_tokens(hidden);
        let linear = Linear { module, weight_of: module, input: &[inner], output: &all, has_bias: false };
        let selected = self.then(rows, |w, x| w.linear(x, &linear));
        let (of_step, of_state) = (self.rows(&[rank]), self.rows(&[state]));
        let parts = [(What::Step, of_step), (What::Key, of_state), (What::Query, of_state)];
        let [step, keys, queries] = self.split_into(selected, parts);
        self.tape.drop(selected);
        let parts =
            [(step, Module::StepNorm, rank), (keys, Module::BNorm, state), (queries, Module::CNorm, state)];
        parts.map(|(part, module, width)| self.then(part, |w, x| w.scan_norm(x, module, width)))
    }

    fn scan_norm(&mut self, x: Var, module: Module, width: Dim) -> Var {
        let norm = Norm { module, rows: &self.pass.tokens(), width };
        match self.pass.architecture.family.scan_norms() {
            ScanNorms::None => self.tape.view(x, &[], &[Step::Pass(x)]),
            ScanNorms::Weighted => self.norm(x, &norm),
            ScanNorms::WithoutWeights => self.norm_without_weight(x, &norm),
        }
    }

    /// `dt_proj.weight @ step.transpose(1, 2)`: the product of rows of tokens, transposed and copied. Takes over `step`.
    fn widened_step(&mut self, step: Var, layer: &Recurrent) -> Var {
        let [inner, rank] = [layer.values(), layer.step_rank.get()].map(Dim::number);
        let module = Module::StepProj;
        let linear = Linear { module, weight_of: module, input: &[rank], output: &[inner], has_bias: false };
        let product = self.then(step, |w, x| w.linear(x, &linear));
        let by_channel = self.then(product, Self::by_channel);
        let dims = self.rows(&[inner]);
        self.then(by_channel, |w, x| w.copied(x, What::Step, dims))
    }

    /// `dt_proj.bias.float()`, where that is a copy.
    fn step_bias(&mut self, inner: Dim) -> Option<Var> {
        (self.pass.weight != Dtype::Fp32).then(|| {
            let gradient = self.parameter_gradient(Module::StepProj, What::Bias, &[inner]);
            let wide = self.scanned(What::Step, crate::ledger::Dims::new(&[inner]), Dtype::Fp32);
            self.tape.operator(wide, &[], &[gradient])
        })
    }

    /// What a product has made, seen with a row for each channel: its gradient is copied into rows of tokens.
    fn by_channel(&mut self, x: Var) -> Var {
        let dims = self.tape.storage(x).dims;
        let is_copied = self.pass.rows > 1;
        self.reshaped(x, What::Output, dims, is_copied)
    }

    /// What has a row for each channel, as rows of tokens for a product.
    fn rows_of_tokens(&mut self, x: Var) -> Var {
        let dims = self.tape.storage(x).dims;
        if self.pass.rows > 1 {
            self.copied(x, What::Contiguous, dims)
        } else {
            self.reshaped(x, What::Contiguous, dims, false)
        }
    }
}
