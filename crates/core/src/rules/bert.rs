//! BERT: `BertEmbeddings`, `BertLayer` (norms after the sums), `BertForMaskedLM` (transformers). LAYERS.md, bert-base.

use super::Writer;
use super::embedding::SORTS_WITH_PADDING;
use super::layer::residual_stream;
use super::linear::Linear;
use crate::ledger::{Dim, Dims, Module, Name, What};
use crate::tape::{Step, Storage, Var};
use crate::units::{Count, Dtype};

impl Writer<'_> {
    /// Word, token type and position embeddings, their sum normalised and dropped out.
    pub(crate) fn bert_embedding(&mut self, token_types: Count) -> Var {
        let words = self.tokens(SORTS_WITH_PADDING);
        // The buffer of zeros, gathered for this length and expanded to the batch.
        let ids = Dims::new(&[self.pass.sequence()]);
        let ids = self.made(Module::TokenTypeEmbedding, What::TokenIds, ids, Dtype::Int64);
        let ids = self.tape.constant(ids);
        let shape = [Dim::number(token_types.get()), self.pass.hidden()];
        let gradient = self.parameter_gradient(Module::TokenTypeEmbedding, What::Weight, &shape);
        let types = residual_stream(self.pass, Name::of(Module::TokenTypeEmbedding, What::Output));
        let types = self.tape.operator(types, &[ids], &[gradient]);
        let of_two = self.sum(words, types, Module::TokenTypeEmbedding, What::Residual);
        let mut sum = of_two;
        if let Some(positions) = self.pass.architecture.positions {
            let positions = self.learned_positions(positions);
            sum = self.positions_added(of_two, positions);
            self.tape.drop(of_two);
            self.tape.drop(positions);
        }
        let mut output = self.norm_of_tokens(sum, Module::EmbeddingNorm);
        self.tape.drop(sum);
        if self.pass.architecture.embedding_dropout {
            let dropped = self.dropout(output, Module::EmbeddingDropout);
            self.tape.drop(output);
            output = dropped;
        }
        self.tape.keep_names();
        for var in [types, ids, words] {
            self.tape.drop(var);
        }
        output
    }

    /// Attention and MLP, each added to what it read and normalised after that.
    pub(crate) fn norms_after_sums(&mut self, x: Var) -> Var {
        let attention = self.attention(x, false);
        let attention = self.residual_dropout(attention, Module::AttentionDropout);
        let attended = self.summed_and_normed(attention, x, Module::PostAttentionNorm);
        let mlp = self.mlp(attended);
        let mlp = self.residual_dropout(mlp, Module::MlpDropout);
        let output = self.summed_and_normed(mlp, attended, Module::PostMlpNorm);
        self.tape.drop(attended);
        output
    }

    /// Takes over the caller's `branch`.
    fn summed_and_normed(&mut self, branch: Var, x: Var, norm: Module) -> Var {
        let sum = self.sum(branch, x, Module::Layer, What::Residual);
        let normed = self.norm_of_tokens(sum, norm);
        self.tape.drop(sum);
        self.tape.drop(branch);
        normed
    }

    /// `BertPredictionHeadTransform` and the projection to the vocabulary, with biases.
    pub(crate) fn masked_lm_logits(&mut self, x: Var) -> Var {
        let (hidden, vocabulary) = ([self.pass.hidden()], [self.pass.vocabulary()]);
        let linear =
            |module, weight_of, output| Linear { module, weight_of, input: &hidden, output, has_bias: true };
        let dense = self.linear(x, &linear(Module::HeadTransform, Module::HeadTransform, &hidden));
        let active = self.map(dense, Module::HeadTransform, What::Product, &[dense]);
        self.tape.drop(dense);
        let normed = self.norm_of_tokens(active, Module::HeadNorm);
        self.tape.drop(active);
        let weight_of = if self.pass.architecture.tied { Module::Embedding } else { Module::LmHead };
        let logits = self.linear(normed, &linear(Module::LmHead, weight_of, &vocabulary));
        self.tape.drop(normed);
        logits
    }

    /// `CrossEntropyLoss` of the logits as they are: the log-softmax has their dtype, and autocast casts it for `nll_loss`.
    pub(crate) fn masked_cross_entropy(&mut self, logits: Var) -> Var {
        let storage = self.tape.storage(logits);
        let log_softmax = Storage { name: Name::of(Module::Loss, What::LogSoftmax), ..storage };
        let gradient: Step = self.gradient(logits);
        let log_softmax = self.tape.operator_keeping_output(log_softmax, &[], &[gradient]);
        let dtype = if self.pass.autocast.is_some() { Dtype::Fp32 } else { storage.dtype };
        let wide = self.cast(log_softmax, Module::Loss, What::Fp32Copy, dtype);
        let loss = self.scalar(wide, &[wide]);
        self.tape.drop(wide);
        self.tape.drop(log_softmax);
        loss
    }
}
