//! Routers: which experts a token goes through, and with what weight.

use super::Writer;
use super::linear::Linear;
use crate::ledger::{Dim, Dims, Module, Name, Symbol, What};
use crate::model::{Experts, Routing as RoutingKind};
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

/// What the router has chosen.
pub(super) struct Routing {
    /// A number for each token and chosen expert.
    pub(super) weights: Var,
    /// Which expert that is.
    pub(super) indices: Var,
    /// `_` in Python: named until the block returns.
    pub(super) logits: Var,
}

impl Writer<'_> {
    /// The family's router on `x`, which the caller still holds.
    pub(super) fn routing(&mut self, x: Var, experts: &Experts) -> Routing {
        match self.pass.architecture.family.routing() {
            RoutingKind::SoftmaxFp32 => self.route_in_fp32(x, experts),
            RoutingKind::SigmoidGroups => self.route_by_groups(x, experts),
            RoutingKind::Sigmoid => self.route_by_sigmoid(x, experts),
            RoutingKind::SparseMixer => self.route_by_mixer(x, experts),
            RoutingKind::SoftmaxOfLargest | RoutingKind::SoftmaxOfLargestFp32 => {
                self.route_by_largest(x, experts)
            }
            RoutingKind::Softmax
            | RoutingKind::SoftmaxCast
            | RoutingKind::SoftmaxAsInput
            | RoutingKind::Everyone => self.route(x, experts),
        }
    }

    /// The router's linear layer.
    pub(super) fn router_logits(&mut self, x: Var, experts: &Experts, has_bias: bool) -> Var {
        let (hidden, count, module) = ([self.pass.hidden()], [count(experts)], Module::Router);
        self.linear(x, &Linear { module, weight_of: module, input: &hidden, output: &count, has_bias })
    }

    /// The same in fp32, with fp32 copies of input and weight. Autocast makes 16-bit copies of those.
    fn router_logits_fp32(&mut self, x: Var, experts: &Experts) -> Var {
        let (hidden, count) = ([self.pass.hidden()], [count(experts)]);
        let input = self.cast(x, Module::Router, What::Fp32Copy, Dtype::Fp32);
        let linear = Linear {
            module: Module::Router,
            weight_of: Module::Router,
            input: &hidden,
            output: &count,
            has_bias: false,
        };
        let logits = if self.pass.weight == Dtype::Fp32 {
            self.linear(input, &linear)
        } else {
            self.widened_linear(input, &linear)
        };
        self.tape.drop(input);
        logits
    }

    /// `MixtralTopKRouter`, `Qwen3MoeTopKRouter`: a linear layer, softmax in fp32, the largest few, divided by their sum.
    fn route(&mut self, x: Var, experts: &Experts) -> Routing {
        let logits = self.router_logits(x, experts, false);
        // `logits.float()`, or `softmax(logits, dtype=torch.float)`.
        let wide = self.cast(logits, Module::Router, What::LogitsFp32, Dtype::Fp32);
        let probabilities = self.routing_probabilities(wide, experts);
        self.tape.drop(wide);
        let (mut weights, indices) = self.largest(probabilities, experts);
        if experts.renormalises {
            weights = self.renormalised(weights);
        }
        self.tape.drop(probabilities);
        let narrowed = match self.pass.architecture.family.routing() {
            RoutingKind::SoftmaxCast => Some(self.tape.dtype(logits)),
            RoutingKind::SoftmaxAsInput => Some(self.tape.dtype(x)),
            _ => None,
        };
        if let Some(dtype) = narrowed {
            let narrow = self.cast(weights, Module::Router, What::RoutingWeights, dtype);
            self.tape.drop(weights);
            weights = narrow;
        }
        Routing { weights, indices, logits }
    }

    /// `DeepseekV2TopkRouter`: the product of fp32 copies of input and weight, and a scale. Autocast makes 16-bit copies of those.
    fn route_in_fp32(&mut self, x: Var, experts: &Experts) -> Routing {
        let logits = self.router_logits_fp32(x, experts);
        let probabilities = self.routing_probabilities(logits, experts);
        let (chosen, indices) = self.largest(probabilities, experts);
        self.tape.drop(probabilities);
        let weights = self.map(chosen, Module::Router, What::RoutingWeights, &[]);
        self.tape.drop(chosen);
        Routing { weights, indices, logits }
    }

    /// A linear layer in fp32 with a copy of its 16-bit weight.
    fn widened_linear(&mut self, input: Var, linear: &Linear<'_>) -> Var {
        let shape = [linear.output, linear.input].concat();
        let weight = self.made(linear.module, What::Fp32Copy, Dims::new(&shape), Dtype::Fp32);
        let gradient = self.parameter_gradient(linear.module, What::Weight, &shape);
        let weight = self.tape.operator(weight, &[], &[gradient]);
        let output = self.made(linear.module, What::Output, self.rows(linear.output), Dtype::Fp32);
        let workspace = self.workspace(false);
        let mut steps = vec![self.gradient(input)];
        let is_trained = self.trains(linear.module, What::Weight);
        if is_trained {
            steps.push(self.gradient(weight));
        }
        steps.push(Step::Scratch(workspace));
        let follows = self.tape.requires_grad(input);
        let saved = [(input, is_trained), (weight, follows)];
        let saved: Vec<Var> = saved.into_iter().filter_map(|(var, is_kept)| is_kept.then_some(var)).collect();
        let output = self.tape.operator(output, &saved, &steps);
        self.tape.scratch(workspace);
        self.tape.drop(weight);
        output
    }

    /// Softmax over the experts, in fp32. Its gradient has the dtype of the logits (`_softmax_backward_data`).
    fn routing_probabilities(&mut self, logits: Var, experts: &Experts) -> Var {
        let dims = self.rows(&[count(experts)]);
        let softmax = self.made(Module::Router, What::Softmax, dims, Dtype::Fp32);
        let gradient = self.gradient(logits);
        self.tape.operator_keeping_output(softmax, &[], &[gradient])
    }

    /// `torch.topk`: values and indices, of which it keeps the indices.
    pub(super) fn largest(&mut self, probabilities: Var, experts: &Experts) -> (Var, Var) {
        let chosen = self.rows(&[per_token(experts)]);
        let values = self.made(Module::Router, What::RoutingWeights, chosen, self.tape.dtype(probabilities));
        let indices =
            self.tape.constant(self.made(Module::Router, What::RoutingIndices, chosen, Dtype::Int64));
        let gradient = self.gradient(probabilities);
        let values = self.tape.operator_keeping_results(values, &[indices], &[gradient]);
        (values, indices)
    }

    /// `weights /= weights.sum(-1, keepdim=True)`: in place, so that the dividend is kept as a copy. Takes over the caller's `weights`.
    fn renormalised(&mut self, weights: Var) -> Var {
        let storage = self.tape.storage(weights);
        let sum = self.made(Module::Router, What::Step, self.rows(&[]), storage.dtype);
        let sum = self.tape.operator(sum, &[], &[Step::Pass(weights)]);
        let dividend = self.tape.constant(Storage { name: Name::of(Module::Router, What::Step), ..storage });
        let steps = [self.gradient(weights), self.gradient(sum)];
        let quotient = self.tape.view(weights, &[dividend, sum], &steps);
        for var in [dividend, sum, weights] {
            self.tape.drop(var);
        }
        quotient
    }

    /// `GptOssTopKRouter`, `GraniteMoeTopKRouter`: the largest few logits, in fp32 for Granite, and their softmax.
    fn route_by_largest(&mut self, x: Var, experts: &Experts) -> Routing {
        let is_wide = self.pass.architecture.family.routing() == RoutingKind::SoftmaxOfLargestFp32;
        let narrow = self.router_logits(x, experts, self.pass.architecture.family.has_expert_biases());
        let logits = if is_wide {
            let wide = self.cast(narrow, Module::Router, What::LogitsFp32, Dtype::Fp32);
            self.tape.drop(narrow);
            wide
        } else {
            narrow
        };
        let (largest, indices) = self.largest(logits, experts);
        let storage = self.made(
            Module::Router,
            What::Softmax,
            self.rows(&[per_token(experts)]),
            self.tape.dtype(largest),
        );
        let gradient = self.gradient(largest);
        let mut weights = self.tape.operator_keeping_output(storage, &[], &[gradient]);
        self.tape.drop(largest);
        if is_wide {
            let dtype = self.tape.dtype(x);
            let cast = self.cast(weights, Module::Router, What::RoutingWeights, dtype);
            self.tape.drop(weights);
            weights = cast;
        }
        Routing { weights, indices, logits }
    }

    /// `DeepseekV3TopkRouter`: sigmoid of logits in fp32; groups are chosen first, by scores to which a buffer is added and which no
    /// gradient leaves; then weights are gathered, divided by their sum and scaled.
    fn route_by_groups(&mut self, x: Var, experts: &Experts) -> Routing {
        let logits = self.router_logits_fp32(x, experts);
        let scores = self.sigmoid(logits, experts);
        let (mut weights, indices) = self.gathered(scores, experts);
        if experts.renormalises {
            // `topk_weights.sum(…) + 1e-20`
            weights = self.renormalised(weights);
        }
        let scaled = self.map(weights, Module::Router, What::RoutingWeights, &[]);
        self.tape.drop(weights);
        self.tape.drop(scores);
        Routing { weights: scaled, indices, logits }
    }

    /// `MiniMaxM2TopKRouter`.
    fn route_by_sigmoid(&mut self, x: Var, experts: &Experts) -> Routing {
        let logits = self.router_logits(x, experts, false);
        let wide = self.cast(logits, Module::Router, What::LogitsFp32, Dtype::Fp32);
        let scores = self.sigmoid(wide, experts);
        self.tape.drop(wide);
        let (weights, indices) = self.gathered(scores, experts);
        let weights = self.renormalised(weights);
        self.tape.drop(scores);
        Routing { weights, indices, logits }
    }

    /// `sigmoid(logits)`, which keeps its output.
    fn sigmoid(&mut self, logits: Var, experts: &Experts) -> Var {
        let dtype = self.tape.dtype(logits);
        let storage = self.made(Module::Router, What::Softmax, self.rows(&[count(experts)]), dtype);
        let gradient = self.gradient(logits);
        self.tape.operator_keeping_output(storage, &[], &[gradient])
    }

    /// The scores of the experts that are the largest when a buffer is added: `topk` without a gradient, and `gather`, which keeps the
    /// indices and whose backward adds into zeros.
    fn gathered(&mut self, scores: Var, experts: &Experts) -> (Var, Var) {
        let chosen = self.rows(&[per_token(experts)]);
        let by_choice = self.temporary(Module::Router, What::Step, self.rows(&[count(experts)]), Dtype::Fp32);
        let by_choice = self.tape.constant(by_choice);
        let indices =
            self.tape.constant(self.made(Module::Router, What::RoutingIndices, chosen, Dtype::Int64));
        let output = self.made(Module::Router, What::RoutingWeights, chosen, self.tape.dtype(scores));
        let gradient = self.gradient(scores);
        let weights = self.tape.operator(output, &[indices], &[gradient]);
        self.tape.drop(by_choice);
        (weights, indices)
    }
}

pub(super) const fn count(experts: &Experts) -> Dim {
    Dim::new(Symbol::Experts, experts.count.get())
}

pub(super) const fn per_token(experts: &Experts) -> Dim {
    Dim::new(Symbol::ExpertsPerToken, experts.per_token.get())
}
