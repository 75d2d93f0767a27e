//! Liger's kernels of norms, MLPs and rotary positions (`liger_kernel/ops`): fewer tensors are kept, and gradients are written over what
//! is there. PARALLEL section 11.

use super::Writer;
use super::norm::Norm;
use crate::ledger::{Dim, Dims, Module, What};
use crate::model::NormKind;
use crate::tape::{Step, Var};
use crate::units::Dtype;

/// Multiprocessors of an A100, each of which sums a gradient of a norm's weight.
const MULTIPROCESSORS: u64 = 108;

impl Writer<'_> {
    /// `LigerRMSNormFunction`: keeps its input and 1 / root mean square of each row. Backward writes over the incoming gradient, but for
    /// Gemma's (`monkey_patch.py`: `in_place=False`), whose norms follow a residual sum.
    pub(crate) fn liger_norm(&mut self, x: Var, norm: &Norm<'_>) -> Var {
        let dtype = self.tape.dtype(x);
        let output = self.made(norm.module, What::Output, norm.full(), dtype);
        let inverse =
            self.tape.constant(self.made(norm.module, What::InverseRms, norm.per_row(), Dtype::Fp32));
        let is_in_place = self.pass.architecture.family.norm() == NormKind::Rms;
        let mut steps = Vec::with_capacity(4);
        if self.trains(norm.module, What::Weight) {
            let sums = Dims::new(&[Dim::number(MULTIPROCESSORS), norm.width]);
            steps.push(Step::Temporary(self.temporary(norm.module, What::Workspace, sums, Dtype::Fp32)));
        }
        steps.push(if is_in_place { Step::Pass(x) } else { self.gradient(x) });
        if self.trains(norm.module, What::Weight) {
            let sum = self.temporary(norm.module, What::Workspace, Dims::new(&[norm.width]), Dtype::Fp32);
            steps.push(Step::Temporary(sum));
        }
        steps.push(self.parameter_gradient(norm.module, What::Weight, &[norm.width]));
        let output = self.tape.operator(output, &[x, inverse], &steps);
        self.tape.drop(inverse);
        output
    }

    /// `LigerSiLUMulFunction`, `LigerGELUMulFunction`: `act(gate) * up` keeps both, and backward writes their gradients over them.
    pub(crate) fn liger_product(&mut self, gate: Var, up: Var, down: Module) -> Var {
        let storage = self.tape.storage(gate);
        let output = self.made(down, What::Input, storage.dims, storage.dtype);
        self.tape.operator(output, &[gate, up], &[Step::Overwrite(gate, gate), Step::Overwrite(up, up)])
    }

    /// `LigerRopeFunction` rotates queries or keys where they are, and in backward their gradient. Takes over the caller's `x`.
    pub(crate) fn liger_rope(&mut self, x: Var, what: What) -> Var {
        let rotated = self.tape.view(x, &[], &[Step::Pass(x)]);
        let storage = self.tape.storage(x);
        self.tape.reshape(rotated, self.name(Module::Rope, what), storage.dims);
        self.tape.drop(x);
        rotated
    }
}
