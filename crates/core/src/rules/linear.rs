//! Linear layers (`torch.nn.Linear`, GPT-2's `Conv1D`).
//!
//! A linear layer keeps its input, and its weight, which is there anyway. Under autocast it multiplies 16-bit copies: one of
//! the input made for each linear layer, and one of the weight, which autocast keeps in its cache until it is left and which
//! the graph keeps until the layer's backward (`aten/src/ATen/autocast_mode.cpp`, `cached_cast`: only leaves that require
//! gradients are cached). FINDINGS sections 3 and 5.

use super::Writer;
use crate::ledger::{Category, Dim, Dims, Module, What};
use crate::plan::Adapters;
use crate::quantised::Quantised;
use crate::scenario::AdapterMethod;
use crate::tape::{Step, Storage, Var};
use crate::units::{Bytes, Dtype};

/// What `torch.matmul` asks for as cuBLAS workspace on an A100 and frees again after the product
/// (`at::cuda::getChosenWorkspaceSize`: 4096 KiB · 2 + 16 KiB · 8; FINDINGS section 11).
pub(crate) const CUBLAS_WORKSPACE: Bytes = Bytes::new(8_519_680);
/// The same for products with a bias, which cuBLASLt adds (FINDINGS section 11).
pub(crate) const CUBLAS_LT_WORKSPACE: Bytes = Bytes::mib(1);

/// A linear layer.
pub(crate) struct Linear<'a> {
    pub(crate) module: Module,
    pub(crate) input: &'a [Dim],
    pub(crate) output: &'a [Dim],
    pub(crate) has_bias: bool,
    /// The module whose weight it is: the embedding's, where the head is tied to it.
    pub(crate) weight_of: Module,
}

impl Writer<'_> {
    /// `linear(x)`, with its adapter where it has one. The caller still holds `x`.
    pub(crate) fn linear(&mut self, x: Var, linear: &Linear<'_>) -> Var {
        match self.pass.adapters {
            Some(adapters) if adapters.target(linear.module) => self.with_adapter(x, linear, &adapters),
            _ => match self.pass.tensor {
                Some(split) => self.split_linear(x, linear, &split),
                None => self.held_linear(x, linear),
            },
        }
    }

    /// The linear layer itself, be its weight quantised or not.
    pub(super) fn held_linear(&mut self, x: Var, linear: &Linear<'_>) -> Var {
        match self.pass.quantised.filter(|_| Quantised::holds(linear.module)) {
            Some(quantised) => self.quantised_linear(x, linear, &quantised),
            None => self.base_linear(x, linear),
        }
    }

    fn with_adapter(&mut self, x: Var, linear: &Linear<'_>, adapters: &Adapters) -> Var {
        if adapters.method == AdapterMethod::Ia3 {
            return self.ia3(x, linear, adapters);
        }
        let mut output = self.held_linear(x, linear);
        let is_4bit = self.pass.quantised.is_some_and(|quantised| quantised.base.is_bnb_4bit());
        if is_4bit && Quantised::holds(linear.module) {
            // `result.clone()`, "defensively" (`peft/tuners/lora/bnb.py`, `Linear4bit.forward`).
            let copy = self.contiguous(output, linear.module, What::Output);
            self.tape.drop(output);
            output = copy;
        }
        match adapters.method {
            AdapterMethod::Dora => self.dora(x, output, linear, adapters),
            AdapterMethod::Vera => self.vera(x, output, linear, adapters),
            _ => self.adapted(x, output, linear, adapters),
        }
    }

    pub(super) fn base_linear(&mut self, x: Var, linear: &Linear<'_>) -> Var {
        let compute = self.pass.compute();
        let input = self.cast(x, linear.module, What::InputCast, compute);
        let weight = self.weight_cast(linear, compute);
        let dims = match linear.output {
            [width] if self.is_compiled(linear.module) => self.rows(&[self.padded_width(*width)]),
            output => self.rows(output),
        };
        let output = self.made(linear.module, What::Output, dims, compute);
        let workspace = self.workspace(linear.has_bias);
        let mut steps = vec![self.gradient_of_rows(input)];
        let is_trained = self.trains(linear.weight_of, What::Weight);
        let follows = self.tape.requires_grad(input);
        // The input is needed for the weight's gradient alone, and the weight for the input's.
        let mut saved = if is_trained { vec![input] } else { Vec::new() };
        if let Some(cast) = weight {
            if is_trained {
                steps.push(self.gradient(cast));
            }
            if follows {
                saved.push(cast);
            }
        } else {
            self.tape.keep_parameter(input);
            steps.push(self.weight_gradient(linear));
        }
        // The second of the two products has its workspace while both results are there.
        // Neither product of backward has a bias, with which cuBLASLt would do.
        if is_trained || follows {
            steps.push(Step::Scratch(self.workspace(false)));
        }
        if linear.has_bias && self.trains(linear.module, What::Bias) {
            // The bias's gradient is summed from the node's own when the node has run.
            let nothing = Dims::new(&[Dim::number(0)]);
            steps.push(Step::Raw(self.temporary(linear.module, What::Bias, nothing, compute)));
            steps.push(self.partial_sums(linear.module, &self.pass.tokens(), linear.output));
            steps.push(self.parameter_gradient(linear.module, What::Bias, linear.output));
        }
        let output = self.tape.operator(output, &saved, &steps);
        self.select_product(output, linear.has_bias);
        self.tape.scratch(workspace);
        self.tape.drop(input);
        if let Some(cast) = weight {
            self.tape.drop(cast);
        }
        output
    }

    fn shape(linear: &Linear<'_>) -> Vec<Dim> {
        [linear.output, linear.input].concat()
    }

    pub(crate) fn weight_gradient(&self, linear: &Linear<'_>) -> Step {
        let gradient = self.parameter_gradient(linear.weight_of, What::Weight, &Self::shape(linear));
        if linear.module == Module::LmHead { self.head_gradient(gradient) } else { gradient }
    }

    /// Autocast's copy of the weight, and of the bias, where autocast is on and they have another dtype.
    pub(crate) fn weight_cast(&mut self, linear: &Linear<'_>, compute: Dtype) -> Option<Var> {
        if self.pass.weight == compute {
            return None;
        }
        let storage = |what, dims: &[Dim]| Storage {
            name: self.name(linear.module, what),
            category: if self.pass.is_reference { Category::ReferenceModel } else { Category::WeightCasts },
            dims: Dims::new(dims),
            dtype: compute,
        };
        let (weight, bias) =
            (storage(What::WeightCast, &Self::shape(linear)), storage(What::BiasCast, linear.output));
        if self.pass.is_reference || !self.trains(linear.weight_of, What::Weight) {
            return Some(self.tape.constant(weight));
        }
        let gradient = self.weight_gradient(linear);
        let cast = self.tape.operator(weight, &[], &[gradient]);
        let is_view = self.pass.architecture.family.multiplies_by_views() && linear.module != Module::LmHead;
        if is_view || self.is_compiled(linear.module) {
            // The conversion is a part of the compiled graph, outside of autocast's cache.
            return Some(cast);
        }
        self.tape.cache(cast);
        if linear.has_bias {
            let bias = self.tape.constant(bias);
            self.tape.cache(bias);
            self.tape.drop(bias);
        }
        Some(cast)
    }

    /// cuBLAS's workspace for one product.
    pub(crate) fn workspace(&self, has_bias: bool) -> Storage {
        let size = if has_bias { CUBLAS_LT_WORKSPACE } else { CUBLAS_WORKSPACE };
        self.temporary(Module::Cublas, What::Workspace, Dims::new(&[Dim::number(size.get())]), Dtype::Uint8)
    }
}
