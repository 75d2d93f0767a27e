//! `MLP` (`transformer/mlp.py`) with its fused SwiGLU or GeLU (`fusions/fused_bias_swiglu.py`, `SwiGLUFunction`; `fused_bias_gelu.py`): keeps
//! what the first product has made and what the second one reads.

use super::Writer;
use crate::ledger::{Dim, Module, Symbol, What};
use crate::tape::{Storage, Var};

impl Writer<'_> {
    pub(super) fn mlp(&mut self, x: Var) -> Var {
        let width = self.rank.part(Symbol::Ffn, self.rank.architecture.ffn.get());
        let halves = [Dim::number(2), width];
        let (module, widths) = if self.rank.architecture.is_gated() {
            (Module::GateUpProj, &halves[..])
        } else {
            (Module::UpProj, &halves[1..])
        };
        let both = self.norm_column(x, Module::PostAttentionNorm, module, widths);
        let activated = self.whole(Module::Activation, What::Output, &[width]);
        self.activated_and_down(both, activated, Module::DownProj)
    }

    /// The experts that every token goes through; `normed` is what the routed ones read too.
    pub(super) fn shared_experts(&mut self, normed: Var, width: u64) -> Var {
        let width = self.rank.part(Symbol::SharedFfn, width);
        let both = self.column(normed, Module::SharedUpProj, &[Dim::number(2), width]);
        let activated = self.whole(Module::SharedDownProj, What::Input, &[width]);
        self.activated_and_down(both, activated, Module::SharedDownProj)
    }

    /// Takes over `both`.
    fn activated_and_down(&mut self, both: Var, activated: Storage, down: Module) -> Var {
        let gradient = self.gradient(both);
        let activated = self.tape.operator(activated, &[both], &[gradient]);
        self.tape.drop(both);
        let output = self.row(activated, down);
        self.tape.drop(activated);
        output
    }
}
