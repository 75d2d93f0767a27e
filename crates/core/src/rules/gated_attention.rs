//! `Qwen3NextAttention`: the query projection makes a gate too, by whose sigmoid the output is multiplied.

use super::Writer;
use super::attention::Heads;
use super::linear::Linear;
use super::norm::Norm;
use crate::ledger::{Dim, Module, What};
use crate::tape::{Step, Var};

impl Writer<'_> {
    /// Queries, keys and values before positions, and the gate.
    pub(super) fn gated_projections(&mut self, x: Var) -> (Heads, Var) {
        let hidden = [self.pass.hidden()];
        let heads = [self.pass.heads(), self.pass.head_dim()];
        let output = [Dim::number(2), heads[0], heads[1]];
        let (module, has_bias) = (Module::QProj, self.pass.architecture.qkv_bias);
        let both =
            self.linear(x, &Linear { module, weight_of: module, input: &hidden, output: &output, has_bias });
        let gradient = self.gradient(both);
        let split = self.tape.view(both, &[], &[gradient]);
        self.tape.drop(both);
        let dims = self.rows(&heads);
        let [query, gate] = [Step::Pass(split), Step::Join(split)].map(|step| {
            let view = self.tape.view(split, &[], &[step]);
            self.tape.reshape(view, self.name(Module::QProj, What::Output), dims);
            view
        });
        self.tape.drop(split);
        let copy = self.contiguous(gate, Module::Attention, What::Weighted);
        self.tape.drop(gate);
        let rows = [self.pass.batch(), self.pass.sequence(), heads[0]];
        let normed = self.norm(query, &Norm { module: Module::QNorm, rows: &rows, width: heads[1] });
        self.tape.drop(query);
        let (key, value) = self.keys_and_values(x);
        (Heads { query: normed, key, value }, copy)
    }

    /// `output * sigmoid(gate)`. Takes over both.
    pub(super) fn gated_output(&mut self, output: Var, gate: Var) -> Var {
        let storage =
            self.made(Module::Attention, What::Weighted, self.tape.storage(gate).dims, self.tape.dtype(gate));
        let gradient = self.gradient(gate);
        let factor = self.tape.operator_keeping_output(storage, &[], &[gradient]);
        let gated = self.product(output, factor, Module::OProj, What::Input);
        for var in [factor, output, gate] {
            self.tape.drop(var);
        }
        gated
    }
}
