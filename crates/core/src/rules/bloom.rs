//! `BloomBlock`: scores that begin with ALiBi's slopes (`baddbmm`), a GELU of its own (`GeLUFunction`), dropout before each sum
//! (`modeling_bloom.py`, transformers).

use super::Writer;
use super::elementwise::promoted;
use super::linear::Linear;
use crate::ledger::{Dim, Dims, Module, Name, What};
use crate::tape::{Step, Storage, Var};

/// Tensors as large as its input that `bloom_gelu_forward` needs at a time, and `bloom_gelu_back`, and those that are left of the latter when
/// it makes its result.
const GELU_FORWARD: u64 = 4;
const GELU_BACKWARD: u64 = 5;
const GELU_LEFT: u64 = 2;

impl Writer<'_> {
    /// Attention and MLP, each with a norm before it and dropout behind it.
    pub(crate) fn bloom_layer(&mut self, x: Var) -> Var {
        let normed = self.norm_of_tokens(x, Module::InputNorm);
        let (branch, probabilities) = self.bloom_attention(normed);
        let branch = self.residual_dropout(branch, Module::AttentionDropout);
        let attended = self.sum(x, branch, Module::Layer, What::Residual);
        self.tape.drop(branch);
        let before = normed;
        let normed = self.norm_of_tokens(attended, Module::PostAttentionNorm);
        self.tape.drop(before);
        let width = self.pass.ffn();
        let up = self.up(normed, Module::UpProj, width);
        let active = self.gelu_of_bloom(up);
        self.tape.drop(up);
        let down = self.down(active, Module::DownProj, width);
        let down = self.residual_dropout(down, Module::MlpDropout);
        let output = self.sum(attended, down, Module::Layer, What::Residual);
        for var in [down, active, normed, attended, probabilities] {
            self.tape.drop(var);
        }
        output
    }

    /// What attention adds, and its probabilities, which the layer names.
    fn bloom_attention(&mut self, x: Var) -> (Var, Var) {
        let hidden = [self.pass.hidden()];
        let all = [self.pass.qkv_heads(), self.pass.head_dim()];
        let inner = [self.pass.heads(), self.pass.head_dim()];
        let linear =
            |module, input, output| Linear { module, weight_of: module, input, output, has_bias: true };
        let fused = self.linear(x, &linear(Module::QkvProj, &hidden, &all));
        let named =
            [Module::QProj, Module::KProj, Module::VProj].map(|module| self.bloom_head(fused, module));
        let [query, key, value] = named;
        let (scores, masked) = self.scores_with_slopes(query, key);
        // `attn_weights` in Python, to the end.
        self.tape.hold_on(masked);
        let probabilities = self.probabilities(masked);
        let output = self.made(Module::Attention, What::Output, self.value_dims(), self.pass.compute());
        let product = self.batched_product(output, probabilities, value);
        let context = self.by_tokens(product);
        let projected = self.linear(context, &linear(Module::OProj, &inner, &hidden));
        for var in named.into_iter().chain([context, scores, masked, fused]) {
            self.tape.drop(var);
        }
        (projected, probabilities)
    }

    /// One of the three in each head's part of the fused projection, by heads: a copy, unless there is a single sample. Its backward fills
    /// a whole tensor (`select_backward`).
    fn bloom_head(&mut self, fused: Var, module: Module) -> Var {
        let step = self.gradient(fused);
        let view = self.tape.view(fused, &[], &[step]);
        let dims = self.rows(&[self.pass.heads(), self.pass.head_dim()]);
        self.tape.reshape(view, Name::of(module, What::Output), dims);
        if self.pass.rows == 1 {
            return view;
        }
        let copy = self.contiguous(view, module, What::Contiguous);
        self.tape.drop(view);
        copy
    }

    /// `alibi.baddbmm(q, k, alpha)`, whose backward multiplies each of its products by `alpha`, and that plus the mask.
    fn scores_with_slopes(&mut self, query: Var, key: Var) -> (Var, Var) {
        let sequence = self.pass.sequence();
        let dims = Dims::new(&[self.pass.batch(), self.pass.heads(), sequence, sequence]);
        let raw = self.made(Module::Attention, What::Scores, dims, self.pass.compute());
        let workspace = self.workspace(false);
        let steps = [
            self.gradient(query),
            Step::Scratch(self.tape.gradient_of(query)),
            self.gradient(key),
            Step::Scratch(workspace),
            Step::Scratch(self.tape.gradient_of(key)),
        ];
        let scores = self.tape.operator(raw, &[query, key], &steps);
        self.tape.scratch(workspace);
        let dtype = promoted(raw.dtype, self.pass.weight);
        let masked = Storage { name: self.name(Module::Attention, What::MaskedScores), dtype, ..raw };
        let step = self.hand_on(scores, dtype);
        (scores, self.tape.operator(masked, &[], &[step]))
    }

    /// `GeLUFunction`, which keeps its input alone. The caller still holds `x`.
    fn gelu_of_bloom(&mut self, x: Var) -> Var {
        let storage = self.tape.storage(x);
        let several = |count| {
            let dims = storage.dims.times(Dim::number(count));
            self.temporary(Module::Activation, What::Step, dims, storage.dtype)
        };
        let [forward, backward, left] = [GELU_FORWARD, GELU_BACKWARD, GELU_LEFT].map(several);
        self.tape.scratch(forward);
        let steps = [Step::Scratch(backward), Step::Temporary(left), self.gradient(x)];
        let output = self.made(Module::Activation, What::Output, storage.dims, storage.dtype);
        self.tape.operator(output, &[x], &steps)
    }
}
