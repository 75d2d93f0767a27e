//! Linear layers over a quantised weight. None of them keeps its input for the weight's gradient, since there is none; the weight in
//! 16 bits is made for a product and freed after it, in forward and again in backward.

use super::Writer;
use super::linear::Linear;
use crate::ledger::{Dim, Dims, Module, What};
use crate::quantised::Quantised;
use crate::scenario::QuantisedBase;
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// A frozen linear layer on `x`, which the caller still holds.
    pub(crate) fn quantised_linear(&mut self, x: Var, linear: &Linear<'_>, quantised: &Quantised) -> Var {
        match quantised.base {
            QuantisedBase::Int8 => self.eight_bit_linear(x, linear),
            QuantisedBase::Gptq => self.gptq_linear(x, linear),
            QuantisedBase::Awq => self.awq_linear(x, linear),
            QuantisedBase::Nf4 | QuantisedBase::Fp4 | QuantisedBase::None => {
                self.four_bit_linear(x, linear, quantised)
            }
        }
    }

    /// bitsandbytes 0.50, `nn.Linear4bit.forward` and `MatMul4Bit`: the input is cast to the compute dtype and the output back. Forward
    /// dequantises the weight unless a fused kernel takes it as it is (`_dequant_linear_fallback`); with double quantisation the scales
    /// are dequantised too, and the offset added to a copy. Nothing goes through saved tensors.
    fn four_bit_linear(&mut self, x: Var, linear: &Linear<'_>, quantised: &Quantised) -> Var {
        let (module, compute) = (linear.module, quantised.compute);
        let input_dtype = self.tape.dtype(x);
        let (rows, columns) = (Dims::new(linear.output).product(), Dims::new(linear.input).product());
        let tokens = self.pass.rows.saturating_mul(self.pass.sequence);
        let input = self.cast(x, module, What::InputCast, compute);
        let scales = self.scales(linear);
        let mut taken = Vec::with_capacity(3);
        let is_fused = quantised.is_fused(tokens, rows, columns);
        if !is_fused {
            if quantised.is_double {
                taken.extend([self.tape.constant(scales), self.tape.constant(scales)]);
            }
            taken.push(self.tape.constant(self.dequantised(linear, compute)));
        }
        let output = self.made(module, What::Output, self.rows(linear.output), compute);
        let mut steps = Vec::with_capacity(5);
        steps.push(Step::Temporary(self.dequantised(linear, compute)));
        if quantised.original != compute {
            steps.push(Step::Scratch(self.dequantised(linear, quantised.original)));
        }
        if quantised.is_double {
            steps.push(Step::Scratch(scales));
        }
        steps.extend([self.gradient(input), Step::Scratch(self.workspace(false))]);
        let output = self.tape.operator(output, &[], &steps);
        if !is_fused {
            self.tape.scratch(self.workspace(linear.has_bias));
        }
        for var in taken {
            self.tape.drop(var);
        }
        let back = self.cast(output, module, What::Output, input_dtype);
        self.tape.drop(output);
        self.tape.drop(input);
        back
    }

    /// bitsandbytes 0.50, `MatMul8bitLt` with a threshold above zero and no outliers, whose columns depend on the data: the input in fp16
    /// and in 8 bits, the product in int32, in fp16 and in the input's dtype. Its node keeps the input as an attribute (`ctx.tensors`),
    /// which neither the hooks of checkpointing see nor backward lets go: it lives until the loss is gone.
    fn eight_bit_linear(&mut self, x: Var, linear: &Linear<'_>) -> Var {
        let module = linear.module;
        let dtype = self.tape.dtype(x);
        let input = self.tape.storage(x).dims;
        let wide = |writer: &Self, what, dims, dtype| writer.temporary(module, what, dims, dtype);
        let half = (dtype != Dtype::Fp16)
            .then(|| self.tape.constant(wide(self, What::InputCast, input, Dtype::Fp16)));
        let statistics = Dims::new(&self.pass.tokens());
        let statistics = self.tape.constant(wide(self, What::QuantScales, statistics, Dtype::Fp32));
        let quantised = self.tape.constant(wide(self, What::QuantisedInput, input, Dtype::Int8));
        let magnitude = self.tape.constant(wide(self, What::Outliers, input, Dtype::Fp16));
        let outliers = self.tape.constant(wide(self, What::Outliers, input, Dtype::Bool));
        for var in [Some(magnitude), Some(outliers), half].into_iter().flatten() {
            self.tape.drop(var);
        }
        let output = self.rows(linear.output);
        let product = self.tape.constant(wide(self, What::Product, output, Dtype::Int32));
        let scaled = (dtype != Dtype::Fp16)
            .then(|| self.tape.constant(wide(self, What::Product, output, Dtype::Fp16)));
        let row_scales =
            Storage { dims: Dims::new(linear.output), dtype: Dtype::Fp32, ..self.scales(linear) };
        let steps = [
            Step::Temporary(self.dequantised(linear, dtype)),
            Step::Scratch(row_scales),
            self.gradient_of_rows(x),
            Step::Scratch(self.workspace(false)),
        ];
        let output = self.tape.operator(self.made(module, What::Output, output, dtype), &[], &steps);
        for var in [scaled, Some(product), Some(quantised), Some(statistics)].into_iter().flatten() {
            self.tape.drop(var);
        }
        self.tape.keep_by_node(x);
        output
    }

    /// Derived, not measured: `gptqmodel/nn_modules/triton_utils/dequant.py`, `QuantLinearFunction` (`TritonV2QuantLinear`). The weight in
    /// the input's dtype, then a product; what is kept are the module's buffers.
    fn gptq_linear(&mut self, x: Var, linear: &Linear<'_>) -> Var {
        let (module, dtype) = (linear.module, self.tape.dtype(x));
        let compute = self.pass.autocast.unwrap_or(dtype);
        let weight = self.tape.constant(self.dequantised(linear, dtype));
        let casts = (compute != dtype).then(|| {
            let input = self.made(module, What::InputCast, self.tape.storage(x).dims, compute);
            [self.tape.constant(input), self.tape.constant(self.dequantised(linear, compute))]
        });
        let output = self.made(module, What::Output, self.rows(linear.output), compute);
        self.tape.keep_parameter(x);
        let steps = [
            Step::Temporary(self.dequantised(linear, compute)),
            self.gradient(x),
            Step::Scratch(self.workspace(false)),
        ];
        let product = self.tape.operator(output, &[], &steps);
        self.tape.scratch(self.workspace(false));
        for var in casts.into_iter().flatten().chain([weight]) {
            self.tape.drop(var);
        }
        let output = self.cast(product, module, What::Output, dtype);
        self.tape.drop(product);
        if linear.has_bias { self.with_bias(output, module) } else { output }
    }

    /// Derived, not measured: autoawq 0.2.9, `awq/modules/linear/gemm.py`, `WQLinearMMFunction` and `WQLinear_GEMM.forward`. The input is
    /// saved although nothing needs it; products are in fp16, and for few tokens the kernel adds up eight partial ones. Backward
    /// dequantises the weight and repeats it for every sample.
    fn awq_linear(&mut self, x: Var, linear: &Linear<'_>) -> Var {
        const PARTS: u64 = 8;
        const FEW: u64 = 1024;
        let (module, dtype) = (linear.module, self.tape.dtype(x));
        let input = self.cast(x, module, What::InputCast, Dtype::Fp16);
        let half = self.tape.dtype(input);
        let output = self.rows(linear.output);
        let repeated = Dims::new(&[self.pass.batch()]);
        let weight = self.dequantised(linear, half);
        let repeated = linear.output.iter().chain(linear.input).fold(repeated, |dims, &dim| dims.and(dim));
        let steps = [
            Step::Temporary(weight),
            Step::Temporary(Storage { dims: repeated, ..weight }),
            self.gradient(input),
        ];
        let is_dequantised = self.pass.rows.saturating_mul(self.pass.sequence) >= FEW;
        let needed = if is_dequantised {
            weight
        } else {
            self.temporary(module, What::Product, output.times(Dim::number(PARTS)), half)
        };
        let needed = self.tape.constant(needed);
        let product = self.made(module, What::Output, output, half);
        let product = self.tape.operator(product, &[input], &steps);
        if is_dequantised {
            self.tape.scratch(self.workspace(false));
        }
        self.tape.drop(needed);
        self.tape.drop(input);
        let product = if linear.has_bias { self.with_bias(product, module) } else { product };
        let output = self.cast(product, module, What::Output, dtype);
        self.tape.drop(product);
        output
    }

    /// `output + bias` of a frozen bias. Takes over the caller's `output`.
    fn with_bias(&mut self, output: Var, module: Module) -> Var {
        let storage = self.tape.storage(output);
        let sum = self.made(module, What::Output, storage.dims, storage.dtype);
        let sum = self.tape.operator(sum, &[], &[Step::Pass(output)]);
        self.tape.drop(output);
        sum
    }

    /// The weight as it was before it was quantised.
    fn dequantised(&self, linear: &Linear<'_>, dtype: Dtype) -> Storage {
        let dims = linear.output.iter().chain(linear.input).copied();
        let dims = dims.fold(Dims::new(&[]), Dims::and);
        self.temporary(linear.module, What::Dequantised, dims, dtype)
    }

    /// The scales of a 4-bit weight in fp32.
    fn scales(&self, linear: &Linear<'_>) -> Storage {
        let elements = Dims::new(linear.output).product().saturating_mul(Dims::new(linear.input).product());
        let dims = Dims::new(&[Dim::number(Quantised::blocks(elements))]);
        self.temporary(linear.module, What::QuantScales, dims, Dtype::Fp32)
    }
}
