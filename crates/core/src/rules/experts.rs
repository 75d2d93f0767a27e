//! Routed experts: `MixtralSparseMoeBlock`, `Qwen3MoeSparseMoeBlock`, `DeepseekV2Moe`; the default implementation of transformers,
//! `grouped_mm_experts_forward` (`integrations/moe.py`). FINDINGS section 3.
//!
//! Every token is copied once for each expert that it goes through, so that nothing depends on which experts are chosen.

use super::Writer;
use super::linear::Linear;
use super::mlp::Gated;
use crate::ledger::{Dim, Dims, Module, Name, Symbol, What};
use crate::model::Experts;
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

/// What the router has chosen.
struct Routing {
    /// A number for each token and chosen expert.
    weights: Var,
    /// Which expert that is.
    indices: Var,
    /// `_` in Python: named until the block returns.
    logits: Var,
}

impl Writer<'_> {
    /// The experts on `x`, which the caller still holds.
    pub(crate) fn sparse_mlp(&mut self, x: Var, experts: &Experts) -> Var {
        let routing = if self.pass.architecture.family.routes_in_fp32() {
            self.route_in_fp32(x, experts)
        } else {
            self.route(x, experts)
        };
        let mut output = self.experts(x, experts, &routing);
        if let Some(width) = experts.shared_ffn {
            let shared = self.gated_mlp(x, &Gated::shared(width));
            let sum = self.sum(output, shared, Module::Experts, What::Output);
            self.tape.drop(shared);
            self.tape.drop(output);
            output = sum;
        }
        for var in [routing.weights, routing.indices, routing.logits] {
            self.tape.drop(var);
        }
        output
    }

    /// `MixtralTopKRouter`, `Qwen3MoeTopKRouter`: a linear layer, softmax in fp32, the largest few, divided by their sum.
    fn route(&mut self, x: Var, experts: &Experts) -> Routing {
        let (hidden, count) = ([self.pass.hidden()], [count(experts)]);
        let logits = self.linear(
            x,
            &Linear {
                module: Module::Router,
                weight_of: Module::Router,
                input: &hidden,
                output: &count,
                has_bias: false,
            },
        );
        let casts = self.pass.architecture.family.casts_routing_weights();
        // `logits.float()`, or `softmax(logits, dtype=torch.float)`.
        let wide = self.cast(logits, Module::Router, What::LogitsFp32, Dtype::Fp32);
        let probabilities = self.routing_probabilities(wide, experts);
        self.tape.drop(wide);
        let (mut weights, indices) = self.largest(probabilities, experts);
        if experts.renormalises {
            weights = self.renormalised(weights);
        }
        self.tape.drop(probabilities);
        if casts {
            let dtype = self.tape.dtype(logits);
            let narrow = self.cast(weights, Module::Router, What::RoutingWeights, dtype);
            self.tape.drop(weights);
            weights = narrow;
        }
        Routing { weights, indices, logits }
    }

    /// `DeepseekV2TopkRouter`: the product of fp32 copies of input and weight, and a scale. Autocast makes 16-bit copies of those.
    fn route_in_fp32(&mut self, x: Var, experts: &Experts) -> Routing {
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
    fn largest(&mut self, probabilities: Var, experts: &Experts) -> (Var, Var) {
        let chosen = self.rows(&[per_token(experts)]);
        let values = self.made(Module::Router, What::RoutingWeights, chosen, Dtype::Fp32);
        let indices =
            self.tape.constant(self.made(Module::Router, What::RoutingIndices, chosen, Dtype::Int64));
        let gradient = self.gradient(probabilities);
        let values = self.tape.operator_keeping_results(values, &[indices], &[gradient]);
        (values, indices)
    }

    /// `weights /= weights.sum(-1, keepdim=True)`: in place, so that the dividend is kept as a copy. Takes over the caller's `weights`.
    fn renormalised(&mut self, weights: Var) -> Var {
        let storage = self.tape.storage(weights);
        let sum = self.made(Module::Router, What::Step, self.rows(&[]), Dtype::Fp32);
        let sum = self.tape.operator(sum, &[], &[Step::Pass(weights)]);
        let dividend = self.tape.constant(Storage { name: Name::of(Module::Router, What::Step), ..storage });
        let steps = [self.gradient(weights), self.gradient(sum)];
        let quotient = self.tape.view(weights, &[dividend, sum], &steps);
        for var in [dividend, sum, weights] {
            self.tape.drop(var);
        }
        quotient
    }

    /// `grouped_mm_experts_forward`. The caller still holds `x` and the routing.
    fn experts(&mut self, x: Var, experts: &Experts, routing: &Routing) -> Var {
        let dtype = self.tape.dtype(x);
        let one_each = self.pairs(experts, &[]);
        let index = |writer: &mut Self| {
            writer.tape.constant(writer.made(Module::Experts, What::RoutingIndices, one_each, Dtype::Int64))
        };
        let (sorted, order, positions) = (index(self), index(self), index(self));
        let selected =
            self.taken(x, positions, Module::ExpertsUp, self.pairs(experts, &[self.pass.hidden()]));
        self.tape.drop(positions);
        let weights = self.taken(routing.weights, order, Module::Router, one_each);
        let int32 = |writer: &mut Self, dims| {
            writer.tape.constant(writer.made(Module::Experts, What::RoutingIndices, dims, Dtype::Int32))
        };
        let by_expert = Dims::new(&[count(experts)]);
        let (counted, counts) = (int32(self, one_each), int32(self, by_expert));
        let offsets = int32(self, by_expert);
        let both = self.pairs(experts, &[Dim::number(2), ffn(experts)]);
        let up_shape = [count(experts), Dim::number(2), ffn(experts), self.pass.hidden()];
        let both = self.grouped(selected, offsets, Module::ExpertsUp, both, &up_shape);
        let product = self.expert_gate(both, experts);
        self.tape.drop(both);
        let output = self.pairs(experts, &[self.pass.hidden()]);
        let down_shape = [count(experts), self.pass.hidden(), ffn(experts)];
        let output = self.grouped(product, offsets, Module::ExpertsDown, output, &down_shape);
        self.tape.drop(product);
        let weighted = self.weighted(output, weights);
        let back = index(self);
        let dims = self.tape.storage(weighted).dims;
        let restored = self.taken(weighted, back, Module::Experts, dims);
        self.tape.drop(weighted);
        // The view of the expanded gradient has to be copied (`reshape`).
        let summed = self.made(
            Module::Experts,
            What::Output,
            self.rows(&[self.pass.hidden()]),
            self.tape.dtype(restored),
        );
        let gradient = self.gradient(restored);
        let summed = self.tape.operator(summed, &[], &[gradient]);
        let result = self.cast(summed, Module::Experts, What::Output, dtype);
        for var in
            [summed, restored, back, output, offsets, counts, counted, weights, selected, sorted, order]
        {
            self.tape.drop(var);
        }
        result
    }

    /// `x[index]`: keeps the index. Backward fills a whole tensor with zeros and adds into it (`index_backward`).
    fn taken(&mut self, x: Var, index: Var, module: Module, dims: Dims) -> Var {
        let output = self.made(module, What::Selected, dims, self.tape.dtype(x));
        let gradient = self.gradient(x);
        let indices = self.temporary(module, What::SortBuffers, self.tape.storage(index).dims, Dtype::Int64);
        let steps = [gradient, Step::Temporary(indices), Step::Temporary(indices), Step::Temporary(indices)];
        self.tape.operator(output, &[index], &steps)
    }

    /// `grouped_mm`, of which autocast knows nothing.
    fn grouped(&mut self, x: Var, offsets: Var, module: Module, output: Dims, weight: &[Dim]) -> Var {
        let output = self.made(module, What::Output, output, self.pass.weight);
        let workspace = self.workspace(false);
        let steps = [
            self.gradient(x),
            Step::Scratch(workspace),
            self.parameter_gradient(module, What::Weight, weight),
        ];
        self.tape.keep_parameter(x);
        let is_trained = self.trains(module, What::Weight);
        let saved: &[Var] = if is_trained { &[x, offsets] } else { &[offsets] };
        let output = self.tape.operator(output, saved, &steps);
        self.tape.scratch(workspace);
        output
    }

    /// `act(gate) * up` of the two halves (`_default_apply_gate`).
    fn expert_gate(&mut self, both: Var, experts: &Experts) -> Var {
        let half = self.pairs(experts, &[ffn(experts)]);
        let steps = [self.gradient(both)];
        let split = self.tape.view(both, &[], &steps);
        let gate = self.tape.view(split, &[], &[Step::Pass(split)]);
        self.tape.reshape(gate, Name::of(Module::ExpertsUp, What::Output), half);
        let up = self.tape.view(split, &[], &[Step::Join(split)]);
        self.tape.reshape(up, Name::of(Module::ExpertsUp, What::Output), half);
        self.tape.drop(split);
        let active = self.map(gate, Module::Experts, What::Step, &[gate]);
        let product = self.product(active, up, Module::ExpertsDown, What::Input);
        for var in [active, gate, up] {
            self.tape.drop(var);
        }
        product
    }

    /// `output * weights.unsqueeze(-1)`, in fp32 where the weights are: keeps both. The weights' gradient is summed from a whole product.
    fn weighted(&mut self, output: Var, weights: Var) -> Var {
        let storage = self.tape.storage(output);
        let dtype = super::elementwise::promoted(storage.dtype, self.tape.dtype(weights));
        let wide = self.made(Module::Experts, What::Weighted, storage.dims, dtype);
        let product = self.temporary(Module::Experts, What::Step, storage.dims, dtype);
        let mut steps = self.promoted_gradient(output, dtype);
        steps.extend([Step::Raw(product), self.gradient(weights)]);
        self.tape.operator(wide, &[output, weights], &steps)
    }

    /// The dimensions of a row for each token and expert that it goes through.
    fn pairs(&self, experts: &Experts, more: &[Dim]) -> Dims {
        more.iter().fold(self.rows(&[per_token(experts)]), |dims, &dim| dims.and(dim))
    }
}

const fn count(experts: &Experts) -> Dim {
    Dim::new(Symbol::Experts, experts.count.get())
}

const fn per_token(experts: &Experts) -> Dim {
    Dim::new(Symbol::ExpertsPerToken, experts.per_token.get())
}

const fn ffn(experts: &Experts) -> Dim {
    Dim::new(Symbol::ExpertFfn, experts.ffn.get())
}
