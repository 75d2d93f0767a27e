//! Rotary position embedding: `apply_rotary_pos_emb`, `rotate_half` (transformers).
//!
//! Cosines and sines are made once for the model, in the dtype of the residual stream; multiplying by them keeps nothing but
//! them, since they need no gradient. Under autocast they are fp32, and so is the product with 16-bit queries.

use super::Writer;
use super::attention::Heads;
use super::elementwise::promoted;
use crate::ledger::{Dims, Module, What};
use crate::model::RopeKind;
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

    /// Queries and keys with positions. Takes over the caller's heads.
    pub(crate) fn rotated_heads(&mut self, heads: Heads) -> Heads {
        let a = &self.pass.architecture;
        match a.family.rope() {
            RopeKind::Concatenated | RopeKind::Pairs => {
                let query = self.rope_by_halves(heads.query, What::Query);
                let key = self.rope_by_halves(heads.key, What::Key);
                Heads { query, key, ..heads }
            }
            RopeKind::Complex => self.complex_heads(heads),
            _ if a.family.rotates_in_fp32() => {
                let (query, key) = self.rope_in_fp32(heads.query, heads.key);
                Heads { query, key, ..heads }
            }
            _ if a.family.casts_rotated_back() => self.rope_and_back(heads),
            kind => {
                let tables = kind.repeats_tables().then(|| self.repeated_tables());
                let query = self.rope(heads.query, What::Query, tables);
                let key = self.rope(heads.key, What::Key, tables);
                for table in tables.into_iter().flatten() {
                    self.tape.drop(table);
                }
                Heads { query, key, ..heads }
            }
        }
    }

    /// The same where both are rotated in fp32, and then cast to the dtype that was given.
    fn rope_and_back(&mut self, heads: Heads) -> Heads {
        let kind = self.pass.architecture.family.rope();
        let dtype = self.tape.dtype(heads.query);
        let tables = kind.repeats_tables().then(|| self.repeated_tables());
        let given = [heads.query, heads.key];
        // `q = q.float()`: a name of its own, beside the caller's.
        let wide = given.map(|x| {
            let wide = if kind == RopeKind::InterleavedFp32 { Dtype::Fp32 } else { dtype };
            self.cast(x, Module::Rope, What::Fp32Copy, wide)
        });
        let sums = [self.rope(wide[0], What::Query, tables), self.rope(wide[1], What::Key, tables)];
        let [query, key] = [(sums[0], What::Query), (sums[1], What::Key)]
            .map(|(sum, what)| self.cast(sum, Module::Rope, what, dtype));
        for var in sums.into_iter().chain(given).chain(tables.into_iter().flatten()) {
            self.tape.drop(var);
        }
        Heads { query, key, ..heads }
    }

    /// `cos.repeat_interleave(2)` and the same of the sines: made for each layer, and kept by the products.
    fn repeated_tables(&mut self) -> [Var; 2] {
        let dims = Dims::new(&[self.pass.sequence(), self.pass.rotary_dim()]);
        let dtype = self.pass.rope_dtype();
        [(); 2].map(|()| {
            let table = self.made(Module::Rope, What::CosSin, dims, dtype);
            self.tape.constant(table)
        })
    }

    /// `x * cos + rotate_half(x) * sin`, and, where the family concatenates the part that isn't rotated, that copy.
    /// Takes over the caller's `x`.
    fn rope(&mut self, x: Var, what: What, tables: Option<[Var; 2]>) -> Var {
        if self.pass.kernels.rope == Fused::Liger {
            return self.liger_rope(x, what);
        }
        if self.is_compiled(Module::Rope) {
            return self.compiled_rope(x, what);
        }
        let concatenates = self.pass.architecture.slices_heads();
        let input = self.tape.storage(x);
        let heads = if what == What::Query { self.pass.heads() } else { self.pass.kv_heads() };
        let is_whole = self.pass.architecture.expands_groups();
        let dims = if is_whole { input.dims } else { self.rows(&[heads, self.pass.rotary_dim()]) };
        let dtype = promoted(input.dtype, self.pass.rope_dtype());
        let wide = |writer: &Self, what| writer.made(Module::Rope, what, dims, dtype);
        let narrow = self.temporary(Module::Rope, What::Rotated, dims, input.dtype);

        let mut steps = vec![self.gradient(x)];
        if concatenates {
            // q[..., :rotary_dim] and q[..., rotary_dim:]: each slice's backward fills a whole tensor with zeros.
            let whole = self.temporary(Module::Rope, What::Rotated, input.dims, input.dtype);
            steps.insert(0, Step::Scratch(whole));
        }
        let (cos, sin): (&[Var], &[Var]) = match &tables {
            Some([cos, sin]) => (std::slice::from_ref(cos), std::slice::from_ref(sin)),
            None => (&[], &[]),
        };
        let times_cos = self.tape.operator(wide(self, What::TimesCos), cos, &steps);
        // The halves' slices and the negation: whole tensors of zeros in backward, summed in place.
        let steps = [Step::Temporary(narrow), self.gradient(x)];
        let rotated = self.tape.operator(narrow, &[], &steps);
        let gradient = self.gradient(rotated);
        let times_sin = self.tape.operator(wide(self, What::TimesSin), sin, &[gradient]);
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
