//! `PhimoeTopKRouter`: `sparsemixer` of `modeling_phimoe.py` in training, operator by operator.
//!
//! Two experts are drawn one after the other. Only `PhimoeMultiplier` hands a gradient on, to the logits; what led to its other arguments
//! is a graph that nothing comes back through, whose tensors stay until its nodes are visited.

use super::Writer;
use super::routing::Routing;
use crate::ledger::{Dim, Dims, Module, What};
use crate::model::Experts;
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

/// One draw: the weight of the expert that is drawn, and which one that is.
struct Drawn {
    weight: Var,
    index: Var,
}

impl Writer<'_> {
    /// `x *= noise` twice, in place: in the block, and in the router on a view, whose gradient is copied whole and once more
    /// (`torch/csrc/autograd/custom_function.cpp`, `CopySlices::apply`). Each keeps its noise.
    pub(super) fn with_noise(&mut self, x: Var) -> Var {
        let storage = self.tape.storage(x);
        let noise = self.of_router(What::Noise, storage.dims, storage.dtype);
        let in_block = self.tape.constant(noise);
        let gradient = self.gradient(x);
        let once = self.tape.view(x, &[in_block], &[gradient]);
        self.tape.drop(in_block);
        let in_router = self.tape.constant(noise);
        let slice = self.tape.gradient_of(once);
        let steps = [self.gradient(once), Step::Temporary(slice), Step::Scratch(slice)];
        let twice = self.tape.view(once, &[in_router], &steps);
        self.tape.drop(in_router);
        self.tape.drop(once);
        twice
    }

    pub(super) fn route_by_mixer(&mut self, x: Var, experts: &Experts) -> Routing {
        let logits = self.router_logits(x, experts, false);
        let mut names = Vec::new();
        let first = self.draw(logits, logits, &mut names);
        // The first expert's logit is taken out (`torch.scatter`).
        let of = self.tape.storage(logits);
        let gradient = self.gradient(logits);
        let others = self.tape.operator(
            self.of_router(What::MaskedScores, of.dims, of.dtype),
            &[first.index],
            &[gradient],
        );
        let second = self.draw(logits, others, &mut names);
        let two = self.rows(&[Dim::number(2)]);
        let dtype = self.tape.dtype(first.weight);
        let steps = [first.weight, second.weight].map(Step::Pass);
        let weights = self.tape.operator(self.of_router(What::RoutingWeights, two, dtype), &[], &steps);
        let indices = self.tape.constant(self.of_router(What::RoutingIndices, two, Dtype::Int64));
        names.extend([others, first.weight, first.index, second.weight, second.index]);
        for var in names {
            self.tape.drop(var);
        }
        Routing { weights, indices, logits }
    }

    /// Draws from what is not far below the largest of `scores`. What Python goes on to name is added to `names`.
    fn draw(&mut self, logits: Var, scores: Var, names: &mut Vec<Var>) -> Drawn {
        let of = self.tape.storage(logits);
        let one = self.rows(&[Dim::number(1)]);
        let mask = self.far_below(of, one, names);
        let gradient = self.gradient(scores);
        let masked = self.of_router(What::MaskedScores, of.dims, of.dtype);
        let masked = self.tape.operator(masked, &[mask], &[gradient]);
        let index = self.largest_with_noise(of, one);
        let wide = if self.pass.autocast.is_some() { Dtype::Fp32 } else { of.dtype };
        let input = self.cast(masked, Module::Router, What::LogitsFp32, wide);
        let gradient = self.gradient(input);
        let probabilities = self.of_router(What::Softmax, of.dims, wide);
        let probabilities = self.tape.operator_keeping_output(probabilities, &[], &[gradient]);
        self.tape.drop(input);
        self.tape.drop(masked);
        let gradient = self.gradient(probabilities);
        let chosen = self.of_router(What::RoutingWeights, one, wide);
        let chosen = self.tape.operator(chosen, &[index], &[gradient]);
        let scale = self.scale_of_drawn(one, wide, names);
        let weight = self.multiplier(logits, [chosen, index, probabilities], one);
        names.extend([mask, probabilities, chosen, scale]);
        Drawn { weight, index }
    }

    /// Which scores are far below the largest, without a graph.
    fn far_below(&mut self, of: Storage, one: Dims, names: &mut Vec<Var>) -> Var {
        let all = self.of_router(What::Step, of.dims, of.dtype);
        let largest = self.tape.constant(self.of_router(What::LargestLogit, one, of.dtype));
        names.push(self.tape.constant(self.of_router(What::RoutingIndices, one, Dtype::Int64)));
        let absolute = self.tape.constant(all);
        names.push(self.tape.constant(all));
        self.tape.drop(absolute);
        let difference = self.tape.constant(all);
        let quotient = self.tape.constant(all);
        self.tape.drop(difference);
        let mask = self.tape.constant(self.of_router(What::Mask, of.dims, Dtype::Bool));
        self.tape.drop(quotient);
        self.tape.drop(largest);
        mask
    }

    /// `(scores - torch.empty_like(scores).exponential_().log()).max(dim=-1)[1]`. Autocast's logarithm is fp32.
    fn largest_with_noise(&mut self, of: Storage, one: Dims) -> Var {
        let wide = if self.pass.autocast.is_some() { Dtype::Fp32 } else { of.dtype };
        let all = self.of_router(What::Step, of.dims, wide);
        let noise = self.tape.constant(Storage { dtype: of.dtype, ..all });
        let copy = (wide != of.dtype).then(|| self.tape.constant(all));
        let logarithm = self.tape.constant(all);
        for var in copy.into_iter().chain([noise]) {
            self.tape.drop(var);
        }
        let difference = self.tape.constant(all);
        self.tape.drop(logarithm);
        let largest = self.tape.constant(self.of_router(What::LargestLogit, one, wide));
        let index = self.tape.constant(self.of_router(What::RoutingIndices, one, Dtype::Int64));
        self.tape.drop(largest);
        self.tape.drop(difference);
        index
    }

    /// `torch.add(0.3333, is_largest | torch.rand_like(…) > 0.75, alpha=0.6667)` in the dtype of the probabilities.
    fn scale_of_drawn(&mut self, one: Dims, wide: Dtype, names: &mut Vec<Var>) -> Var {
        names.push(self.tape.constant(self.of_router(What::LargestLogit, one, wide)));
        names.push(self.tape.constant(self.of_router(What::RoutingIndices, one, Dtype::Int64)));
        let flag = self.of_router(What::Mask, one, Dtype::Bool);
        let is_largest = self.tape.constant(flag);
        let random = self.tape.constant(self.of_router(What::Step, one, wide));
        let is_above = self.tape.constant(flag);
        self.tape.drop(random);
        let either = self.tape.constant(flag);
        self.tape.drop(is_above);
        self.tape.drop(is_largest);
        let scale = self.tape.constant(self.of_router(What::Step, one, Dtype::Fp32));
        let narrow = self.cast(scale, Module::Router, What::Step, wide);
        self.tape.drop(scale);
        self.tape.drop(either);
        narrow
    }

    /// `PhimoeMultiplier`, whose backward makes the gradient of the logits of all experts.
    fn multiplier(&mut self, logits: Var, kept: [Var; 3], one: Dims) -> Var {
        let dtype = self.tape.dtype(kept[0]);
        let small = Step::Temporary(self.temporary(Module::Router, What::Step, one, dtype));
        let mut steps = vec![small, small];
        steps.extend(self.promoted_gradient(logits, dtype));
        self.tape.operator(self.of_router(What::RoutingWeights, one, dtype), &kept, &steps)
    }

    fn of_router(&self, what: What, dims: Dims, dtype: Dtype) -> Storage {
        self.made(Module::Router, what, dims, dtype)
    }
}
