//! Routed experts: `MixtralSparseMoeBlock`, `Qwen3MoeSparseMoeBlock`, `DeepseekV2Moe`; the default implementation of transformers,
//! `grouped_mm_experts_forward` (`integrations/moe.py`). FINDINGS section 3.
//!
//! Every token is copied once for each expert that it goes through, so that nothing depends on which experts are chosen.

use super::Writer;
use super::linear::Linear;
use super::mlp::Gated;
use super::routing::{Routing, count, per_token};
use crate::ledger::{Dim, Dims, Module, Name, Symbol, What};
use crate::model::{Experts, Routing as RoutingKind};
use crate::tape::{Step, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// The experts on `x`, which the caller still holds.
    pub(crate) fn sparse_mlp(&mut self, x: Var, experts: &Experts) -> Var {
        let family = self.pass.architecture.family;
        if family.routing() == RoutingKind::Everyone {
            return self.experts_of_everyone(x, experts);
        }
        // `Qwen2MoeSparseMoeBlock` runs the shared experts first, the others last.
        let is_first = family.has_shared_gate();
        let shared_mlp = experts.shared_ffn.map(Gated::shared);
        let before = shared_mlp.as_ref().filter(|_| is_first).map(|mlp| self.gated_mlp(x, mlp));
        let noisy = experts.jitters.then(|| self.with_noise(x));
        let read = noisy.unwrap_or(x);
        let routing = self.routing(read, experts);
        let mut output = self.experts(read, experts, &routing);
        if let Some(noisy) = noisy {
            self.tape.drop(noisy);
        }
        if let Some(shared) = before {
            let gated = self.gated_by_sigmoid(x, shared);
            output = self.with_shared(output, gated);
        } else if let Some(mlp) = &shared_mlp {
            let shared = self.gated_mlp(x, mlp);
            output = self.with_shared(output, shared);
        }
        for var in [routing.weights, routing.indices, routing.logits] {
            self.tape.drop(var);
        }
        output
    }

    /// The sum of what routed and shared experts make. Takes over both.
    fn with_shared(&mut self, routed: Var, shared: Var) -> Var {
        let sum = self.sum(routed, shared, Module::Experts, What::Output);
        self.tape.drop(shared);
        self.tape.drop(routed);
        sum
    }

    /// `sigmoid(shared_expert_gate(x)) * shared`. Takes over the caller's `shared`.
    fn gated_by_sigmoid(&mut self, x: Var, shared: Var) -> Var {
        let (hidden, one) = ([self.pass.hidden()], [Dim::number(1)]);
        let module = Module::SharedGate;
        let linear = Linear { module, weight_of: module, input: &hidden, output: &one, has_bias: false };
        let logit = self.linear(x, &linear);
        let storage = self.made(module, What::Step, self.tape.storage(logit).dims, self.tape.dtype(logit));
        let gradient = self.gradient(logit);
        let gate = self.tape.operator_keeping_output(storage, &[], &[gradient]);
        self.tape.drop(logit);
        let gated = self.weighted(shared, gate);
        for var in [gate, shared] {
            self.tape.drop(var);
        }
        gated
    }

    /// `grouped_mm_experts_forward`. The caller still holds `x` and the routing.
    fn experts(&mut self, x: Var, experts: &Experts, routing: &Routing) -> Var {
        let has_biases = self.pass.architecture.family.has_expert_biases();
        let dtype = self.tape.dtype(x);
        let up_shape = [count(experts), Dim::number(2), ffn(experts), self.pass.hidden()];
        let down_shape = [count(experts), self.pass.hidden(), ffn(experts)];
        let of_up = self.parametrised(Module::ExpertsUp, &up_shape);
        let of_down = self.parametrised(Module::ExpertsDown, &down_shape);
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
        // In Python the chosen biases are named until the next ones are there.
        let up_bias = has_biases.then(|| self.chosen_biases(sorted, Module::ExpertsUp, both, &up_shape[..3]));
        let up = of_up.as_ref().map(|parametrised| self.merged(parametrised));
        let mut both = self.grouped(selected, offsets, (Module::ExpertsUp, &up_shape, up), both);
        both = self.with_biases(both, up_bias);
        let product =
            if has_biases { self.clamped_gate(both, experts) } else { self.expert_gate(both, experts) };
        self.tape.drop(both);
        let output = self.pairs(experts, &[self.pass.hidden()]);
        let down_bias =
            has_biases.then(|| self.chosen_biases(sorted, Module::ExpertsDown, output, &down_shape[..2]));
        if let Some(bias) = up_bias {
            self.tape.drop(bias);
        }
        let down = of_down.as_ref().map(|parametrised| self.merged(parametrised));
        let output = self.grouped(product, offsets, (Module::ExpertsDown, &down_shape, down), output);
        let output = self.with_biases(output, down_bias);
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
                .into_iter()
                .chain(down_bias)
        {
            self.tape.drop(var);
        }
        self.end_parametrised(of_up.as_ref(), up);
        self.end_parametrised(of_down.as_ref(), down);
        result
    }

    /// `bias[experts]`: a row for each token and expert that it goes through. Backward adds rows into zeros (`index_backward`).
    fn chosen_biases(&mut self, index: Var, module: Module, rows: Dims, shape: &[Dim]) -> Var {
        let output = self.made(module, What::Bias, rows, self.pass.weight);
        let gradient = self.parameter_gradient(module, What::Bias, shape);
        let indices = self.temporary(module, What::SortBuffers, self.tape.storage(index).dims, Dtype::Int64);
        let steps = [gradient, Step::Temporary(indices), Step::Temporary(indices), Step::Temporary(indices)];
        self.tape.operator(output, &[index], &steps)
    }

    /// `out.add_(bias)`. Takes over the caller's `x`.
    fn with_biases(&mut self, x: Var, biases: Option<Var>) -> Var {
        let Some(biases) = biases else {
            return x;
        };
        let sum = self.tape.view(x, &[], &[Step::Pass(x), Step::Pass(biases)]);
        self.tape.drop(x);
        sum
    }

    /// `(clamp(up) + 1) * clamp(gate) * sigmoid(clamp(gate) * alpha)`, of even and odd columns (`GptOssExperts._apply_gate`).
    fn clamped_gate(&mut self, both: Var, experts: &Experts) -> Var {
        let half = self.pairs(experts, &[ffn(experts)]);
        let mut column = |_: usize| {
            let steps = [self.gradient(both)];
            let view = self.tape.view(both, &[], &steps);
            self.tape.reshape(view, Name::of(Module::ExpertsUp, What::Output), half);
            view
        };
        let (gate, up) = (column(0), column(1));
        let (clamped, clamped_up) = (
            self.map(gate, Module::Experts, What::Scaled, &[gate]),
            self.map(up, Module::Experts, What::Scaled, &[up]),
        );
        self.tape.drop(gate);
        self.tape.drop(up);
        let scaled = self.map(clamped, Module::Experts, What::Step, &[]);
        let storage = self.made(Module::Experts, What::Step, half, self.tape.dtype(scaled));
        let gradient = self.gradient(scaled);
        let sigmoid = self.tape.operator_keeping_output(storage, &[], &[gradient]);
        self.tape.drop(scaled);
        let glu = self.product(clamped, sigmoid, Module::Experts, What::Product);
        self.tape.drop(sigmoid);
        let storage = self.made(Module::Experts, What::Step, half, self.tape.dtype(clamped_up));
        let plus_one = self.tape.operator(storage, &[], &[Step::Pass(clamped_up)]);
        let product = self.product(plus_one, glu, Module::ExpertsDown, What::Input);
        for var in [plus_one, glu, clamped, clamped_up] {
            self.tape.drop(var);
        }
        product
    }

    /// `x[index]`: keeps the index. Backward fills a whole tensor with zeros and adds into it (`index_backward`).
    pub(super) fn taken(&mut self, x: Var, index: Var, module: Module, dims: Dims) -> Var {
        let output = self.made(module, What::Selected, dims, self.tape.dtype(x));
        let gradient = self.gradient(x);
        let indices = self.temporary(module, What::SortBuffers, self.tape.storage(index).dims, Dtype::Int64);
        let steps = [gradient, Step::Temporary(indices), Step::Temporary(indices), Step::Temporary(indices)];
        self.tape.operator(output, &[index], &steps)
    }

    /// `grouped_mm`, of which autocast knows nothing.
    fn grouped(
        &mut self,
        x: Var,
        offsets: Var,
        (module, shape, merged): (Module, &[Dim], Option<Var>),
        output: Dims,
    ) -> Var {
        let output = self.made(module, What::Output, output, self.pass.weight);
        let workspace = self.workspace(false);
        let own = self.parameter_gradient(module, What::Weight, shape);
        let of_weight = merged.map_or(own, |merged| self.gradient(merged));
        let steps = [self.gradient(x), Step::Scratch(workspace), of_weight];
        let is_trained = merged.is_some() || self.trains(module, What::Weight);
        let mut saved = if is_trained { vec![x, offsets] } else { vec![offsets] };
        match merged {
            Some(merged) if self.tape.requires_grad(x) => saved.push(merged),
            Some(_) => {}
            None => self.tape.keep_parameter(x),
        }
        let output = self.tape.operator(output, &saved, &steps);
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
    pub(super) fn weighted(&mut self, output: Var, weights: Var) -> Var {
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

pub(super) const fn ffn(experts: &Experts) -> Dim {
    Dim::new(Symbol::ExpertFfn, experts.ffn.get())
}
