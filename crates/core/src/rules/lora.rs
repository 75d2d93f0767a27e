//! LoRA's adapters: `peft/tuners/lora/layer.py`, `Linear.forward`, and, over a quantised base, `bnb.py`, `gptq.py`, `awq.py`. FINDINGS
//! section 3, PARALLEL section 9.

use super::Writer;
use super::linear::Linear;
use crate::ledger::{Category, Dim, Dims, Module, Name, What};
use crate::plan::Adapters;
use crate::scenario::QuantisedBase;
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

/// One of an adapter's two matrices.
pub(super) struct Matrix<'a> {
    pub(super) module: Module,
    pub(super) what: What,
    pub(super) output: &'a [Dim],
    pub(super) input: &'a [Dim],
    pub(super) result: What,
}

/// LoRA's two matrices beside a linear layer.
pub(super) const fn matrices<'a>(linear: &Linear<'a>, rank: &'a [Dim; 1]) -> (Matrix<'a>, Matrix<'a>) {
    let module = linear.module;
    let down =
        Matrix { module, what: What::LoraA, output: rank, input: linear.input, result: What::LoraDown };
    let up = Matrix { module, what: What::LoraB, output: linear.output, input: rank, result: What::LoraUp };
    (down, up)
}

/// Who settles the dtypes of an adapter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Conversion {
    /// The input is converted to the adapter's, the sum to the layer's (`layer.py`, `gptq.py`).
    Sum,
    /// The input is converted, and what is added (`bnb.py`, `awq.py`).
    Added,
    /// Autocast alone (the same two).
    Autocast,
}

impl Writer<'_> {
    /// `result + lora_B(lora_A(dropout(x))) * scaling`, in the dtype that `result` has. Takes over the caller's `result`.
    pub(crate) fn adapted(&mut self, x: Var, result: Var, linear: &Linear<'_>, adapters: &Adapters) -> Var {
        let (module, dtype, rank) = (linear.module, adapters.dtype, [adapters.rank]);
        let result_dtype = self.tape.dtype(result);
        let conversion = self.conversion();
        let input_dtype = if conversion == Conversion::Autocast { self.tape.dtype(x) } else { dtype };
        let input = self.cast(x, module, What::LoraInput, input_dtype);
        let dropped = if adapters.has_dropout {
            self.dropout(input, module)
        } else {
            self.tape.view(input, &[], &[Step::Pass(input)])
        };
        let (down, up) = matrices(linear, &rank);
        let wide = self.both_products(dropped, [&down, &up], [None, None], dtype);
        self.tape.drop(dropped);
        let scaled = self.map(wide, module, What::LoraScaled, &[]);
        self.tape.drop(wide);
        let added = if conversion == Conversion::Added { result_dtype } else { self.tape.dtype(scaled) };
        let added = self.cast(scaled, module, What::LoraScaled, added);
        self.tape.drop(scaled);
        let sum = self.sum(result, added, module, What::LoraSum);
        self.tape.drop(added);
        self.tape.drop(result);
        let back = if conversion == Conversion::Sum { result_dtype } else { self.tape.dtype(sum) };
        let back = self.cast(sum, module, What::Output, back);
        self.tape.drop(sum);
        self.tape.drop(input);
        back
    }

    fn conversion(&self) -> Conversion {
        match (&self.pass.quantised, self.pass.autocast) {
            (None, _) => Conversion::Sum,
            (Some(quantised), _) if quantised.base == QuantisedBase::Gptq => Conversion::Sum,
            (Some(_), None) => Conversion::Added,
            (Some(_), Some(_)) => Conversion::Autocast,
        }
    }

    /// `lora_B(lora_A(x))`, with weight casts that are there already, where they are.
    pub(super) fn both_products(
        &mut self,
        x: Var,
        [down, up]: [&Matrix<'_>; 2],
        casts: [Option<Var>; 2],
        dtype: Dtype,
    ) -> Var {
        let narrow = self.adapter_product(x, down, casts[0], dtype);
        let wide = self.adapter_product(narrow, up, casts[1], dtype);
        self.tape.drop(narrow);
        wide
    }

    /// Autocast's copy of a matrix, where it has another dtype.
    pub(super) fn adapter_cast(&mut self, matrix: &Matrix<'_>, dtype: Dtype) -> Option<Var> {
        let compute = self.pass.autocast.unwrap_or(dtype);
        let gradient = self.adapter_gradient(matrix, dtype);
        (compute != dtype).then(|| {
            let cast = Storage {
                name: self.name(matrix.module, What::WeightCast),
                category: Category::WeightCasts,
                dims: Dims::new(&[matrix.output, matrix.input].concat()),
                dtype: compute,
            };
            let cast = self.tape.operator(cast, &[], &[gradient]);
            self.tape.cache(cast);
            cast
        })
    }

    fn adapter_product(&mut self, x: Var, matrix: &Matrix<'_>, cast: Option<Var>, dtype: Dtype) -> Var {
        let compute = self.pass.autocast.unwrap_or(dtype);
        let input = self.cast(x, matrix.module, What::InputCast, compute);
        let gradient = self.adapter_gradient(matrix, dtype);
        let output = self.made(matrix.module, matrix.result, self.rows(matrix.output), compute);
        let workspace = self.workspace(false);
        let mut steps = vec![self.gradient_of_rows(input)];
        let mut saved = vec![input];
        let weight = cast.or_else(|| self.adapter_cast(matrix, dtype));
        match weight {
            Some(cast) => {
                steps.push(self.gradient(cast));
                saved.push(cast);
            }
            None => steps.push(gradient),
        }
        steps.push(Step::Scratch(workspace));
        let output = self.tape.operator(output, &saved, &steps);
        self.tape.scratch(workspace);
        self.tape.drop(input);
        if let (Some(own), None) = (weight, cast) {
            self.tape.drop(own);
        }
        output
    }

    fn adapter_gradient(&self, matrix: &Matrix<'_>, dtype: Dtype) -> Step {
        self.vector_gradient(matrix.module, matrix.what, &[matrix.output, matrix.input].concat(), dtype)
    }

    /// The gradient of an adapter's parameter.
    pub(super) fn vector_gradient(&self, module: Module, what: What, dims: &[Dim], dtype: Dtype) -> Step {
        let category = if self.pass.accumulates { Category::Temporaries } else { Category::Gradients };
        Step::Adapter(Storage {
            name: Name { gradient: true, ..self.name(module, what) },
            category,
            dims: Dims::new(dims),
            dtype,
        })
    }
}
