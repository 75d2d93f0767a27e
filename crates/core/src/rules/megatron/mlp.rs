//! `MLP` (`transformer/mlp.py`) with its fused SwiGLU (`fusions/fused_bias_swiglu.py`, `SwiGLUFunction`): keeps what the first product has made
//! and what the second one reads.

use super::Writer;
use crate::ledger::{Dim, Module, Symbol, What};
use crate::tape::Var;

impl Writer<'_> {
    pub(super) fn mlp(&mut self, x: Var) -> Var {
        let width = self.split.part(Symbol::Ffn, self.split.architecture.ffn.get());
        let both =
            self.norm_column(x, Module::PostAttentionNorm, Module::GateUpProj, &[Dim::number(2), width]);
        let activated = self.whole(Module::Activation, What::Output, &[width]);
        self.swiglu_and_down(both, activated, Module::DownProj)
    }

    /// The experts that every token goes through; `normed` is what the routed ones read too.
    pub(super) fn shared_experts(&mut self, normed: Var, width: u64) -> Var {
        let width = self.split.part(Symbol::SharedFfn, width);
        let both = self.column(normed, Module::SharedUpProj, &[Dim::number(2), width]);
        let activated = self.whole(Module::SharedDownProj, What::Input, &[width]);
        self.swiglu_and_down(both, activated, Module::SharedDownProj)
    }

    /// Takes over `both`.
    fn swiglu_and_down(&mut self, both: Var, activated: crate::tape::Storage, down: Module) -> Var {
        let gradient = self.gradient(both);
        let activated = self.tape.operator(activated, &[both], &[gradient]);
        self.tape.drop(both);
        let output = self.row(activated, down);
        self.tape.drop(activated);
        output
    }
}
