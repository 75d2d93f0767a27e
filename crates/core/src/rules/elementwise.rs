//! Sums, products, casts, dropout: what they keep is what `derivatives.yaml` says.

use super::Writer;
use crate::ledger::{Dim, Dims, Module, What};
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

/// The dtype of a result of two operands (`torch.promote_types`).
pub(crate) const fn promoted(a: Dtype, b: Dtype) -> Dtype {
    if a.size() >= b.size() { a } else { b }
}

impl Writer<'_> {
    /// `a.to(dtype)`: the same tensor where it has that dtype, a copy otherwise. Keeps nothing (`ToCopyBackward0`).
    pub(crate) fn cast(&mut self, a: Var, module: Module, what: What, dtype: Dtype) -> Var {
        if self.tape.dtype(a) == dtype {
            return self.tape.view(a, &[], &[Step::Pass(a)]);
        }
        let output = self.made(module, what, self.tape.storage(a).dims, dtype);
        let gradient = self.gradient(a);
        self.tape.operator(output, &[], &[gradient])
    }

    /// `a + b` of equal shapes; keeps nothing.
    pub(crate) fn sum(&mut self, a: Var, b: Var, module: Module, what: What) -> Var {
        let dtype = promoted(self.tape.dtype(a), self.tape.dtype(b));
        let output = self.made(module, what, self.tape.storage(a).dims, dtype);
        let steps = [self.hand_on(a, dtype), self.hand_on(b, dtype)];
        self.tape.operator(output, &[], &steps)
    }

    /// `a * b` of equal shapes; keeps both.
    pub(crate) fn product(&mut self, a: Var, b: Var, module: Module, what: What) -> Var {
        let dtype = promoted(self.tape.dtype(a), self.tape.dtype(b));
        let output = self.made(module, what, self.tape.storage(a).dims, dtype);
        let mut steps = self.promoted_gradient(a, dtype);
        steps.extend(self.promoted_gradient(b, dtype));
        self.tape.operator(output, &[a, b], &steps)
    }

    /// The gradient of an operand that an operator of `dtype` makes: in that dtype, to be converted to the operand's own.
    pub(crate) fn promoted_gradient(&self, operand: Var, dtype: Dtype) -> Vec<Step> {
        let own = self.gradient(operand);
        if self.tape.dtype(operand) == dtype {
            return vec![own];
        }
        let wide = Storage { dtype, ..self.tape.gradient_of(operand) };
        vec![Step::Raw(wide), own]
    }

    /// A function of one tensor with one output of the same shape, which keeps `saved`.
    pub(crate) fn map(&mut self, a: Var, module: Module, what: What, saved: &[Var]) -> Var {
        let storage = self.tape.storage(a);
        let output = self.made(module, what, storage.dims, storage.dtype);
        let gradient = self.gradient(a);
        self.tape.operator(output, saved, &[gradient])
    }

    /// `dropout(a)` with a probability above zero: keeps a mask of one byte an element (`native_dropout`).
    pub(crate) fn dropout(&mut self, a: Var, module: Module) -> Var {
        let storage = self.tape.storage(a);
        let output = self.made(module, What::Output, storage.dims, storage.dtype);
        let mask = self.tape.constant(self.made(module, What::DropoutMask, storage.dims, Dtype::Bool));
        let gradient = self.gradient(a);
        let dropped = self.tape.operator_keeping_results(output, &[mask], &[gradient]);
        self.tape.drop(mask);
        dropped
    }

    /// A copy in another memory layout (`contiguous`, `reshape` of a transposed tensor); keeps nothing.
    pub(crate) fn contiguous(&mut self, a: Var, module: Module, what: What) -> Var {
        let storage = self.tape.storage(a);
        let output = self.made(module, what, storage.dims, storage.dtype);
        self.tape.operator(output, &[], &[Step::Pass(a)])
    }

    /// The dimensions `b · s · …`.
    pub(crate) fn rows(&self, more: &[Dim]) -> Dims {
        more.iter().fold(Dims::new(&self.pass.tokens()), |dims, &dim| dims.and(dim))
    }
}
