//! The head's weight where several products use it: their gradients are summed before it gets them.

use super::Writer;
use crate::ledger::{Category, Dim, Dims, Module, Name, Symbol, What};
use crate::tape::{Step, Storage, Var};

/// The weight, or autocast's copy of it.
#[derive(Clone, Copy)]
pub(crate) struct HeadWeight {
    /// What gradients of it are summed for.
    var: Var,
    /// Whether products keep it: a copy, which is no parameter.
    is_copy: bool,
}

impl HeadWeight {
    /// What a product keeps of it: a copy.
    pub(crate) const fn kept(self) -> Option<Var> {
        if self.is_copy { Some(self.var) } else { None }
    }
}

impl Writer<'_> {
    /// The module whose weight the head's is.
    pub(crate) fn head_module(&self) -> Module {
        if self.pass.architecture.tied { Module::Embedding } else { Module::LmHead }
    }

    /// Whether the head's weight is trained.
    pub(crate) fn trains_head(&self) -> bool {
        self.trains(self.head_module(), What::Weight)
    }

    pub(crate) fn head_shape(&self) -> [Dim; 2] {
        [self.pass.vocabulary(), self.pass.hidden()]
    }

    /// The gradient of the head's weight, as the parameter has it.
    pub(crate) fn gradient_of_head(&self) -> Storage {
        self.gradient_of_parameter(self.head_module(), What::Weight, &self.head_shape())
    }

    /// Autocast's copy of the weight.
    pub(crate) fn head_cast(&self) -> Storage {
        Storage {
            name: self.name(Module::LmHead, What::WeightCast),
            category: Category::WeightCasts,
            dims: Dims::new(&self.head_shape()),
            dtype: self.pass.compute(),
        }
    }

    /// The weight of a head that is called several times. Autocast casts a trained one once, a frozen one for each product.
    pub(crate) fn head_weight(&mut self) -> HeadWeight {
        let is_copy = self.pass.weight != self.pass.compute();
        let gradient = self.gradient_of_head();
        if is_copy && self.trains_head() {
            let last = self.head_gradient(Step::Parameter(gradient));
            let var = self.tape.operator(self.head_cast(), &[], &[last]);
            self.tape.cache(var);
            return HeadWeight { var, is_copy };
        }
        let nothing =
            Storage { dims: Dims::new(&[Dim::number(0)]), category: Category::Temporaries, ..gradient };
        let var =
            self.tape.operator(nothing, &[], &[Step::Become(gradient.name, self.pass.architecture.tied)]);
        self.tape.describe(var, Storage { dims: Dims::new(&self.head_shape()), ..nothing });
        HeadWeight { var, is_copy }
    }

    /// The caller is done with the weight.
    pub(crate) fn leave_head_weight(&mut self, weight: HeadWeight) {
        self.tape.drop(weight.var);
    }

    /// The head on some rows of tokens, which the caller still holds: their logits. `rows` may stand for several equal products.
    pub(crate) fn logits_of(&mut self, hidden: Var, weight: HeadWeight, rows: Dims) -> Var {
        let compute = self.pass.compute();
        let input = self.cast(hidden, Module::LmHead, What::InputCast, compute);
        let output = self.made(Module::LmHead, What::Output, rows.and(self.pass.vocabulary()), compute);
        // A frozen weight is converted for each of the products, and each keeps its copy.
        let casts = match rows.as_slice() {
            [copies, _] if copies.symbol == Symbol::Number => Dims::new(&self.head_shape()).times(*copies),
            _ => Dims::new(&self.head_shape()),
        };
        let mut saved = if self.trains_head() { vec![input] } else { Vec::new() };
        let cast = (weight.is_copy && !self.trains_head())
            .then(|| self.tape.constant(Storage { dims: casts, ..self.head_cast() }));
        saved.extend(cast);
        if weight.is_copy && self.trains_head() {
            saved.push(weight.var);
        } else {
            self.tape.keep_parameter(input);
        }
        let of_weight = self.transposed(weight);
        let steps = [
            self.gradient_of_rows(input),
            self.view_gradient(of_weight),
            Step::Scratch(self.workspace(false)),
        ];
        let output = self.tape.operator(output, &saved, &steps);
        self.tape.scratch(self.workspace(false));
        self.tape.drop(of_weight);
        if let Some(var) = cast {
            self.tape.drop(var);
        }
        self.tape.drop(input);
        output
    }

    /// `weight.t()`, whose node is called after the product's: what that one held is gone by then.
    pub(crate) fn transposed(&mut self, weight: HeadWeight) -> Var {
        self.tape.view(weight.var, &[], &[Step::Pass(weight.var)])
    }

    /// The gradient of a weight that `transposed` has made.
    pub(crate) fn view_gradient(&self, of_weight: Var) -> Step {
        let category = if self.pass.weight == self.pass.compute() && !self.pass.accumulates {
            Category::Gradients
        } else {
            Category::Temporaries
        };
        let name = Name { gradient: true, ..self.name(self.head_module(), What::Weight) };
        Step::GradientView(of_weight, Storage { name, category, ..self.tape.gradient_of(of_weight) })
    }
}
