//! Operators that scans are made of: products of broadcast tensors, batched matrix products, slices, paddings.

use crate::ledger::{Dim, Dims, Module, Name, What};
use crate::rules::Writer;
use crate::rules::elementwise::promoted;
use crate::tape::{Mode, Step, Storage, Var};
use crate::units::Dtype;

/// A tensor of one chunk, and those of the other chunks that the same operators have made.
#[derive(Clone, Copy)]
pub(super) struct OfChunk {
    pub(super) one: Var,
    pub(super) others: Option<Var>,
}

impl OfChunk {
    /// A tensor that is there once, or a part of one.
    pub(super) const fn of(one: Var) -> Self {
        Self { one, others: None }
    }
}

impl Writer<'_> {
    pub(super) fn scanned(&self, what: What, dims: Dims, dtype: Dtype) -> Storage {
        self.made(Module::Scan, what, dims, dtype)
    }

    /// `x` in another dtype, or itself.
    pub(super) fn scan_cast(&mut self, x: Var, what: What, dtype: Dtype) -> Var {
        self.cast(x, Module::Scan, what, dtype)
    }

    /// A function of one tensor that keeps its result: `exp`, `sigmoid`, `rsqrt`.
    pub(super) fn keeping_output(&mut self, x: Var, what: What) -> Var {
        let of = self.tape.storage(x);
        let gradient = self.gradient(x);
        self.tape.operator_keeping_output(self.scanned(what, of.dims, of.dtype), &[], &[gradient])
    }

    /// `a * b`, of which one may be broadcast to `dims`: each is kept where the other's gradient needs it, and the gradient of one that is
    /// broadcast is summed from a whole product.
    pub(super) fn broadcast_product(&mut self, a: Var, b: Var, what: What, dims: Dims) -> Var {
        self.product_of_chunk(OfChunk::of(a), OfChunk::of(b), what, dims)
    }

    pub(super) fn product_of_chunk(&mut self, a: OfChunk, b: OfChunk, what: What, dims: Dims) -> Var {
        let dtype = promoted(self.tape.dtype(a.one), self.tape.dtype(b.one));
        let output = self.scanned(what, dims, dtype);
        let mut steps = self.broadcast_gradient(a.one, &output);
        steps.extend(self.broadcast_gradient(b.one, &output));
        let saved = self.kept_operands(a, b);
        self.tape.operator(output, &saved, &steps)
    }

    fn kept_operands(&self, a: OfChunk, b: OfChunk) -> Vec<Var> {
        let pairs = [(a, b.one), (b, a.one)];
        let kept = pairs.into_iter().filter(|&(_, other)| self.tape.requires_grad(other));
        kept.flat_map(|(operand, _)| std::iter::once(operand.one).chain(operand.others)).collect()
    }

    /// `a ± b`, of which one may be broadcast to `dims`. The gradient of what is subtracted is a tensor of its own.
    pub(super) fn broadcast_sum(&mut self, a: Var, b: Var, what: What, dims: Dims) -> Var {
        let dtype = promoted(self.tape.dtype(a), self.tape.dtype(b));
        let output = self.scanned(what, dims, dtype);
        let steps = [self.gradient_of_term(a, &output), self.gradient_of_term(b, &output)];
        self.tape.operator(output, &[], &steps)
    }

    pub(super) fn broadcast_difference(&mut self, a: Var, b: Var, what: What, dims: Dims) -> Var {
        let dtype = promoted(self.tape.dtype(a), self.tape.dtype(b));
        let output = self.scanned(what, dims, dtype);
        let mut steps = vec![self.gradient_of_term(a, &output)];
        steps.extend(self.broadcast_gradient(b, &output));
        self.tape.operator(output, &[], &steps)
    }

    fn gradient_of_term(&self, term: Var, output: &Storage) -> Step {
        let of = self.tape.storage(term);
        let is_whole = of.dims.product() == output.dims.product();
        if is_whole && of.dtype == output.dtype { Step::Pass(term) } else { self.gradient(term) }
    }

    /// The gradient of an operand in the shape and dtype of the result, summed and cast to its own where that is another.
    fn broadcast_gradient(&self, operand: Var, output: &Storage) -> Vec<Step> {
        let own = self.tape.gradient_of(operand);
        if own.dims.product() == output.dims.product() && own.dtype == output.dtype {
            return vec![Step::Gradient(operand, own)];
        }
        let whole = Storage { dims: output.dims, dtype: output.dtype, ..own };
        vec![Step::Raw(whole), Step::Gradient(operand, own)]
    }

    /// `a @ b` of batches of matrices, in autocast's dtype, for one chunk of `chunks`, all of which keep what this one keeps. The result is a
    /// view of `bmm`'s, and so are both gradients.
    pub(super) fn matrices_of_chunk(
        &mut self,
        a: OfChunk,
        b: OfChunk,
        what: What,
        dims: Dims,
        chunks: u64,
    ) -> Var {
        let right_first = |w: &Self, left: Var, right: Var| {
            vec![w.gradient_of_rows(right), w.gradient_of_rows(left), w.scratch_step()]
        };
        self.product_of_matrices([a, b], what, dims, chunks, right_first)
    }

    /// `a @ b` of batches of matrices and vectors. The gradient of the matrices is an outer product, which a kernel of its own makes without
    /// cuBLAS (`torch/_native/ops/bmm_outer_product`).
    pub(super) fn vectors_of_chunk(
        &mut self,
        a: OfChunk,
        b: OfChunk,
        what: What,
        dims: Dims,
        chunks: u64,
    ) -> Var {
        let right_first = |w: &Self, left: Var, right: Var| {
            vec![w.gradient_of_rows(right), w.scratch_step(), w.gradient_of_rows(left)]
        };
        self.product_of_matrices([a, b], what, dims, chunks, right_first)
    }

    fn product_of_matrices(
        &mut self,
        [a, b]: [OfChunk; 2],
        what: What,
        dims: Dims,
        chunks: u64,
        steps: impl FnOnce(&Self, Var, Var) -> Vec<Step>,
    ) -> Var {
        let (left, right) = (self.operand_of_product(a, chunks), self.operand_of_product(b, chunks));
        let output = self.scanned(what, dims, self.tape.dtype(left.one));
        let steps = steps(self, left.one, right.one);
        let saved = self.kept_operands(left, right);
        let output = self.tape.operator(output, &saved, &steps);
        self.tape.scratch(self.workspace(false));
        for operand in [left, right] {
            self.drop_chunk(operand);
        }
        output
    }

    fn scratch_step(&self) -> Step {
        Step::Scratch(self.workspace(false))
    }

    /// An operand in autocast's dtype: no leaf, so that its copy is in no cache.
    fn operand_of_product(&mut self, x: OfChunk, chunks: u64) -> OfChunk {
        let compute = self.pass.autocast.unwrap_or(self.tape.dtype(x.one));
        let is_copied = self.tape.dtype(x.one) != compute;
        let one = self.scan_cast(x.one, What::InputCast, compute);
        if is_copied {
            return OfChunk { one, others: self.others(one, chunks) };
        }
        let others = x.others.map(|others| self.tape.view(others, &[], &[]));
        OfChunk { one, others }
    }

    /// An operand that `matmul` has to copy, because its heads are not next to each other in memory, or itself.
    pub(super) fn batched(&mut self, x: Var, what: What, is_copied: bool, chunks: u64) -> OfChunk {
        let dims = self.tape.storage(x).dims;
        if !is_copied {
            return OfChunk::of(self.reshaped(x, what, dims, false));
        }
        let one = self.copied(x, what, dims);
        OfChunk { one, others: self.others(one, chunks) }
    }

    /// What the other chunks of `chunks` have made beside `one`.
    pub(super) fn others(&mut self, one: Var, chunks: u64) -> Option<Var> {
        // Without a graph nobody keeps them.
        let is_kept = !matches!(self.tape.mode(), Mode::NoGrad | Mode::FirstPass);
        let more = chunks.checked_sub(1).filter(|&more| more > 0 && is_kept)?;
        let of = self.tape.storage(one);
        let dims = of.dims.times(Dim::number(more));
        Some(self.tape.constant(Storage { dims, ..of }))
    }

    pub(super) fn drop_chunk(&mut self, x: OfChunk) {
        for var in std::iter::once(x.one).chain(x.others) {
            self.tape.drop(var);
        }
    }

    /// A slice: a view, whose gradient is written into a whole tensor of zeros.
    pub(super) fn slice_of(&mut self, x: Var, what: What, dims: Dims) -> Var {
        let gradient = self.gradient(x);
        let view = self.tape.view(x, &[], &[gradient]);
        self.tape.reshape(view, self.name(Module::Scan, what), dims);
        view
    }

    /// Views of a tensor that is split: their gradients are concatenated once.
    pub(super) fn split_into<const N: usize>(&mut self, x: Var, parts: [(What, Dims); N]) -> [Var; N] {
        let gradient = self.gradient(x);
        let whole = self.tape.view(x, &[], &[gradient]);
        let mut is_first = true;
        let views = parts.map(|(what, dims)| {
            let step = if std::mem::take(&mut is_first) { Step::Pass(whole) } else { Step::Join(whole) };
            let view = self.tape.view(whole, &[], &[step]);
            self.tape.reshape(view, Name::of(Module::Scan, what), dims);
            view
        });
        self.tape.drop(whole);
        views
    }

    /// Another shape of the same elements, whose gradient has to be copied into it or not.
    pub(super) fn reshaped(&mut self, x: Var, what: What, dims: Dims, copies_gradient: bool) -> Var {
        let step = if copies_gradient { self.gradient(x) } else { Step::Pass(x) };
        let view = self.tape.view(x, &[], &[step]);
        self.tape.reshape(view, self.name(Module::Scan, what), dims);
        view
    }

    /// A copy in another shape or layout, whose gradient is a copy of its own or a view.
    pub(super) fn copied(&mut self, x: Var, what: What, dims: Dims) -> Var {
        let output = self.scanned(what, dims, self.tape.dtype(x));
        self.tape.operator(output, &[], &[Step::Pass(x)])
    }

    /// A function of one tensor that keeps nothing and whose gradient has the tensor's shape: sums, paddings, scalings.
    pub(super) fn made_of(&mut self, x: Var, what: What, dims: Dims) -> Var {
        let output = self.scanned(what, dims, self.tape.dtype(x));
        let gradient = self.gradient(x);
        self.tape.operator(output, &[], &[gradient])
    }

    /// Takes over `x`.
    pub(super) fn then(&mut self, x: Var, next: impl FnOnce(&mut Self, Var) -> Var) -> Var {
        let made = next(self, x);
        self.tape.drop(x);
        made
    }
}
