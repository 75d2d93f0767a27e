//! Rotary position embedding: `apply_rotary_pos_emb`, `rotate_half` (transformers).
//!
//! Cosines and sines are made once for the model, in the dtype of the residual stream; multiplying by them keeps nothing but
//! them, since they need no gradient. Under autocast they are fp32, and so is the product with 16-bit queries.

use super::Writer;
use super::elementwise::promoted;
use crate::ledger::{Module, What};
use crate::scenario::Fused;
use crate::tape::{Step, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// `(x.float() * cos + rotate_half(x.float()) * sin)` of both, and then both back in their own dtype
    /// (`apply_rotary_pos_emb` of `modeling_modernbert.py`). Takes over the caller's queries and keys.
    pub(crate) fn rope_in_fp32(&mut self, query: Var, key: Var) -> (Var, Var) {
        let wide = [(query, What::Query), (key, What::Key)].map(|(x, what)| self.rotated_in_fp32(x, what));
        let [query, key] =
            [(query, wide[0], What::Query), (key, wide[1], What::Key)].map(|(x, wide, what)| {
                let back = self.cast(wide, Module::Rope, what, self.tape.dtype(x));
                self.tape.drop(x);
                back
            });
        for sum in wide {
            self.tape.drop(sum);
        }
        (query, key)
    }

    fn rotated_in_fp32(&mut self, x: Var, what: What) -> Var {
        let dims = self.tape.storage(x).dims;
        let make = |writer: &Self, what| writer.made(Module::Rope, what, dims, Dtype::Fp32);
        let copy = self.cast(x, Module::Rope, What::Fp32Copy, Dtype::Fp32);
        let gradient = self.gradient(copy);
        let times_cos = self.tape.operator(make(self, What::TimesCos), &[], &[gradient]);
        self.tape.drop(copy);
        let copy = self.cast(x, Module::Rope, What::Fp32Copy, Dtype::Fp32);
        let zeros = self.temporary(Module::Rope, What::Rotated, dims, Dtype::Fp32);
        let steps = [Step::Temporary(zeros), self.gradient(copy)];
        let rotated = self.tape.operator(make(self, What::Rotated), &[], &steps);
        self.tape.drop(copy);
        let gradient = self.gradient(rotated);
        let times_sin = self.tape.operator(make(self, What::TimesSin), &[], &[gradient]);
        self.tape.drop(rotated);
        let steps = [Step::Pass(times_cos), Step::Pass(times_sin)];
        let sum = self.tape.operator(make(self, what), &[], &steps);
        self.tape.drop(times_cos);
        self.tape.drop(times_sin);
        sum
    }

    /// `x * cos + rotate_half(x) * sin`, and, where the family concatenates the part that isn't rotated, that copy.
    /// Takes over the caller's `x`.
    pub(crate) fn rope(&mut self, x: Var, what: What) -> Var {
        if self.pass.kernels.rope == Fused::Liger {
            return self.liger_rope(x, what);
        }
        if self.is_compiled(Module::Rope) {
            return self.compiled_rope(x, what);
        }
        let concatenates = self.pass.architecture.concatenates_rope();
        let input = self.tape.storage(x);
        let heads = if what == What::Query { self.pass.heads() } else { self.pass.kv_heads() };
        let dims = self.rows(&[heads, self.pass.rotary_dim()]);
        let dtype = promoted(input.dtype, self.pass.weight);
        let wide = |writer: &Self, what| writer.made(Module::Rope, what, dims, dtype);
        let narrow = self.temporary(Module::Rope, What::Rotated, dims, input.dtype);

        let mut steps = vec![self.gradient(x)];
        if concatenates {
            // q[..., :rotary_dim] and q[..., rotary_dim:]: each slice's backward fills a whole tensor with zeros.
            let whole = self.temporary(Module::Rope, What::Rotated, input.dims, input.dtype);
            steps.insert(0, Step::Scratch(whole));
        }
        let times_cos = self.tape.operator(wide(self, What::TimesCos), &[], &steps);
        // The halves' slices and the negation: whole tensors of zeros in backward, summed in place.
        let steps = [Step::Temporary(narrow), self.gradient(x)];
        let rotated = self.tape.operator(narrow, &[], &steps);
        let gradient = self.gradient(rotated);
        let times_sin = self.tape.operator(wide(self, What::TimesSin), &[], &[gradient]);
        self.tape.drop(rotated);
        let name = if concatenates { What::Rotated } else { what };
        let sum = self.tape.operator(wide(self, name), &[], &[Step::Pass(times_cos), Step::Pass(times_sin)]);
        self.tape.drop(times_cos);
        self.tape.drop(times_sin);
        self.tape.drop(x);
        if !concatenates {
            return sum;
        }
        let copy = self.made(Module::Rope, what, input.dims, dtype);
        let copy = self.tape.operator(copy, &[], &[Step::Pass(sum)]);
        self.tape.drop(sum);
        copy
    }
}
