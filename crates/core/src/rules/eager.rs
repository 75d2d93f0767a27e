//! Attention written out: `eager_attention_forward` (transformers), with soft-capping (`modeling_gemma2.py`) and dropout.

use super::Writer;
use super::attention::Heads;
use super::elementwise::promoted;
use crate::ledger::{Dim, Dims, Module, What};
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// `matmul(softmax(matmul(q, kᵀ) · scale), v)`, transposed back and copied.
    pub(crate) fn eager_attention(&mut self, heads: Heads) -> Var {
        let (product, probabilities) = self.values_by_scores(heads, self.pass.keys(), true);
        self.tape.drop(probabilities);
        self.by_tokens(product)
    }

    /// The same over so many keys, with a mask or without, and the probabilities, which the caller names.
    pub(super) fn eager_attention_to(&mut self, heads: Heads, keys: Dim, is_masked: bool) -> (Var, Var) {
        let (product, probabilities) = self.values_by_scores(heads, keys, is_masked);
        (self.by_tokens(product), probabilities)
    }

    /// Takes over the caller's `product`.
    pub(super) fn by_tokens(&mut self, product: Var) -> Var {
        let copy = self.contiguous(product, Module::OProj, What::Contiguous);
        self.tape.drop(product);
        copy
    }

    fn values_by_scores(&mut self, heads: Heads, keys: Dim, is_masked: bool) -> (Var, Var) {
        let mut heads = heads;
        if self.pass.architecture.kv_heads < self.pass.architecture.heads {
            heads.key = self.repeat(heads.key, What::KeyExpanded);
            heads.value = self.repeat(heads.value, What::ValueExpanded);
        }
        let (query, key) = (self.operand(heads.query, What::Query), self.operand(heads.key, What::Key));
        let scores = self.scores(query, key, keys, is_masked);
        let has_sinks = self.pass.architecture.family.has_sinks();
        let probabilities =
            if has_sinks { self.probabilities_with_sinks(scores) } else { self.probabilities(scores) };
        let value = self.operand(heads.value, What::Value);
        let output = self.storage(What::Output, self.value_dims(), self.pass.compute());
        let product = self.batched_product(output, probabilities, value);
        for var in [query, key, value, heads.query, heads.key, heads.value] {
            self.tape.drop(var);
        }
        (product, probabilities)
    }

    /// A product of matrices for each sample and head (`bmm`), and the two of its backward, each with cuBLAS's workspace.
    pub(super) fn batched_product(&mut self, output: Storage, left: Var, right: Var) -> Var {
        let workspace = self.workspace(false);
        let steps = [self.gradient(left), self.gradient(right), Step::Scratch(workspace)];
        // Each operand is kept for the other one's gradient.
        let needed =
            [(left, right), (right, left)].into_iter().filter(|&(_, of)| self.tape.requires_grad(of));
        let saved: Vec<Var> = needed.map(|(var, _)| var).collect();
        let product = self.tape.operator(output, &saved, &steps);
        self.tape.scratch(workspace);
        product
    }

    fn storage(&self, what: What, dims: Dims, dtype: Dtype) -> Storage {
        self.made(Module::Attention, what, dims, dtype)
    }

    fn score_dims(&self, keys: Dim) -> Dims {
        Dims::new(&[self.pass.batch(), self.pass.heads(), self.pass.sequence(), keys])
    }

    /// An operand of `matmul` in the layout and dtype that the batched product needs: a copy of a transposed or fp32 tensor.
    fn operand(&mut self, x: Var, what: What) -> Var {
        let a = &self.pass.architecture;
        let is_repeated = a.kv_heads < a.heads && a.kv_heads.get() > 1 && what != What::Query;
        let is_contiguous = a.concatenates_rope() && what != What::Value || is_repeated;
        // What is concatenated to a prefix is so head by head.
        let is_cached = self.pass.prefix().is_some();
        let is_contiguous = is_contiguous || is_cached && a.latent.is_none() && what != What::Query;
        // Of a single sequence, a tensor transposed to heads is a batch of matrices as it is.
        let is_contiguous = is_contiguous || self.pass.rows == 1 || a.family.copies_heads();
        let compute = self.pass.compute();
        if self.tape.dtype(x) == compute && is_contiguous {
            return self.cast(x, Module::Attention, what, compute);
        }
        let storage = self.storage(what, self.tape.storage(x).dims, compute);
        let gradient = self.gradient(x);
        self.tape.operator(storage, &[], &[gradient])
    }

    fn scores(&mut self, query: Var, key: Var, keys: Dim, is_masked: bool) -> Var {
        let raw = self.storage(What::Scores, self.score_dims(keys), self.pass.compute());
        let raw = self.batched_product(raw, query, key);
        let mut scores = self.map(raw, Module::Attention, What::MaskedScores, &[]);
        self.tape.drop(raw);
        if self.pass.architecture.attention_softcap {
            scores = self.softcap(scores, Module::Attention);
        }
        if !is_masked {
            return scores;
        }
        // The causal mask is added out of place; it needs no gradient. It has the dtype of the residual stream.
        let narrow = self.tape.storage(scores);
        let dtype = promoted(narrow.dtype, self.pass.weight);
        let step = self.hand_on(scores, dtype);
        let masked = self.tape.operator(Storage { dtype, ..narrow }, &[], &[step]);
        self.tape.drop(scores);
        masked
    }

    /// `tanh(x / cap) * cap`: keeps the tanh. Takes over the caller's `x`.
    pub(crate) fn softcap(&mut self, x: Var, module: Module) -> Var {
        let scaled = self.map(x, module, What::Scaledown, &[]);
        self.tape.drop(x);
        let storage =
            Storage { name: crate::ledger::Name::of(module, What::Tanh), ..self.tape.storage(scaled) };
        let gradient = self.gradient(scaled);
        let tanh = self.tape.operator_keeping_output(storage, &[], &[gradient]);
        self.tape.drop(scaled);
        let capped = self.map(tanh, module, What::Output, &[]);
        self.tape.drop(tanh);
        capped
    }

    /// Softmax, in fp32 but for GPT-2's and BERT's kin in its own dtype outside of autocast, back to 16 bits, and dropout.
    pub(super) fn probabilities(&mut self, scores: Var) -> Var {
        let compute = self.pass.compute();
        let keeps_dtype = self.pass.architecture.family.softmax_keeps_dtype() && self.pass.autocast.is_none();
        let dtype = if keeps_dtype { compute } else { Dtype::Fp32 };
        let dims = self.tape.storage(scores).dims;
        let wide = self.cast(scores, Module::Attention, What::Fp32Copy, dtype);
        let softmax = self.storage(What::Softmax, dims, dtype);
        let gradient = self.gradient(wide);
        let product = self.temporary(Module::Attention, What::Softmax, dims, dtype);
        let softmax = self.tape.operator_keeping_output(softmax, &[], &[Step::Temporary(product), gradient]);
        self.tape.drop(wide);
        let back = self.cast(softmax, Module::Attention, What::SoftmaxCast, compute);
        self.tape.drop(softmax);
        // `attn_weights` in Python.
        self.tape.drop(scores);
        if !self.pass.architecture.attention_dropout {
            return back;
        }
        let dropped = self.dropout(back, Module::Attention);
        self.tape.drop(back);
        dropped
    }

    /// `softmax(combined - combined.max())` of the scores and a learned number for each head, of which the last column is left
    /// (`modeling_gpt_oss.py`, `eager_attention_forward`). Takes over the caller's `scores`.
    fn probabilities_with_sinks(&mut self, scores: Var) -> Var {
        let module = Module::Attention;
        let dtype = self.tape.dtype(scores);
        let (dims, rows) = (self.tape.storage(scores).dims, self.rows(&[self.pass.heads()]));
        let one_more = Dim::number(self.pass.keys().value.saturating_add(1));
        let wide = Dims::new(&[self.pass.batch(), self.pass.heads(), self.pass.sequence(), one_more]);
        let sinks = self.parameter_gradient(Module::Sinks, What::Weight, &[self.pass.heads()]);
        let combined = self.storage(What::MaskedScores, wide, dtype);
        let combined = self.tape.operator(combined, &[], &[Step::Pass(scores), sinks]);
        // `max` keeps its indices; its backward fills a whole tensor with zeros.
        let indices = self.tape.constant(self.storage(What::Step, rows, Dtype::Int64));
        let gradient = self.gradient(combined);
        let largest = self.tape.operator(self.storage(What::Step, rows, dtype), &[indices], &[gradient]);
        let gradient = self.gradient(largest);
        let shifted = self.storage(What::MaskedScores, wide, dtype);
        let negative = Step::Raw(Storage { name: self.name(module, What::Step), ..shifted });
        let shifted = self.tape.operator(shifted, &[], &[Step::Pass(combined), negative, gradient]);
        for var in [largest, indices, combined] {
            self.tape.drop(var);
        }
        let product = self.temporary(module, What::Softmax, wide, dtype);
        let gradient = self.gradient(shifted);
        let softmax = self.storage(What::Softmax, wide, dtype);
        let softmax = self.tape.operator_keeping_output(softmax, &[], &[Step::Temporary(product), gradient]);
        self.tape.drop(shifted);
        let gradient = self.gradient(softmax);
        let view = self.tape.view(softmax, &[], &[gradient]);
        self.tape.reshape(view, self.name(module, What::Softmax), dims);
        let back = self.cast(view, module, What::SoftmaxCast, self.pass.compute());
        for var in [view, softmax, scores] {
            self.tape.drop(var);
        }
        back
    }
}
