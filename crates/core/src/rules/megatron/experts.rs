//! `MoELayer` with the all-to-all dispatcher and grouped products (`transformer/moe/moe_layer.py`, `token_dispatcher.py`
//! `MoEAlltoAllTokenDispatcher`, `experts.py` `TEGroupedMLP`, `router.py` `TopKRouter`).
//!
//! Every expert is taken to get as many tokens as the others, which a capacity factor of 1 with padding makes sure of, unless the scenario
//! says how many the fullest rank gets. `custom_forward` has
//! names for the tokens in their order of experts before and after the all-to-all until it returns, and for what the experts have made until
//! that has come back: that is where a layer's forward is largest.

use super::{Writer, made};
use crate::ledger::{Dim, Module, Symbol, What};
use crate::model::Routing;
use crate::tape::{Step, Var};
use crate::units::Dtype;

impl Writer<'_> {
    pub(super) fn experts(&mut self, x: Var) -> Var {
        let rank = self.rank;
        let Some(experts) = rank.architecture.experts else { return self.mlp(x) };
        let normed = self.norm(x, Module::PostAttentionNorm);
        let order = self.router(normed);
        let permuted = self.sent(normed, &[order], What::Selected, rank.routed());
        let dispatched = self.sent(permuted, &[], What::Input, rank.received());
        let shared = experts.shared_ffn.map(|width| self.shared_experts(normed, width.get()));
        self.tape.drop(normed);
        let weighted = self.grouped_mlp(dispatched, experts.ffn.get());
        let returned = self.sent(weighted, &[], What::Weighted, rank.routed());
        let output = self.residual(Module::Experts, What::Output);
        let gradient = self.gradient(returned);
        let mut output = self.tape.operator(output, &[order], &[gradient]);
        self.tape.drop(returned);
        if let Some(shared) = shared {
            let storage = self.residual(Module::Experts, What::Residual);
            let sum = self.tape.operator(storage, &[], &[Step::Pass(output), Step::Pass(shared)]);
            self.tape.drop(output);
            self.tape.drop(shared);
            output = sum;
        }
        for var in [weighted, permuted, dispatched, order] {
            self.tape.drop(var);
        }
        output
    }

    /// Logits in the dtype of the tokens, softmax in fp32, the largest of it, and a map of who goes where: of these the node of softmax
    /// keeps its result, that of `topk` the indices. DeepSeek's routers choose among groups first, with a mask, and have an auxiliary loss of a
    /// softmax of its own (`seq_aux`). Returns the tokens' order, which permutation keeps and its inverse too
    /// (`transformer_engine/pytorch/permutation.py`, `row_id_map`).
    fn router(&mut self, normed: Var) -> Var {
        let rank = self.rank;
        let Some(experts) = rank.architecture.experts else { return normed };
        let count = Dim::new(Symbol::Experts, experts.count.get());
        let chosen = Dim::new(Symbol::ExpertsPerToken, experts.per_token.get());
        let rows = [rank.short(), rank.batch()];
        let each = |width: Dim| [rows[0], rows[1], width];
        let logits = self.short(Module::Router, What::Logits, &[count]);
        let gradient = self.gradient(normed);
        let logits = self.tape.operator(logits, &[normed], &[gradient]);
        let softmax = made(Module::Router, What::Softmax, &each(count), Dtype::Fp32);
        let gradient = self.gradient(logits);
        let softmax = self.tape.operator_keeping_output(softmax, &[], &[gradient]);
        self.tape.drop(logits);
        let indices = made(Module::Router, What::RoutingIndices, &each(chosen), Dtype::Int64);
        let map = made(Module::Router, What::Mask, &each(count), Dtype::Bool);
        let [indices, map] = [indices, map].map(|storage| self.tape.constant(storage));
        let mut kept = vec![indices, map];
        if matches!(rank.architecture.family.routing(), Routing::SoftmaxFp32 | Routing::SigmoidGroups) {
            let groups = made(Module::Router, What::MaskedScores, &each(count), Dtype::Bool);
            let balance = made(Module::Router, What::Balance, &each(count), Dtype::Fp32);
            kept.extend([groups, balance].map(|storage| self.tape.constant(storage)));
        }
        let probabilities = self.short(Module::Router, What::RoutingWeights, &[count]);
        let gradient = self.gradient(softmax);
        let probabilities = self.tape.operator(probabilities, &kept, &[gradient]);
        // Two for each expert and one: positions among the permuted tokens.
        let order = Dim::number(experts.count.get().saturating_mul(2).saturating_add(1));
        let order = made(Module::Router, What::Selected, &each(order), Dtype::Int32);
        let order = self.tape.constant(order);
        for var in kept.into_iter().chain([softmax, probabilities]) {
            self.tape.drop(var);
        }
        order
    }

    /// Tokens in the order of experts, on the way from or to other ranks.
    fn sent(&mut self, x: Var, kept: &[Var], what: What, tokens: u64) -> Var {
        let dims = [Dim::number(tokens), self.rank.hidden()];
        let storage = made(Module::Experts, what, &dims, Dtype::Bf16);
        let gradient = self.gradient(x);
        self.tape.operator(storage, kept, &[gradient])
    }

    /// The experts of the rank: their tokens are sorted by expert, if there are several, and gathered from the expert-tensor-parallel
    /// ranks, each of which has a part of every expert's width. Leaves the caller's `dispatched` to it.
    fn grouped_mlp(&mut self, dispatched: Var, ffn: u64) -> Var {
        let rank = self.rank;
        let tokens = Dim::number(rank.received().saturating_mul(rank.expert_tensor));
        let (hidden, width) = (rank.hidden(), Dim::new(Symbol::ExpertFfn, ffn / rank.expert_tensor));
        let of = |module, what, dims: &[Dim]| made(module, what, dims, Dtype::Bf16);
        let mut input = None;
        let steps = [rank.expert_tensor > 1, rank.local_experts() > 1];
        for _ in steps.into_iter().filter(|&is_done| is_done) {
            let storage = of(Module::ExpertsUp, What::Input, &[tokens, hidden]);
            let next = self.copied(input.unwrap_or(dispatched), storage);
            if let Some(before) = input.replace(next) {
                self.tape.drop(before);
            }
        }
        let read = input.unwrap_or(dispatched);
        let both = of(Module::ExpertsUp, What::Output, &[tokens, Dim::number(2), width]);
        let gradient = self.gradient(read);
        let both = self.tape.operator(both, &[read], &[gradient]);
        let chances = made(Module::Experts, What::RoutingWeights, &[tokens], Dtype::Bf16);
        let chances = self.tape.constant(chances);
        let activated = of(Module::ExpertsDown, What::Input, &[tokens, width]);
        let gradient = self.gradient(both);
        let activated = self.tape.operator(activated, &[both, chances], &[gradient]);
        let output = of(Module::ExpertsDown, What::Output, &[tokens, hidden]);
        let gradient = self.gradient(activated);
        let mut output = self.tape.operator(output, &[activated], &[gradient]);
        for var in [both, chances, activated] {
            self.tape.drop(var);
        }
        let rows =
            [(rank.local_experts() > 1, tokens), (rank.expert_tensor > 1, Dim::number(rank.received()))];
        for (_, rows) in rows.into_iter().filter(|&(is_done, _)| is_done) {
            let storage = of(Module::ExpertsDown, What::Contiguous, &[rows, hidden]);
            let next = self.copied(output, storage);
            self.tape.drop(output);
            output = next;
        }
        if let Some(input) = input {
            self.tape.drop(input);
        }
        output
    }
}
