//! VeRA: `peft/tuners/vera/layer.py`, `Linear.forward`. All layers share two random matrices, which are no parameters.

use super::Writer;
use super::linear::Linear;
use crate::ledger::{Category, Dim, Dims, What};
use crate::plan::Adapters;
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// `result + lambda_b * linear(lambda_d * linear(dropout(x), A), B)`, in the dtype that `result` has, and then in that of `x`. Takes
    /// over the caller's `result`.
    pub(super) fn vera(&mut self, x: Var, result: Var, linear: &Linear<'_>, adapters: &Adapters) -> Var {
        let module = linear.module;
        let (dtype, given) = (adapters.dtype, self.tape.dtype(x));
        let result_dtype = self.tape.dtype(result);
        let input = self.cast(x, module, What::LoraInput, dtype);
        let dropped = if adapters.has_dropout {
            self.dropout(input, module)
        } else {
            self.tape.view(input, &[], &[Step::Pass(input)])
        };
        let output = Dim::number(Dims::new(linear.output).product());
        let narrow =
            self.random_product(dropped, linear, linear.input, &[adapters.rank], dtype, What::LoraDown);
        self.tape.drop(dropped);
        let scaled = self.lambda(narrow, linear, What::LambdaD, adapters.rank, dtype);
        self.tape.drop(narrow);
        let wide = self.random_product(scaled, linear, &[adapters.rank], linear.output, dtype, What::LoraUp);
        self.tape.drop(scaled);
        let scaled = self.lambda(wide, linear, What::LambdaB, output, dtype);
        self.tape.drop(wide);
        let sum = self.sum(result, scaled, module, What::LoraSum);
        self.tape.drop(scaled);
        self.tape.drop(result);
        let back = self.cast(sum, module, What::Output, result_dtype);
        self.tape.drop(sum);
        self.tape.drop(input);
        let last = self.cast(back, module, What::Output, given);
        self.tape.drop(back);
        last
    }

    /// A product with a slice of a shared matrix. Autocast casts the slice each time: it is no leaf that requires a gradient.
    fn random_product(
        &mut self,
        x: Var,
        linear: &Linear<'_>,
        input: &[Dim],
        output: &[Dim],
        dtype: Dtype,
        result: What,
    ) -> Var {
        let module = linear.module;
        let compute = self.pass.autocast.unwrap_or(dtype);
        let from = self.cast(x, module, What::InputCast, compute);
        let cast = (compute != dtype).then(|| {
            let cast = Storage {
                name: self.name(module, What::WeightCast),
                category: Category::WeightCasts,
                dims: Dims::new(&[output, input].concat()),
                dtype: compute,
            };
            self.tape.constant(cast)
        });
        let made = self.made(module, result, self.rows(output), compute);
        let workspace = self.workspace(false);
        let steps = [self.gradient_of_rows(from), Step::Scratch(workspace)];
        if cast.is_none() {
            self.tape.keep_parameter(from);
        }
        let made = self.tape.operator(made, cast.as_slice(), &steps);
        self.tape.scratch(workspace);
        self.tape.drop(from);
        if let Some(cast) = cast {
            self.tape.drop(cast);
        }
        made
    }

    /// A vector that is trained, times what a product has made.
    fn lambda(&mut self, x: Var, linear: &Linear<'_>, what: What, width: Dim, dtype: Dtype) -> Var {
        let storage = self.tape.storage(x);
        let output_dtype = super::elementwise::promoted(storage.dtype, dtype);
        let output = self.made(linear.module, What::LoraScaled, storage.dims, output_dtype);
        let product = self.temporary(linear.module, What::LoraScaled, storage.dims, output_dtype);
        let gradient = self.vector_gradient(linear.module, what, &[width], dtype);
        let sums = self.partial_sums(linear.module, &self.pass.tokens(), &[width]);
        let mut steps = vec![Step::Raw(product), sums, gradient];
        steps.extend(self.promoted_gradient(x, output_dtype));
        self.tape.keep_parameter(x);
        self.tape.operator(output, &[x], &steps)
    }
}
