//! Which tensors each module of a decoder makes, keeps and needs: one file a kind of module.
//!
//! A rule is the module's own forward, operator by operator, on the [`crate::tape::Tape`]; what is kept for backward and
//! what backward allocates follows from PyTorch's derivatives (`tools/autograd/derivatives.yaml`).

mod attention;
mod bert;
mod bloom;
mod chunked_loss;
mod compiled;
mod compiled_loss;
mod dora;
mod eager;
mod elementwise;
mod embedding;
mod everyone;
mod expert_adapters;
mod experts;
mod falcon;
mod fused;
mod fused_loss;
mod gated_attention;
mod head_weight;
mod ia3;
mod latent;
mod layer;
mod linear;
mod lora;
mod loss;
pub(crate) mod megatron;
mod mlp;
mod norm;
mod objective;
mod preference;
mod prefix;
mod prompt;
mod quantised;
mod recurrent;
mod reduction;
mod ring;
mod rope;
mod rope_forms;
mod routing;
#[cfg(test)]
mod single_operations;
mod sparse_mixer;
mod speech;
mod t5;
mod tensor;
mod tensor_loss;
mod vera;
mod vision;

pub(crate) use embedding::{embedding, hands_lookup_on};
pub(crate) use layer::{LayerGraph, LayerKind, LayerPlace, layer, residual_stream};
pub(crate) use linear::CUBLAS_WORKSPACE;
pub(crate) use loss::head;
pub(crate) use reduction::partial_sums;

use crate::ledger::{Category, Dim, Dims, Module, Name, Part, What};
use crate::plan::Pass;
use crate::scenario::Checkpointing;
use crate::tape::{GradientSum, Mode, Step, Storage, Tape, Var};
use crate::trained::Trains;
use crate::units::Dtype;

/// A block being written: the tape, and what is known of the pass through the model.
pub(crate) struct Writer<'a> {
    pub(crate) tape: Tape,
    pub(crate) pass: &'a Pass,
    /// The part of the model that is being written.
    pub(crate) part: Part,
    /// Which of the model's own parameters are trained in this block.
    trains: Trains,
    /// Matrix products without a bias so far.
    products: u64,
    /// A sum that a compiled norm makes again of the second of its operands.
    sum_of: Option<(Var, Var)>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(pass: &'a Pass, mode: Mode, trains: Trains) -> Self {
        let tape = Tape::new(mode, pass.accumulates, trains)
            .updating(&pass.hooks, pass.updates_late)
            .summing(pass.sums);
        Self { tape, pass, part: Part::Main, trains, products: 0, sum_of: None }
    }

    /// A tensor that forward makes. It is an activation, or the reference model's.
    pub(crate) fn made(&self, module: Module, what: What, dims: Dims, dtype: Dtype) -> Storage {
        let category = if self.pass.is_reference { Category::ReferenceModel } else { Category::Activations };
        Storage { name: self.name(module, what), category, dims, dtype }
    }

    /// A matrix product has been made: of those without a bias (`aten.mm`), a selective checkpoint keeps every second, with one
    /// (`aten.addmm`) each.
    pub(crate) fn select_product(&mut self, output: Var, has_bias: bool) {
        if self.pass.checkpointing == Checkpointing::SelectiveOps && self.tape.mode() != Mode::Grad {
            self.products += u64::from(!has_bias);
            if has_bias || !self.products.is_multiple_of(2) {
                self.tape.select(output);
            }
        }
    }

    /// Attention has been computed by one kernel.
    pub(crate) fn select_attention(&mut self, results: [Var; 2]) {
        if self.pass.checkpointing.is_selective() && self.tape.mode() != Mode::Grad {
            for result in results {
                self.tape.select(result);
            }
        }
    }

    /// A tensor that lives for an operation or two.
    pub(crate) fn temporary(&self, module: Module, what: What, dims: Dims, dtype: Dtype) -> Storage {
        let category = if self.pass.is_reference { Category::ReferenceModel } else { Category::Temporaries };
        Storage { name: self.name(module, what), category, dims, dtype }
    }

    /// A name in the part that is being written.
    pub(crate) const fn name(&self, module: Module, what: What) -> Name {
        Name { part: self.part, ..Name::of(module, what) }
    }

    /// Whether gradients meet those of a call that backward visited before.
    pub(crate) fn sums_in_new_tensors(&self) -> bool {
        self.pass.sums == GradientSum::NewTensor
    }

    /// Whether a module's own parameter is trained here.
    pub(crate) fn trains(&self, module: Module, what: What) -> bool {
        self.trains.parameter(self.name(module, what))
    }

    /// The gradient of a parameter; added into the one that is there, it is only a temporary.
    pub(crate) fn parameter_gradient(&self, module: Module, what: What, dims: &[Dim]) -> Step {
        Step::Parameter(self.gradient_of_parameter(module, what, dims))
    }

    /// What the gradient of a parameter is.
    pub(crate) fn gradient_of_parameter(&self, module: Module, what: What, dims: &[Dim]) -> Storage {
        let category = if self.pass.accumulates { Category::Temporaries } else { Category::Gradients };
        Storage {
            name: Name { gradient: true, ..self.name(module, what) },
            category,
            dims: Dims::new(dims),
            dtype: self.pass.weight,
        }
    }

    /// Partial sums of a gradient that is summed over all rows.
    pub(crate) fn partial_sums(&self, module: Module, rows: &[Dim], width: &[Dim]) -> Step {
        let size = partial_sums(Dims::new(rows).product(), Dims::new(width).product(), 1);
        let dims = Dims::new(&[Dim::number(size.get())]);
        Step::Scratch(self.temporary(module, What::Workspace, dims, Dtype::Uint8))
    }

    /// The step that makes the gradient of `var`.
    pub(crate) fn gradient(&self, var: Var) -> Step {
        Step::Gradient(var, self.tape.gradient_of(var))
    }

    /// The gradient of a linear layer's input, whose product is one of rows: a view gives it samples and positions back (`ViewBackward0`).
    pub(crate) fn gradient_of_rows(&self, var: Var) -> Step {
        Step::GradientView(var, self.tape.gradient_of(var))
    }

    /// Autograd's own conversion of a gradient to its variable's dtype, or the same gradient where it fits already
    /// (`torch/csrc/autograd/engine.cpp`, `validate_outputs`).
    pub(crate) fn hand_on(&self, var: Var, incoming: Dtype) -> Step {
        if self.tape.dtype(var) == incoming { Step::Pass(var) } else { self.gradient(var) }
    }
}
