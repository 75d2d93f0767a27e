//! BERT and its kin: `BertEmbeddings`, `BertLayer` (norms after the sums), `BertForMaskedLM`, and what RoBERTa and DistilBERT do
//! otherwise (transformers). LAYERS.md, bert-base.

use super::Writer;
use super::embedding::SORTS_WITH_PADDING;
use super::layer::residual_stream;
use super::linear::Linear;
use crate::ledger::{Dim, Dims, Module, Name, Symbol, What};
use crate::model::{Family, Mixer};
use crate::tape::{Step, Storage, Var};
use crate::units::{Count, Dtype};

impl Writer<'_> {
    /// Word, token type and position embeddings, their sum normalised and dropped out (`BertEmbeddings`, `RobertaEmbeddings`;
    /// `Embeddings` of DistilBERT has no types).
    pub(crate) fn bert_embedding(&mut self) -> Var {
        let a = self.pass.architecture;
        let mut named = Vec::new();
        let positions = a.positions.filter(|_| a.family.has_position_of_each_token());
        let position_ids = positions.map(|_| self.ids(Module::PositionEmbedding));
        let types = a.token_types.map(|types| (types, self.ids(Module::TokenTypeEmbedding)));
        let words = self.tokens(SORTS_WITH_PADDING);
        named.push(words);
        let mut sum = words;
        if let Some((rows, ids)) = types {
            let types = self.token_types(rows, ids);
            sum = self.sum(words, types, Module::TokenTypeEmbedding, What::Residual);
            named.extend([types, ids]);
        }
        if let Some(rows) = a.positions {
            let (positions, both) = if let Some(ids) = position_ids {
                named.push(ids);
                let positions = self.position_of_each_token(rows, ids, SORTS_WITH_PADDING);
                (positions, self.sum(sum, positions, Module::PositionEmbedding, What::Residual))
            } else {
                let positions = self.learned_positions(rows);
                (positions, self.positions_added(sum, positions))
            };
            named.push(positions);
            if sum != words {
                self.tape.drop(sum);
            }
            sum = both;
        }
        let mut output = self.norm_of_tokens(sum, Module::EmbeddingNorm);
        if sum != words {
            self.tape.drop(sum);
        }
        if a.embedding_dropout {
            let dropped = self.dropout(output, Module::EmbeddingDropout);
            self.tape.drop(output);
            output = dropped;
        }
        self.tape.keep_names();
        for var in named {
            self.tape.drop(var);
        }
        output
    }

    /// Ids that the model makes itself: types gathered from the buffer of zeros for this length, and expanded to the batch; positions that
    /// leave padding out (`create_position_ids_from_input_ids`), and then the types of each of them.
    pub(crate) fn ids(&mut self, module: Module) -> Var {
        let tokens = self.pass.tokens();
        let of_all = [self.pass.sequence()];
        let is_of_each = self.pass.architecture.family.has_position_of_each_token();
        let dims = Dims::new(if is_of_each { &tokens } else { &of_all });
        let ids = self.made(module, What::TokenIds, dims, Dtype::Int64);
        self.tape.constant(ids)
    }

    fn token_types(&mut self, rows: Count, ids: Var) -> Var {
        let shape = [Dim::number(rows.get()), self.pass.hidden()];
        let gradient = self.parameter_gradient(Module::TokenTypeEmbedding, What::Weight, &shape);
        let types = residual_stream(self.pass, Name::of(Module::TokenTypeEmbedding, What::Output));
        self.tape.operator(types, &[ids], &[gradient])
    }

    /// RoBERTa's table has a row for padding, so that its backward sorts.
    pub(crate) fn position_of_each_token(&mut self, rows: Count, ids: Var, sorts_above: u64) -> Var {
        let shape = [Dim::new(Symbol::Positions, rows.get()), self.pass.hidden()];
        let mut steps = self.sort_buffers(sorts_above, rows);
        steps.push(self.parameter_gradient(Module::PositionEmbedding, What::Weight, &shape));
        let output = residual_stream(self.pass, Name::of(Module::PositionEmbedding, What::Output));
        self.tape.operator(output, &[ids], &steps)
    }

    /// Attention and MLP, each added to what it read and normalised after that.
    pub(crate) fn norms_after_sums(&mut self, x: Var) -> Var {
        let attention = self.attention(x, Mixer::Full);
        let attention = self.dropout_after_attention(attention);
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

    /// `BertPredictionHeadTransform` and the projection to the vocabulary, with biases; `ModernBertPredictionHead` has a norm before and
    /// no bias. Beside the logits, what Python names until the loss is made (`last_hidden_state`).
    pub(crate) fn masked_lm_logits(&mut self, x: Var) -> (Var, Var) {
        let is_modern = self.pass.architecture.family == Family::ModernBert;
        let x = if is_modern {
            self.norm_of_tokens(x, Module::FinalNorm)
        } else {
            self.tape.view(x, &[], &[Step::Pass(x)])
        };
        let (hidden, vocabulary) = ([self.pass.hidden()], [self.pass.vocabulary()]);
        let linear = |module, weight_of, output, has_bias| Linear {
            module,
            weight_of,
            input: &hidden,
            output,
            has_bias,
        };
        let dense =
            self.linear(x, &linear(Module::HeadTransform, Module::HeadTransform, &hidden, !is_modern));
        let active = self.map(dense, Module::HeadTransform, What::Product, &[dense]);
        self.tape.drop(dense);
        let normed = self.norm_of_tokens(active, Module::HeadNorm);
        self.tape.drop(active);
        let weight_of = if self.pass.architecture.tied { Module::Embedding } else { Module::LmHead };
        let logits = self.linear(normed, &linear(Module::LmHead, weight_of, &vocabulary, true));
        self.tape.drop(normed);
        (logits, x)
    }

    /// `CrossEntropyLoss` of the logits as they are (`ForMaskedLMLoss`, which ModernBERT calls, converts them to fp32 first): the log-softmax has their dtype, and autocast casts it for `nll_loss`.
    pub(crate) fn masked_cross_entropy(&mut self, logits: Var) -> Var {
        let upcasts = self.pass.architecture.family == Family::ModernBert;
        let dtype = if upcasts { Dtype::Fp32 } else { self.tape.dtype(logits) };
        let logits = self.cast(logits, Module::Loss, What::LogitsFp32, dtype);
        let storage = self.tape.storage(logits);
        let log_softmax = Storage { name: Name::of(Module::Loss, What::LogSoftmax), ..storage };
        let gradient: Step = self.gradient(logits);
        let log_softmax = self.tape.operator_keeping_output(log_softmax, &[], &[gradient]);
        let dtype = if self.pass.autocast.is_some() { Dtype::Fp32 } else { storage.dtype };
        let wide = self.cast(log_softmax, Module::Loss, What::Fp32Copy, dtype);
        let loss = self.scalar(wide, &[wide]);
        for var in [wide, log_softmax, logits] {
            self.tape.drop(var);
        }
        loss
    }
}
