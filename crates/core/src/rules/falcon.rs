//! `FalconDecoderLayer`: attention and MLP side by side, with keys and values of one head or of groups (`modeling_falcon.py`).

use super::Writer;
use super::attention::Heads;
use super::elementwise::promoted;
use super::linear::Linear;
use crate::ledger::{Dims, Module, Name, What};
use crate::model::Branches;
use crate::scenario::Attention;
use crate::tape::{Step, Storage, Var};

impl Writer<'_> {
    /// `FalconDecoderLayer.forward`: one norm, or `ln_attn` and `ln_mlp`, before both branches; attention is added into the MLP's output in
    /// place.
    pub(super) fn falcon_layer(&mut self, x: Var) -> Var {
        let normed = self.norm_of_tokens(x, Module::InputNorm);
        let has_two_norms = self.pass.architecture.branches() == Branches::Parallel;
        let of_mlp = if has_two_norms {
            self.norm_of_tokens(x, Module::PostAttentionNorm)
        } else {
            self.tape.view(normed, &[], &[Step::Pass(normed)])
        };
        let (attention, probabilities) = self.falcon_attention(normed);
        let mlp = self.mlp(of_mlp);
        let both = self.tape.view(mlp, &[], &[Step::Pass(mlp), Step::Pass(attention)]);
        self.tape.drop(mlp);
        let dropped = self.residual_dropout(both, Module::MlpDropout);
        let output = self.sum(x, dropped, Module::Layer, What::Residual);
        for var in [dropped, attention, of_mlp, normed].into_iter().chain(probabilities) {
            self.tape.drop(var);
        }
        output
    }

    /// `FalconAttention.forward` without `ALiBi`: what it returns, the probabilities too where attention is written out.
    fn falcon_attention(&mut self, x: Var) -> (Var, Option<Var>) {
        let (qkv, heads) = self.falcon_projection(x);
        let heads = self.rotated_heads(heads);
        let (output, probabilities) = if self.pass.attention == Attention::Eager {
            let (output, probabilities) = self.falcon_eager(heads);
            (output, Some(probabilities))
        } else {
            (self.falcon_sdpa(heads), None)
        };
        let (hidden, values) = ([self.pass.hidden()], [self.pass.heads(), self.pass.head_dim()]);
        let linear = Linear {
            module: Module::OProj,
            weight_of: Module::OProj,
            input: &values,
            output: &hidden,
            has_bias: false,
        };
        let projected = self.linear(output, &linear);
        for var in [output, heads.query, heads.key, heads.value, qkv] {
            self.tape.drop(var);
        }
        (projected, probabilities)
    }

    /// `_split_heads`: the query is a slice, keys and values are copies (`qkv[..., [-2], :]`), each of which fills a whole tensor in
    /// backward. Groups are written out: a key and a value for every query.
    fn falcon_projection(&mut self, x: Var) -> (Var, Heads) {
        let (all, hidden) = ([self.pass.qkv_heads(), self.pass.head_dim()], [self.pass.hidden()]);
        let module = Module::QkvProj;
        let linear = Linear { module, weight_of: module, input: &hidden, output: &all, has_bias: false };
        let qkv = self.linear(x, &linear);
        let gradient = self.gradient(qkv);
        let query = self.tape.view(qkv, &[], &[gradient]);
        self.tape.reshape(query, Name::of(Module::QProj, What::Output), self.query_dims());
        let of_group = self.rows(&[self.pass.kv_heads(), self.pass.head_dim()]);
        let dtype = self.tape.dtype(qkv);
        let [key, value] = [Module::KProj, Module::VProj].map(|module| {
            let copy = self.made(module, What::Output, of_group, dtype);
            self.tape.operator(copy, &[], &[gradient])
        });
        // Of groups of one query, `flatten` makes views.
        let a = &self.pass.architecture;
        if !a.expands_groups() || a.kv_heads == a.heads {
            return (qkv, Heads { query, key, value });
        }
        let copied = self.contiguous(query, Module::Attention, What::Query);
        let whole = [(key, What::KeyExpanded), (value, What::ValueExpanded)].map(|(x, what)| {
            let gradient = self.gradient(x);
            let expanded = self.made(Module::Attention, what, self.query_dims(), dtype);
            self.tape.operator(expanded, &[], &[gradient])
        });
        for var in [query, key, value] {
            self.tape.drop(var);
        }
        let [key, value] = whole;
        (qkv, Heads { query: copied, key, value })
    }

    /// `scaled_dot_product_attention` with a mask, which the model always makes (`allow_is_causal_skip=False`). A single key head is
    /// expanded as it is. The caller still holds the heads.
    fn falcon_sdpa(&mut self, heads: Heads) -> Var {
        let compute = self.pass.compute();
        let [query, key, value] =
            [(heads.query, What::Query), (heads.key, What::Key), (heads.value, What::Value)]
                .map(|(x, what)| self.cast(x, Module::Attention, what, compute));
        let [key, value] = if self.pass.architecture.expands_groups() {
            [key, value]
        } else {
            [self.repeat(key, What::KeyExpanded), self.repeat(value, What::ValueExpanded)]
        };
        let output = self.memory_efficient(Heads { query, key, value }, true, false);
        for var in [query, key, value] {
            self.tape.drop(var);
        }
        output
    }

    /// `softmax(q @ kᵀ / √d + mask) @ v`, divided in place, in the dtype of what the norm has made. The caller still holds the heads.
    fn falcon_eager(&mut self, heads: Heads) -> (Var, Var) {
        let operands = [(heads.query, What::Query), (heads.key, What::Key), (heads.value, What::Value)];
        let [query, key] = [operands[0], operands[1]].map(|(x, what)| self.falcon_operand(x, what));
        let sequence = self.pass.sequence();
        let dims = Dims::new(&[self.pass.batch(), self.pass.heads(), sequence, sequence]);
        let storage = |writer: &Self, what, dtype| writer.made(Module::Attention, what, dims, dtype);
        let compute = self.pass.compute();
        let steps = [self.gradient(query), self.gradient(key)];
        let product = self.tape.operator(storage(self, What::Scores, compute), &[query, key], &steps);
        let gradient = self.gradient(product);
        let scores = self.tape.view(product, &[], &[gradient]);
        for var in [product, query, key] {
            self.tape.drop(var);
        }
        let wide = promoted(compute, self.pass.weight);
        let step = self.hand_on(scores, wide);
        let masked = self.tape.operator(storage(self, What::MaskedScores, wide), &[], &[step]);
        let product = self.temporary(Module::Attention, What::Softmax, dims, wide);
        let steps = [Step::Temporary(product), self.gradient(masked)];
        let probabilities =
            self.tape.operator_keeping_output(storage(self, What::Softmax, wide), &[], &steps);
        self.tape.drop(masked);
        self.tape.drop(scores);
        let narrow = self.cast(probabilities, Module::Attention, What::SoftmaxCast, compute);
        let value = self.falcon_operand(operands[2].0, What::Value);
        let steps = [self.gradient(narrow), self.gradient(value)];
        let output = self.made(Module::Attention, What::Output, self.value_dims(), compute);
        let output = self.tape.operator(output, &[narrow, value], &steps);
        let copy = self.contiguous(output, Module::OProj, What::Contiguous);
        for var in [narrow, value, output] {
            self.tape.drop(var);
        }
        (copy, probabilities)
    }

    /// An operand of `matmul`: cast, a single key head expanded to all, and copied where the heads of several sequences are no batch of
    /// matrices as they stand.
    fn falcon_operand(&mut self, x: Var, what: What) -> Var {
        let cast = self.cast(x, Module::Attention, what, self.pass.compute());
        let is_narrow = what != What::Query && !self.pass.architecture.expands_groups();
        let whole = if is_narrow { self.repeat(cast, what) } else { cast };
        if self.pass.rows == 1 {
            return whole;
        }
        let copy: Storage = self.made(Module::Attention, what, self.query_dims(), self.pass.compute());
        let copy = self.tape.operator(copy, &[], &[Step::Pass(whole)]);
        self.tape.drop(whole);
        copy
    }
}
