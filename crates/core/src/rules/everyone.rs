//! Experts that all see every token, times a weight that is zero for most: `Llama4TextMoe`.

use super::Writer;
use super::experts::ffn;
use super::mlp::Gated;
use super::routing::count;
use crate::ledger::{Category, Dim, Dims, Module, Name, What};
use crate::model::Experts;
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// The experts on `x`, which the caller still holds.
    pub(super) fn experts_of_everyone(&mut self, x: Var, experts: &Experts) -> Var {
        let logits = self.router_logits(x, experts, false);
        let scores = self.scores_of_largest(logits, experts);
        let inputs = self.repeated(x, scores, experts);
        let routed = self.bmm_experts(inputs, experts);
        self.tape.drop(inputs);
        let width = experts.shared_ffn.unwrap_or(experts.ffn);
        let shared = self.gated_mlp(x, &Gated::shared(width));
        // `out.add_(routed.sum(dim=0))`; the sum's gradient is expanded, and copied for the product.
        let dtype = self.tape.dtype(routed);
        let sum = self.made(Module::Experts, What::Output, self.rows(&[self.pass.hidden()]), dtype);
        let gradient = self.gradient(routed);
        let sum = self.tape.operator(sum, &[], &[gradient]);
        let output = self.tape.view(shared, &[], &[Step::Pass(shared), Step::Pass(sum)]);
        for var in [sum, shared, routed, scores, logits] {
            self.tape.drop(var);
        }
        output
    }

    /// `sigmoid(full_like(logits, -inf).scatter_(1, indices, largest).float()).to(dtype)` (`Llama4Router`).
    fn scores_of_largest(&mut self, logits: Var, experts: &Experts) -> Var {
        let all = self.rows(&[count(experts)]);
        let dtype = self.tape.dtype(logits);
        let (largest, indices) = self.largest(logits, experts);
        let output = self.made(Module::Router, What::Step, all, dtype);
        let gradient = self.gradient(largest);
        let scattered = self.tape.operator(output, &[indices], &[gradient]);
        let wide = self.cast(scattered, Module::Router, What::Fp32Copy, Dtype::Fp32);
        let storage = self.made(Module::Router, What::Softmax, all, Dtype::Fp32);
        let gradient = self.gradient(wide);
        let sigmoid = self.tape.operator_keeping_output(storage, &[], &[gradient]);
        self.tape.drop(wide);
        let scores = self.cast(sigmoid, Module::Router, What::RoutingWeights, dtype);
        for var in [sigmoid, scattered, indices, largest] {
            self.tape.drop(var);
        }
        scores
    }

    /// `x.repeat(experts, 1) * scores`: keeps both.
    fn repeated(&mut self, x: Var, scores: Var, experts: &Experts) -> Var {
        let rows = Dims::new(&[count(experts)]);
        let rows = self.pass.tokens().iter().fold(rows, |rows, &dim| rows.and(dim));
        let output =
            self.made(Module::ExpertsUp, What::Selected, rows.and(self.pass.hidden()), self.tape.dtype(x));
        let gradient = self.gradient(x);
        let repeated = self.tape.operator(output, &[], &[gradient]);
        let transposed = self.made(Module::Router, What::RoutingWeights, rows, self.tape.dtype(scores));
        let transposed = self.tape.operator(transposed, &[], &[Step::Pass(scores)]);
        let product = self.weighted(repeated, transposed);
        self.tape.drop(transposed);
        self.tape.drop(repeated);
        product
    }

    /// `bmm(up * act(gate), down)` with `gate, up = bmm(x, gate_up).chunk(2)` (`Llama4TextExperts`).
    fn bmm_experts(&mut self, x: Var, experts: &Experts) -> Var {
        let (hidden, width) = (self.pass.hidden(), ffn(experts));
        let up_shape = [count(experts), hidden, Dim::number(2), width];
        let both = self.bmm(x, Module::ExpertsUp, &up_shape, &[Dim::number(2), width], experts);
        let steps = [self.gradient(both)];
        let split = self.tape.view(both, &[], &steps);
        let half = Dims::new(&[count(experts)]).and(self.pass.batch()).and(self.pass.sequence()).and(width);
        let gate = self.tape.view(split, &[], &[Step::Pass(split)]);
        self.tape.reshape(gate, Name::of(Module::ExpertsUp, What::Output), half);
        let up = self.tape.view(split, &[], &[Step::Join(split)]);
        self.tape.reshape(up, Name::of(Module::ExpertsUp, What::Output), half);
        self.tape.drop(split);
        let active = self.map(gate, Module::Experts, What::Step, &[gate]);
        let product = self.product(up, active, Module::ExpertsDown, What::Input);
        self.tape.drop(active);
        let down_shape = [count(experts), width, hidden];
        let output = self.bmm(product, Module::ExpertsDown, &down_shape, &[hidden], experts);
        for var in [product, gate, up, both] {
            self.tape.drop(var);
        }
        output
    }

    /// A product for each expert; autocast keeps 16-bit copies as it does of linear layers.
    fn bmm(&mut self, x: Var, module: Module, weight: &[Dim], output: &[Dim], experts: &Experts) -> Var {
        let compute = self.pass.compute();
        let input = self.cast(x, module, What::InputCast, compute);
        let rows = Dims::new(&[count(experts)]).and(self.pass.batch()).and(self.pass.sequence());
        let dims = output.iter().fold(rows, |dims, &dim| dims.and(dim));
        let storage = self.made(module, What::Output, dims, compute);
        let parameter = self.parameter_gradient(module, What::Weight, weight);
        let is_trained = self.trains(module, What::Weight);
        let follows = self.tape.requires_grad(input);
        let mut saved = if is_trained { vec![input] } else { Vec::new() };
        let mut steps = vec![self.gradient(input)];
        let cast = (self.pass.weight != compute).then(|| {
            let category =
                if self.pass.is_reference { Category::ReferenceModel } else { Category::WeightCasts };
            let name = self.name(module, What::WeightCast);
            let cast = Storage { name, category, dims: Dims::new(weight), dtype: compute };
            let cast = self.tape.operator(cast, &[], &[parameter]);
            self.tape.cache(cast);
            cast
        });
        if let Some(cast) = cast {
            if follows {
                saved.push(cast);
            }
            steps.push(self.gradient(cast));
        } else {
            self.tape.keep_parameter(input);
            steps.push(parameter);
        }
        steps.push(Step::Scratch(self.workspace(false)));
        let output = self.tape.operator(storage, &saved, &steps);
        self.tape.scratch(self.workspace(false));
        self.tape.drop(input);
        if let Some(cast) = cast {
            self.tape.drop(cast);
        }
        output
    }
}
