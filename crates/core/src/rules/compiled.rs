//! Decoder layers under `torch.compile`: what Inductor's partitioner keeps. PARALLEL section 11.
//!
//! The partitioner (`torch/_functorch/partitioners.py`, `min_cut_rematerialization_partition`) keeps inputs and outputs of matrix products
//! and of attention, which it never computes again, and the residual stream; everything pointwise between them is computed again inside of
//! the kernels of backward. So a norm keeps its input and 1 / root mean square of each row, and is one kernel that writes what the products
//! after it read, in their dtype; an MLP keeps both projections and what the last one reads; rotation keeps nothing.

use super::Writer;
use super::norm::Norm;
use crate::ledger::{Dim, Dims, Module, Symbol, What};
use crate::scenario::Compile;
use crate::tape::{Mode, Step, Storage, Var};
use crate::units::{Bytes, Dtype};

/// Inductor pads rows of a tensor that it makes to a multiple of this where they are long (`torch/_inductor/config.py`,
/// `padding_alignment_bytes`, `padding_stride_threshold`).
const PADDED_TO: Bytes = Bytes::new(128);
const PADS_ABOVE: u64 = 1024;

impl Writer<'_> {
    /// Whether a module is in a compiled region.
    pub(crate) fn is_compiled(&self, module: Module) -> bool {
        match self.pass.kernels.compile {
            Compile::Off => false,
            Compile::Layers => {
                !matches!(module, Module::FinalNorm | Module::LmHead | Module::Loss | Module::Embedding)
            }
            Compile::Model => true,
        }
    }

    /// Notes that `sum` is made of the layer's input, which is kept, and of `branch`: where that is narrower than the sum, as under
    /// autocast, the cut goes through it and the sum is made again.
    pub(crate) fn note_sum(&mut self, sum: Var, branch: Var) {
        let is_narrower = self.tape.dtype(branch).size() < self.tape.dtype(sum).size();
        if self.is_compiled(Module::Layer) && is_narrower {
            self.sum_of = Some((sum, branch));
        }
    }

    /// One kernel that keeps its input and a number of each row.
    pub(crate) fn compiled_norm(&mut self, x: Var, norm: &Norm<'_>) -> Var {
        let compute = self.pass.compute();
        let output = self.made(norm.module, What::Output, norm.full(), compute);
        let inverse =
            self.tape.constant(self.made(norm.module, What::InverseRms, norm.per_row(), Dtype::Fp32));
        let gradient = if self.tape.dtype(x) == compute { Step::Pass(x) } else { self.gradient(x) };
        let weight = self.parameter_gradient(norm.module, What::Weight, &[norm.width]);
        let kept = self.sum_of.filter(|&(sum, _)| sum == x).map_or(x, |(_, operand)| operand);
        let output = self.tape.operator(output, &[kept, inverse], &[gradient, weight]);
        self.tape.drop(inverse);
        output
    }

    /// One kernel that keeps nothing but cosines and sines. Takes over the caller's `x`.
    pub(crate) fn compiled_rope(&mut self, x: Var, what: What) -> Var {
        let input = self.tape.storage(x);
        let storage = self.made(Module::Rope, what, input.dims, self.pass.compute());
        let gradient = self.gradient(x);
        let rotated = self.tape.operator(storage, &[], &[gradient]);
        self.tape.drop(x);
        rotated
    }

    /// `act(gate) * up` in one kernel. Backward writes the gradients over what it alone has kept (donated buffers).
    pub(crate) fn compiled_product(&mut self, gate: Var, up: Var, down: Module) -> Var {
        let storage = self.tape.storage(gate);
        let output = self.made(down, What::Input, storage.dims, storage.dtype);
        let steps = if self.tape.mode() == Mode::Grad {
            [Step::Overwrite(gate, gate), Step::Overwrite(up, up)]
        } else {
            // What a checkpoint hands out belongs to it, so that nothing is written over it.
            [self.gradient(gate), self.gradient(up)]
        };
        self.tape.operator(output, &[gate, up], &steps)
    }

    /// A width as Inductor lays out rows of it; what leaves the compiled region, as logits do, is laid out as usual.
    pub(crate) fn padded_width(&self, width: Dim) -> Dim {
        if width.symbol == Symbol::Vocabulary {
            return width;
        }
        let element = self.pass.compute().size().max(1);
        let step = PADDED_TO.get() / element;
        if width.value <= PADS_ABOVE || width.value.is_multiple_of(step) {
            width
        } else {
            Dim::number(width.value.next_multiple_of(step))
        }
    }

    /// The loss of a compiled model, whose logits are an output of the compiled region: their gradient, which nobody makes, is a tensor of
    /// zeros (`torch/_functorch/_aot_autograd/runtime_wrappers.py`; `materialize_grads`).
    pub(crate) fn compiled_model_loss(&mut self, logits: Var) -> Var {
        let labels = self.shifted_labels();
        let [padded, shifted] = labels;
        self.tape.drop(padded);
        let rows = Dims::new(&self.pass.tokens());
        let zeros: Storage = self.tape.gradient_of(logits);
        let gradient = self.gradient(logits);
        let loss = self.kept_logits(logits, rows, shifted, &[Step::Temporary(zeros), gradient]);
        self.tape.drop(shifted);
        loss
    }
}
