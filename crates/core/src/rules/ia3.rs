//! (IA)³: `peft/tuners/ia3/layer.py`, `Linear.forward`.

use super::Writer;
use super::elementwise::promoted;
use super::linear::Linear;
use crate::ledger::{Dim, Dims, What};
use crate::plan::{Adapters, scales_input};
use crate::tape::{Step, Var};

impl Writer<'_> {
    /// A linear layer with what it reads, or what it makes, scaled by a vector.
    pub(super) fn ia3(&mut self, x: Var, linear: &Linear<'_>, adapters: &Adapters) -> Var {
        let module = linear.module;
        let scales_input = scales_input(module);
        let width = Dim::number(Dims::new(if scales_input { linear.input } else { linear.output }).product());
        // `ia3_scaling = 1; ia3_scaling *= ia3_l.flatten()`: a product of its own.
        let gradient = self.vector_gradient(module, What::Ia3Scale, &[width], adapters.dtype);
        let vector = self.made(module, What::Ia3Scale, Dims::new(&[width]), adapters.dtype);
        let vector = self.tape.operator(vector, &[], &[gradient]);
        let given = self.tape.dtype(x);
        let result = if scales_input {
            let wide = self.cast(x, module, What::InputCast, adapters.dtype);
            let scaled = self.times_vector(wide, vector, linear, width);
            let narrow = self.cast(scaled, module, What::Input, given);
            let output = self.base_linear(narrow, linear);
            for var in [scaled, wide, narrow] {
                self.tape.drop(var);
            }
            output
        } else {
            let output = self.base_linear(x, linear);
            let scaled = self.times_vector(output, vector, linear, width);
            let made = self.tape.dtype(output);
            self.tape.drop(output);
            let narrow = self.cast(scaled, module, What::Output, made);
            self.tape.drop(scaled);
            narrow
        };
        self.tape.drop(vector);
        result
    }

    /// `x * vector`: keeps both where the other needs a gradient; the vector's is summed from a whole product.
    pub(super) fn times_vector(&mut self, x: Var, vector: Var, linear: &Linear<'_>, width: Dim) -> Var {
        let (storage, dtype) = (self.tape.storage(x), promoted(self.tape.dtype(x), self.tape.dtype(vector)));
        let output = self.made(linear.module, What::Scaled, storage.dims, dtype);
        let product = self.temporary(linear.module, What::Scaled, storage.dims, dtype);
        let sums = self.partial_sums(linear.module, &self.pass.tokens(), &[width]);
        let mut steps = self.promoted_gradient(x, dtype);
        let mut saved = Vec::with_capacity(2);
        if self.tape.requires_grad(vector) {
            steps.extend([Step::Raw(product), sums, self.gradient(vector)]);
            saved.push(x);
        }
        if self.tape.requires_grad(x) {
            saved.push(vector);
        }
        self.tape.operator(output, &saved, &steps)
    }
}
