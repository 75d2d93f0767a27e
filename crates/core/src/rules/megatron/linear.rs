//! Linear layers of Transformer Engine, each one node: `TELayerNormColumnParallelLinear` (`module/layernorm_linear.py`, `_LayerNormLinear`),
//! `TEColumnParallelLinear`, `TERowParallelLinear`, `TELinear` (`module/linear.py`, `_Linear`).
//!
//! With sequence parallelism a column-parallel layer gathers its input for the product and lets go of what it has gathered (`clear_tensor_data`);
//! backward gathers it again and scatters the gradient. A row-parallel layer scatters its output, and gathers the gradient in backward.

use super::{Writer, made};
use crate::ledger::{Dim, Module, What};
use crate::tape::{Step, Storage, Var};

impl Writer<'_> {
    /// A norm and a column-parallel product: keeps the norm's input, its output and statistics, each of the rank's part of the sequence.
    pub(super) fn norm_column(&mut self, x: Var, norm: Module, linear: Module, output: &[Dim]) -> Var {
        let dims = self.tape.storage(x).dims;
        let width = dims.as_slice().get(2..).unwrap_or_default();
        let (width, normed) = (width.to_vec(), self.short(norm, What::Scaled, width));
        let statistics = self.statistics(norm, &[self.rank.short(), self.rank.batch()]);
        let normed = self.tape.constant(normed);
        let gathered = self.gathered(linear, &width);
        let gathered = gathered.map(|storage| self.tape.constant(storage));
        let output = self.whole(linear, What::Output, output);
        let steps = self.column_backward(x, linear, &width);
        let kept = [&[x, normed], statistics.as_slice()].concat();
        let output = self.tape.operator(output, &kept, &steps);
        for var in gathered.into_iter().chain([normed]).chain(statistics) {
            self.tape.drop(var);
        }
        output
    }

    /// A column-parallel product: keeps its input.
    pub(super) fn column(&mut self, x: Var, linear: Module, output: &[Dim]) -> Var {
        let dims = self.tape.storage(x).dims;
        let width = dims.as_slice().get(2..).unwrap_or_default().to_vec();
        let gathered = self.gathered(linear, &width).map(|storage| self.tape.constant(storage));
        let output = self.whole(linear, What::Output, output);
        let steps = self.column_backward(x, linear, &width);
        let output = self.tape.operator(output, &[x], &steps);
        if let Some(gathered) = gathered {
            self.tape.drop(gathered);
        }
        output
    }

    /// A row-parallel product back to the hidden width: keeps its input.
    pub(super) fn row(&mut self, x: Var, linear: Module) -> Var {
        let hidden = [self.rank.hidden()];
        let (whole, scattered) =
            (self.whole(linear, What::Product, &hidden), self.short(linear, What::Output, &hidden));
        let gradient = self.gradient(x);
        if !self.rank.is_sequence_parallel {
            return self.tape.operator(scattered, &[x], &[gradient]);
        }
        let product = self.tape.constant(whole);
        let output = self.tape.operator(scattered, &[x], &[Self::temporary(whole), gradient]);
        self.tape.drop(product);
        output
    }

    /// A product that every rank makes whole (`TELinear` with `parallel_mode="duplicated"`): keeps its input.
    pub(super) fn duplicated(&mut self, x: Var, linear: Module, output: Dim) -> Var {
        let output = self.short(linear, What::Output, &[output]);
        let gradient = self.gradient(x);
        self.tape.operator(output, &[x], &[gradient])
    }

    /// A norm by itself (`TENorm`): keeps its input and statistics.
    pub(super) fn norm(&mut self, x: Var, module: Module) -> Var {
        let storage = self.tape.storage(x);
        let dims = storage.dims;
        let rows = dims.as_slice().split_last().map_or(&[][..], |(_, rows)| rows);
        let statistics = self.statistics(module, rows);
        let output = made(module, What::Scaled, dims.as_slice(), storage.dtype);
        let gradient = self.gradient(x);
        let kept = [&[x], statistics.as_slice()].concat();
        let output = self.tape.operator(output, &kept, &[gradient]);
        for var in statistics {
            self.tape.drop(var);
        }
        output
    }

    fn gathered(&self, linear: Module, width: &[Dim]) -> Option<Storage> {
        self.rank.is_sequence_parallel.then(|| self.whole(linear, What::GatherBuffer, width))
    }

    /// The input is gathered again, its gradient made for all tokens and scattered.
    fn column_backward(&self, x: Var, linear: Module, width: &[Dim]) -> Vec<Step> {
        let mut steps = Vec::with_capacity(3);
        if let Some(gathered) = self.gathered(linear, width) {
            steps.push(Self::temporary(gathered));
            steps.push(Self::temporary(self.whole(linear, What::ReduceInput, width)));
        }
        steps.push(self.gradient(x));
        steps
    }
}
