//! Norms: FINDINGS section 3, LAYERS.md; `LlamaRMSNorm`, `Gemma3RMSNorm` (transformers), `native_layer_norm` (PyTorch).

use super::Writer;
use super::elementwise::promoted;
use crate::ledger::{Dim, Dims, Module, What};
use crate::model::NormKind;
use crate::scenario::Fused;
use crate::tape::{Step, Var};
use crate::units::Dtype;

/// A norm over `width` values, of which there are `rows`.
pub(crate) struct Norm<'a> {
    pub(crate) module: Module,
    pub(crate) rows: &'a [Dim],
    pub(crate) width: Dim,
}

impl Norm<'_> {
    pub(crate) fn full(&self) -> Dims {
        Dims::new(self.rows).and(self.width)
    }

    pub(crate) fn per_row(&self) -> Dims {
        Dims::new(self.rows)
    }
}

impl Writer<'_> {
    /// The family's norm of `x`, which the caller still holds.
    pub(crate) fn norm(&mut self, x: Var, norm: &Norm<'_>) -> Var {
        if self.is_compiled(norm.module) {
            return self.compiled_norm(x, norm);
        }
        match self.pass.architecture.family.norm() {
            NormKind::Rms | NormKind::RmsGemma if self.pass.kernels.norm == Fused::Liger => {
                self.liger_norm(x, norm)
            }
            NormKind::Rms => self.rms_norm(x, norm),
            NormKind::RmsGemma => self.gemma_norm(x, norm),
            NormKind::LayerNorm => self.layer_norm(x, norm, true),
            NormKind::LayerNormWithoutBias => self.layer_norm(x, norm, false),
            NormKind::LayerNormOnePlus => self.one_plus_layer_norm(x, norm),
            NormKind::LayerNormPlain => self.plain_layer_norm(x, norm),
            NormKind::Centred => self.centred_norm(x, norm),
            NormKind::T5 => self.t5_norm(x, norm),
            NormKind::RmsWide => self.wide_rms_norm(x, norm),
        }
    }

    /// `weight * (x.float() * rsqrt(mean(x.float()²) + eps)).to(x.dtype)`.
    fn rms_norm(&mut self, x: Var, norm: &Norm<'_>) -> Var {
        let input_dtype = self.tape.dtype(x);
        let normalised = self.normalise(x, norm);
        let back = self.cast(normalised, norm.module, What::Normalised, input_dtype);
        let output = self.weighted_norm(back, norm, promoted(input_dtype, self.pass.weight));
        self.tape.drop(back);
        self.tape.drop(normalised);
        output
    }

    /// `weight * back`; the weight's gradient is summed from a whole product.
    pub(crate) fn weighted_norm(&mut self, back: Var, norm: &Norm<'_>, dtype: Dtype) -> Var {
        let output = self.made(norm.module, What::Output, norm.full(), dtype);
        let product = self.temporary(norm.module, What::Scaled, norm.full(), dtype);
        let back_gradient = self.gradient(back);
        if self.trains(norm.module, What::Weight) {
            let weight = self.parameter_gradient(norm.module, What::Weight, &[norm.width]);
            let sums = self.partial_sums(norm.module, norm.rows, &[norm.width]);
            self.tape.operator(output, &[back], &[Step::Raw(product), sums, weight, back_gradient])
        } else {
            self.tape.operator(output, &[], &[back_gradient])
        }
    }

    /// `(x.float() * rsqrt(mean(x.float()²) + eps) * (1 + weight.float())).type_as(x)`.
    fn gemma_norm(&mut self, x: Var, norm: &Norm<'_>) -> Var {
        let input_dtype = self.tape.dtype(x);
        let normalised = self.normalise(x, norm);
        let scale = self.made(norm.module, What::OnePlusWeight, Dims::new(&[norm.width]), Dtype::Fp32);
        let gradient = self.parameter_gradient(norm.module, What::Weight, &[norm.width]);
        let scale = self.tape.operator(scale, &[], &[gradient]);
        let output = self.made(norm.module, What::Scaled, norm.full(), Dtype::Fp32);
        let product = self.temporary(norm.module, What::Scaled, norm.full(), Dtype::Fp32);
        let normalised_gradient = self.gradient(normalised);
        let scaled = if self.trains(norm.module, What::Weight) {
            let sums = self.partial_sums(norm.module, norm.rows, &[norm.width]);
            let steps = [normalised_gradient, Step::Raw(product), sums, self.gradient(scale)];
            self.tape.operator(output, &[normalised, scale], &steps)
        } else {
            self.tape.operator(output, &[scale], &[normalised_gradient])
        };
        self.tape.drop(scale);
        self.tape.drop(normalised);
        let output = self.cast(scaled, norm.module, What::Output, input_dtype);
        self.tape.drop(scaled);
        output
    }

    /// `(weight * (x.float() * rsqrt(mean(x.float()²) + eps))).to(x.dtype)`.
    fn wide_rms_norm(&mut self, x: Var, norm: &Norm<'_>) -> Var {
        let input_dtype = self.tape.dtype(x);
        let normalised = self.normalise(x, norm);
        let scaled = self.weighted_norm(normalised, norm, Dtype::Fp32);
        self.tape.drop(normalised);
        let output = self.cast(scaled, norm.module, What::Output, input_dtype);
        self.tape.drop(scaled);
        output
    }

    /// `weight * (x * rsqrt(mean(x.float()²) + eps)).to(weight.dtype)`.
    fn t5_norm(&mut self, x: Var, norm: &Norm<'_>) -> Var {
        let x32 = self.cast(x, norm.module, What::Fp32Copy, Dtype::Fp32);
        let inverse = self.inverse_rms(x32, norm);
        self.tape.drop(x32);
        let output = self.made(norm.module, What::Normalised, norm.full(), Dtype::Fp32);
        let product = self.temporary(norm.module, What::Scaled, norm.full(), Dtype::Fp32);
        let mut steps = self.promoted_gradient(x, Dtype::Fp32);
        steps.extend([Step::Raw(product), self.gradient(inverse)]);
        let normalised = self.tape.operator(output, &[x, inverse], &steps);
        self.tape.drop(inverse);
        let back = self.cast(normalised, norm.module, What::Normalised, self.pass.weight);
        self.tape.drop(normalised);
        let scaled = self.weighted_norm(back, norm, self.pass.weight);
        self.tape.drop(back);
        scaled
    }

    /// `x.float() * rsqrt(mean(x.float()²) + eps)`, in fp32.
    pub(crate) fn normalise(&mut self, x: Var, norm: &Norm<'_>) -> Var {
        let full = |writer: &Self, what| writer.temporary(norm.module, what, norm.full(), Dtype::Fp32);
        let x32 = self.cast(x, norm.module, What::Fp32Copy, Dtype::Fp32);
        let inverse = self.inverse_rms(x32, norm);
        let output = self.made(norm.module, What::Normalised, norm.full(), Dtype::Fp32);
        let of_x32 = self.gradient_in_norm(x32, norm.module);
        let steps = [of_x32, Step::Raw(full(self, What::Scaled)), self.gradient(inverse)];
        let normalised = self.tape.operator(output, &[x32, inverse], &steps);
        self.tape.drop(inverse);
        self.tape.drop(x32);
        normalised
    }

    /// `rsqrt(mean(x32²) + eps)`.
    fn inverse_rms(&mut self, x32: Var, norm: &Norm<'_>) -> Var {
        let full = |writer: &Self, what| writer.temporary(norm.module, what, norm.full(), Dtype::Fp32);
        let square = full(self, What::Square);
        // pow_backward: grad * (exponent * self.pow(exponent - 1))
        let steps = [Step::Temporary(square), Step::Temporary(square), self.gradient(x32)];
        let square = self.tape.operator(square, &[x32], &steps);
        let variance = self.temporary(norm.module, What::Variance, norm.per_row(), Dtype::Fp32);
        let gradient = self.gradient(square);
        let variance = self.tape.operator(variance, &[], &[gradient]);
        self.tape.drop(square);
        let inverse = self.made(norm.module, What::InverseRms, norm.per_row(), Dtype::Fp32);
        let gradient = self.gradient(variance);
        let inverse = self.tape.operator(inverse, &[], &[gradient]);
        self.tape.drop(variance);
        inverse
    }

    /// `torch.nn.LayerNorm`: keeps its input, and mean and 1 / deviation of each row in fp32. An fp32 operator under autocast.
    fn layer_norm(&mut self, x: Var, norm: &Norm<'_>, has_bias: bool) -> Var {
        let dtype = if self.pass.autocast.is_some() { Dtype::Fp32 } else { self.tape.dtype(x) };
        let input = self.cast(x, norm.module, What::Fp32Copy, dtype);
        let mut steps =
            vec![self.gradient(input), self.parameter_gradient(norm.module, What::Weight, &[norm.width])];
        if has_bias {
            steps.push(self.parameter_gradient(norm.module, What::Bias, &[norm.width]));
        }
        let output = self.native_layer_norm(input, norm, &[], &steps);
        self.tape.drop(input);
        output
    }

    /// The same of a tensor that is in another memory layout: forward and backward each make a copy (`layer_norm_kernel.cu`,
    /// `expect_contiguous`).
    pub(crate) fn layer_norm_of_copy(&mut self, x: Var, norm: &Norm<'_>) -> Var {
        let dtype = if self.pass.autocast.is_some() { Dtype::Fp32 } else { self.tape.dtype(x) };
        let input = self.cast(x, norm.module, What::Fp32Copy, dtype);
        let copy = self.temporary(norm.module, What::Contiguous, norm.full(), dtype);
        let held = self.tape.constant(copy);
        let steps = [
            Step::Temporary(copy),
            self.gradient(input),
            self.parameter_gradient(norm.module, What::Weight, &[norm.width]),
            self.parameter_gradient(norm.module, What::Bias, &[norm.width]),
        ];
        let output = self.native_layer_norm(input, norm, &[], &steps);
        self.tape.drop(held);
        self.tape.drop(input);
        output
    }

    /// `native_layer_norm`: keeps its input and its statistics, one of each a row, in fp32.
    fn native_layer_norm(&mut self, input: Var, norm: &Norm<'_>, kept: &[Var], steps: &[Step]) -> Var {
        let output = self.made(norm.module, What::Output, norm.full(), self.tape.dtype(input));
        let mean = self.tape.constant(self.made(norm.module, What::Mean, norm.per_row(), Dtype::Fp32));
        let deviation =
            self.tape.constant(self.made(norm.module, What::InverseStd, norm.per_row(), Dtype::Fp32));
        let saved = [&[input, mean, deviation], kept].concat();
        let output = self.tape.operator(output, &saved, steps);
        self.tape.drop(mean);
        self.tape.drop(deviation);
        output
    }

    /// `NemotronLayerNorm1P`: `1 + weight` is a tensor of its own; under autocast, all operands are 16-bit copies.
    fn one_plus_layer_norm(&mut self, x: Var, norm: &Norm<'_>) -> Var {
        let compute = self.pass.compute();
        let width = Dims::new(&[norm.width]);
        let gradient = self.parameter_gradient(norm.module, What::Weight, &[norm.width]);
        let scale = self.made(norm.module, What::OnePlusWeight, width, self.pass.weight);
        let scale = self.tape.operator(scale, &[], &[gradient]);
        let input = self.cast(x, norm.module, What::InputCast, compute);
        let narrow = self.cast(scale, norm.module, What::WeightCast, compute);
        let bias_step = self.parameter_gradient(norm.module, What::Bias, &[norm.width]);
        let bias = (self.pass.weight != compute).then(|| {
            let cast = self.made(norm.module, What::BiasCast, width, compute);
            self.tape.operator(cast, &[], &[bias_step])
        });
        let of_bias = bias.map_or(bias_step, |bias| self.gradient(bias));
        let steps = [self.gradient(input), self.gradient(narrow), of_bias];
        let kept: Vec<Var> = std::iter::once(narrow).chain(bias).collect();
        let output = self.native_layer_norm(input, norm, &kept, &steps);
        for var in kept.into_iter().chain([input, scale]) {
            self.tape.drop(var);
        }
        output
    }

    /// `layer_norm(x.float(), …, None, None).to(x.dtype)`.
    fn plain_layer_norm(&mut self, x: Var, norm: &Norm<'_>) -> Var {
        let dtype = self.tape.dtype(x);
        let input = self.cast(x, norm.module, What::Fp32Copy, Dtype::Fp32);
        let steps = [self.gradient(input)];
        let wide = self.native_layer_norm(input, norm, &[], &steps);
        self.tape.drop(input);
        let output = self.cast(wide, norm.module, What::Output, dtype);
        self.tape.drop(wide);
        output
    }

    /// `(weight.float() * ((x32 - mean) * rsqrt(((x32 - mean)²).mean() + eps))).to(x.dtype)`: the difference is made twice.
    fn centred_norm(&mut self, x: Var, norm: &Norm<'_>) -> Var {
        let dtype = self.tape.dtype(x);
        let x32 = self.cast(x, norm.module, What::Fp32Copy, Dtype::Fp32);
        let mean = self.made(norm.module, What::Mean, norm.per_row(), Dtype::Fp32);
        let gradient = self.gradient(x32);
        let mean = self.tape.operator(mean, &[], &[gradient]);
        let first = self.centred(x32, mean, norm);
        let inverse = self.inverse_rms(first, norm);
        self.tape.drop(first);
        let second = self.centred(x32, mean, norm);
        let output = self.made(norm.module, What::Normalised, norm.full(), Dtype::Fp32);
        let product = self.temporary(norm.module, What::Scaled, norm.full(), Dtype::Fp32);
        let steps = [self.gradient(second), Step::Raw(product), self.gradient(inverse)];
        let normalised = self.tape.operator(output, &[second, inverse], &steps);
        for var in [second, inverse, x32] {
            self.tape.drop(var);
        }
        let scaled = self.weighted_norm(normalised, norm, Dtype::Fp32);
        self.tape.drop(normalised);
        let output = self.cast(scaled, norm.module, What::Output, dtype);
        for var in [scaled, mean] {
            self.tape.drop(var);
        }
        output
    }

    /// `x32 - mean`; the mean's gradient is summed from a whole one.
    fn centred(&mut self, x32: Var, mean: Var, norm: &Norm<'_>) -> Var {
        let output = self.made(norm.module, What::Centred, norm.full(), Dtype::Fp32);
        let negative = self.temporary(norm.module, What::Centred, norm.full(), Dtype::Fp32);
        let steps = [Step::Pass(x32), Step::Raw(negative), self.gradient(mean)];
        self.tape.operator(output, &[], &steps)
    }

    /// `(x.float() * rsqrt(mean(x.float()²) + eps)).type_as(x)`, without a weight (`Llama4TextL2Norm`).
    pub(crate) fn norm_without_weight(&mut self, x: Var, norm: &Norm<'_>) -> Var {
        let dtype = self.tape.dtype(x);
        let normalised = self.normalise(x, norm);
        let back = self.cast(normalised, norm.module, What::Output, dtype);
        self.tape.drop(normalised);
        back
    }
}
