//! LoRA on the matrices of all experts, which are one parameter of three dimensions: `peft/tuners/lora/layer.py`, `ParamWrapper`.
//!
//! The adapters of all experts are two matrices, multiplied out and added to the weight in one product (`_LoraFactorsProxy`, `baddbmm`).
//! While the experts run, that sum stands in for the parameter (`torch.nn.utils.parametrize`); registering it makes the sum once before
//! (`ParametrizationList.__init__`).

use super::Writer;
use crate::ledger::{Category, Dim, Dims, Module, What};
use crate::plan::Adapters;
use crate::tape::{Step, Storage, Var};

/// A parametrised weight: what its product takes, which the parametrisation holds until the experts have run.
pub(super) struct Parametrised {
    sum: Storage,
    /// A copy of the factor that no product takes as it lies (`prepare_batch_matrix_for_cublas`).
    copy: Storage,
    /// Whether the first of the two products of backward needs that copy, and not the second.
    is_transposed: bool,
    casts: [Option<Var>; 2],
    steps: [Step; 2],
}

/// One of the two factors: its parameter, and what the product takes.
struct Factor<'a> {
    what: What,
    parameter: &'a [Dim],
    operand: &'a [Dim],
    /// Its gradient is no view of the parameter's shape.
    is_permuted: bool,
}

impl Writer<'_> {
    /// The parametrisation of a module's weight, where it has adapters. `shape`: experts, then the rows of a matrix, then its columns.
    pub(super) fn parametrised(&mut self, module: Module, shape: &[Dim]) -> Option<Parametrised> {
        let adapters = self.pass.adapters.filter(|adapters| adapters.experts.contains(module))?;
        let ([experts, rows @ .., columns], rank) = (shape, adapters.rank) else { return None };
        let output = Dim::number(Dims::new(rows).product());
        let ranks = Dim::number(experts.value.saturating_mul(rank.value));
        // gpt-oss holds its matrices the other way round (`is_transposed`).
        let is_transposed = self.pass.architecture.family.has_expert_biases();
        let down = Factor {
            what: What::LoraA,
            parameter: &[ranks, *columns],
            operand: &[*experts, rank, *columns],
            is_permuted: is_transposed,
        };
        let up = Factor {
            what: What::LoraB,
            parameter: &[output, ranks],
            operand: &[*experts, output, rank],
            is_permuted: true,
        };
        let copy = self.temporary(module, up.what, Dims::new(up.operand), self.pass.weight);
        let sum = self.made(module, What::Merged, Dims::new(shape), self.pass.weight);
        let in_order = if is_transposed { [down, up] } else { [up, down] };
        let [(first, first_step), (second, second_step)] =
            in_order.map(|factor| self.factor(module, &factor, &adapters));
        let first_sum = self.tape.constant(Storage { category: Category::Temporaries, ..sum });
        self.product_of_factors(copy);
        self.tape.drop(first_sum);
        Some(Parametrised {
            sum,
            copy,
            is_transposed,
            casts: [first, second],
            steps: [first_step, second_step],
        })
    }

    /// `torch.baddbmm(W, lhs, rhs, alpha=scaling)`, when the experts' code first reads the parameter.
    pub(super) fn merged(&mut self, parametrised: &Parametrised) -> Var {
        let saved: Vec<Var> = parametrised.casts.into_iter().flatten().collect();
        let [first, second] = parametrised.steps;
        let copy = parametrised.copy;
        let workspace = Step::Scratch(self.workspace(false));
        let steps = if parametrised.is_transposed {
            [first, Step::Scratch(copy), second, workspace]
        } else {
            [first, second, Step::Temporary(copy), workspace]
        };
        let sum = self.tape.operator(parametrised.sum, &saved, &steps);
        self.product_of_factors(copy);
        sum
    }

    /// What the product needs while it runs.
    fn product_of_factors(&mut self, copy: Storage) {
        let copy = self.tape.constant(copy);
        let workspace = self.workspace(false);
        self.tape.scratch(workspace);
        self.tape.drop(copy);
    }

    /// Ends the parametrisation of a weight, which `torch.nn.utils.parametrize.cached` has kept.
    pub(super) fn end_parametrised(&mut self, parametrised: Option<&Parametrised>, weight: Option<Var>) {
        let casts = parametrised.into_iter().flat_map(|parametrised| parametrised.casts);
        for var in casts.chain([weight]).flatten() {
            self.tape.drop(var);
        }
    }

    /// `weight.reshape(…).to(param.dtype)`: a copy where the adapters have another dtype. Returns it, and the step of the product's backward
    /// that leads to the parameter: a product, then its multiple (`maybe_multiply`).
    fn factor(&mut self, module: Module, factor: &Factor<'_>, adapters: &Adapters) -> (Option<Var>, Step) {
        let operand = self.temporary(module, factor.what, Dims::new(factor.operand), adapters.dtype);
        let mut step = self.vector_gradient(module, factor.what, factor.parameter, adapters.dtype);
        if factor.is_permuted {
            step = self.led_to(operand, step);
        }
        let dtype = self.pass.weight;
        let narrow = Storage { dtype, ..operand };
        let cast = (adapters.dtype != dtype).then(|| {
            let made = self.made(module, What::WeightCast, operand.dims, dtype);
            self.tape.operator(made, &[], &[step])
        });
        if let Some(cast) = cast {
            step = self.gradient(cast);
        }
        (cast, self.led_to(narrow, step))
    }

    /// A step that makes a gradient like `storage`, of which `step` then makes the next one.
    fn led_to(&mut self, storage: Storage, step: Step) -> Step {
        let nothing = Storage { dims: Dims::new(&[Dim::number(0)]), ..storage };
        let var = self.tape.operator(nothing, &[], &[step]);
        self.tape.describe(var, storage);
        let gradient = self.gradient(var);
        self.tape.drop(var);
        gradient
    }
}
