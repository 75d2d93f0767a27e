//! Attention written out: `eager_attention_forward` (transformers), with soft-capping (`modeling_gemma2.py`) and dropout.

use super::Writer;
use super::attention::Heads;
use crate::ledger::{Dims, Module, What};
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// `matmul(softmax(matmul(q, kᵀ) · scale), v)`, transposed back and copied.
    pub(crate) fn eager_attention(&mut self, heads: Heads) -> Var {
        let mut heads = heads;
        if self.pass.architecture.kv_heads < self.pass.architecture.heads {
            heads.key = self.repeat(heads.key, What::KeyExpanded);
            heads.value = self.repeat(heads.value, What::ValueExpanded);
        }
        let (query, key) = (self.operand(heads.query, What::Query), self.operand(heads.key, What::Key));
        let scores = self.scores(query, key);
        let probabilities = self.probabilities(scores);
        let value = self.operand(heads.value, What::Value);
        let output = self.storage(What::Output, self.value_dims(), self.pass.compute());
        let steps = [self.gradient(probabilities), self.gradient(value)];
        let product = self.tape.operator(output, &[probabilities, value], &steps);
        for var in [query, key, value, probabilities, heads.query, heads.key, heads.value] {
            self.tape.drop(var);
        }
        let copy = self.contiguous(product, Module::OProj, What::Contiguous);
        self.tape.drop(product);
        copy
    }

    fn storage(&self, what: What, dims: Dims, dtype: Dtype) -> Storage {
        self.made(Module::Attention, what, dims, dtype)
    }

    fn score_dims(&self) -> Dims {
        let sequence = self.pass.sequence();
        Dims::new(&[self.pass.batch(), self.pass.heads(), sequence, sequence])
    }

    /// An operand of `matmul` in the layout and dtype that the batched product needs: a copy of a transposed or fp32 tensor.
    fn operand(&mut self, x: Var, what: What) -> Var {
        let a = &self.pass.architecture;
        let is_repeated = a.kv_heads < a.heads && a.kv_heads.get() > 1 && what != What::Query;
        let is_contiguous = a.concatenates_rope() && what != What::Value || is_repeated;
        // Of a single sequence, a tensor transposed to heads is a batch of matrices as it is.
        let is_contiguous = is_contiguous || self.pass.rows == 1;
        let compute = self.pass.compute();
        if self.tape.dtype(x) == compute && is_contiguous {
            return self.cast(x, Module::Attention, what, compute);
        }
        let storage = self.storage(what, self.tape.storage(x).dims, compute);
        let gradient = self.gradient(x);
        self.tape.operator(storage, &[], &[gradient])
    }

    fn scores(&mut self, query: Var, key: Var) -> Var {
        let raw = self.storage(What::Scores, self.score_dims(), self.pass.compute());
        let steps = [self.gradient(query), self.gradient(key)];
        let raw = self.tape.operator(raw, &[query, key], &steps);
        let mut scores = self.map(raw, Module::Attention, What::MaskedScores, &[]);
        self.tape.drop(raw);
        if self.pass.architecture.attention_softcap {
            scores = self.softcap(scores, Module::Attention);
        }
        // The causal mask is added out of place; it needs no gradient.
        let masked = self.tape.operator(self.tape.storage(scores), &[], &[Step::Pass(scores)]);
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
    fn probabilities(&mut self, scores: Var) -> Var {
        let compute = self.pass.compute();
        let keeps_dtype = self.pass.architecture.family.softmax_keeps_dtype() && self.pass.autocast.is_none();
        let dtype = if keeps_dtype { compute } else { Dtype::Fp32 };
        let wide = self.cast(scores, Module::Attention, What::Fp32Copy, dtype);
        let softmax = self.storage(What::Softmax, self.score_dims(), dtype);
        let gradient = self.gradient(wide);
        let product = self.temporary(Module::Attention, What::Softmax, self.score_dims(), dtype);
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
}
