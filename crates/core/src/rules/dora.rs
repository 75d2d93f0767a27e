//! DoRA: `peft/tuners/lora/dora.py`, `DoraLinearLayer.forward`; `peft/tuners/lora/variants.py`, `DoraLinearVariant.forward`.
//!
//! The adapter is multiplied out to a whole weight each time, with an identity matrix, to get the norm of each row of the sum; nothing
//! of that needs a gradient, but the graph of the product lives as long as Python names it.

use super::Writer;
use super::linear::Linear;
use super::lora::{Matrix, matrices};
use crate::ledger::{Dim, Dims, What};
use crate::plan::Adapters;
use crate::tape::{Step, Var};
use crate::units::Dtype;

/// What DoRA's forward names until it returns.
struct Named {
    scale: Var,
    names: Vec<Var>,
    /// The base's weight in the dtype of the adapters, where that is a copy.
    weight: Option<Var>,
}

impl Writer<'_> {
    /// `result + (scale - 1) * base + scale * lora_B(lora_A(x)) * scaling`. Takes over the caller's `result`.
    pub(super) fn dora(&mut self, x: Var, result: Var, linear: &Linear<'_>, adapters: &Adapters) -> Var {
        let (module, dtype, rank) = (linear.module, adapters.dtype, [adapters.rank]);
        let result_dtype = self.tape.dtype(result);
        let input = self.cast(x, module, What::LoraInput, dtype);
        let (down, up) = matrices(linear, &rank);
        let dropped = if adapters.has_dropout {
            self.dropout(input, module)
        } else {
            self.tape.view(input, &[], &[Step::Pass(input)])
        };
        let casts = [self.adapter_cast(&down, dtype), self.adapter_cast(&up, dtype)];
        let named = self.magnitude_scale(linear, [&down, &up], dtype);
        let wide = self.both_products(dropped, [&down, &up], casts, dtype);
        let base = self.base_of_magnitude(dropped, result, linear, adapters, named.weight);
        let width = Dim::number(Dims::new(linear.output).product());
        let less_one = self.map(named.scale, module, What::MagnitudeScale, &[]);
        let of_base = self.times_vector(base, less_one, linear, width);
        self.tape.drop(less_one);
        let of_adapter = self.times_vector(wide, named.scale, linear, width);
        let scaled = self.map(of_adapter, module, What::LoraScaled, &[]);
        self.tape.drop(of_adapter);
        let both = self.sum(of_base, scaled, module, What::LoraSum);
        for var in [of_base, scaled, base, wide, named.scale].into_iter().chain(named.names) {
            self.tape.drop(var);
        }
        for cast in casts.into_iter().flatten().chain(named.weight) {
            self.tape.drop(cast);
        }
        let sum = self.sum(result, both, module, What::LoraSum);
        for var in [both, result, dropped] {
            self.tape.drop(var);
        }
        let back = self.cast(sum, module, What::Output, result_dtype);
        self.tape.drop(sum);
        self.tape.drop(input);
        back
    }

    /// Without dropout the base's output without its bias; with dropout the base's product once more, of what was dropped out, with the
    /// weight in the dtype of the adapters.
    fn base_of_magnitude(
        &mut self,
        x: Var,
        result: Var,
        linear: &Linear<'_>,
        adapters: &Adapters,
        weight: Option<Var>,
    ) -> Var {
        if !adapters.has_dropout {
            return if linear.has_bias {
                self.map(result, linear.module, What::Output, &[])
            } else {
                self.tape.view(result, &[], &[Step::Pass(result)])
            };
        }
        let compute = self.pass.autocast.unwrap_or(adapters.dtype);
        let input = self.cast(x, linear.module, What::InputCast, compute);
        let shape = [linear.output, linear.input].concat();
        let cast = (compute != adapters.dtype).then(|| {
            let cast = self.made(linear.module, What::WeightCast, Dims::new(&shape), compute);
            self.tape.constant(cast)
        });
        let output = self.made(linear.module, What::Output, self.rows(linear.output), compute);
        let workspace = self.workspace(false);
        let steps = [self.gradient_of_rows(input), Step::Scratch(workspace)];
        let saved: Vec<Var> = cast.or(weight).into_iter().collect();
        if saved.is_empty() {
            self.tape.keep_parameter(input);
        }
        let output = self.tape.operator(output, &saved, &steps);
        self.tape.scratch(workspace);
        self.tape.drop(input);
        if let Some(cast) = cast {
            self.tape.drop(cast);
        }
        output
    }

    /// `magnitude / norm(weight + scaling * lora_B(lora_A(identity)).T)`.
    fn magnitude_scale(&mut self, linear: &Linear<'_>, [down, up]: [&Matrix<'_>; 2], dtype: Dtype) -> Named {
        let module = linear.module;
        let compute = self.pass.autocast.unwrap_or(dtype);
        let number = |dims: &[Dim]| Dim::number(Dims::new(dims).product());
        let (width, rank, output) = (number(linear.input), number(down.output), number(linear.output));
        let constant = |writer: &mut Self, what, dims: &[Dim], dtype| {
            let storage = writer.temporary(module, what, Dims::new(dims), dtype);
            writer.tape.constant(storage)
        };
        let product = |writer: &mut Self, what, dims: &[Dim]| {
            let made = constant(writer, what, dims, compute);
            let workspace = writer.workspace(false);
            writer.tape.scratch(workspace);
            made
        };
        let identity = constant(self, What::Identity, &[width, width], dtype);
        let cast = (compute != dtype).then(|| constant(self, What::Identity, &[width, width], compute));
        let narrow = product(self, down.result, &[width, rank]);
        let whole = product(
            self,
            What::LoraWeight,
            &[width, Dim::number(up.output.iter().fold(1, |n, d| n.saturating_mul(d.value)))],
        );
        let mut names = vec![narrow];
        // The graph keeps what was multiplied: the identity, or its cast.
        match cast {
            Some(cast) => {
                self.tape.drop(identity);
                names.push(cast);
                names.push(constant(self, What::LoraWeight, &[output, width], dtype));
                self.tape.drop(whole);
            }
            None => names.extend([identity, whole]),
        }
        let weight =
            (self.pass.weight != dtype).then(|| constant(self, What::Fp32Copy, &[output, width], dtype));
        let scaled = constant(self, What::LoraScaled, &[output, width], dtype);
        let sum = constant(self, What::LoraSum, &[output, width], dtype);
        self.tape.drop(scaled);
        let norm = constant(self, What::WeightNorm, &[output], dtype);
        self.tape.drop(sum);
        let scale = self.made(module, What::MagnitudeScale, Dims::new(&[output]), dtype);
        let gradient = self.vector_gradient(module, What::Magnitude, &[output], dtype);
        let scale = self.tape.operator(scale, &[norm], &[gradient]);
        names.push(norm);
        Named { scale, names, weight }
    }
}
