//! Token embedding, learned positions, dropout on their sum. FINDINGS sections 7 and 11.

use super::Writer;
use super::layer::residual_stream;
use crate::ledger::{Category, Dim, Dims, Module, Name, Symbol, What};
use crate::model::Architecture;
use crate::plan::Pass;
use crate::tape::{Block, Mode, Step, Storage, Var};
use crate::units::{Count, Dtype};

/// Up to here `embedding_dense_backward` adds row by row; from here on it sorts the ids
/// (`aten/src/ATen/native/cuda/Embedding.cu`: `num_indices <= 3072 && padding_idx < 0`).
const SORTS_ABOVE: u64 = 3072;
/// With a padding index it always sorts.
pub(crate) const SORTS_WITH_PADDING: u64 = 0;
/// Sorted ids that one thread sums (`NROWS_PER_THREAD`).
const ROWS_PER_RUN: u64 = 10;

/// What stands before the first layer.
pub(crate) fn embedding(pass: &Pass, mode: Mode) -> Block {
    let mut writer = Writer::new(pass, mode, pass.trained.embedding());
    if pass.architecture.family.is_masked() {
        let output = writer.bert_embedding();
        return writer.tape.finish(None, output, false);
    }
    let tokens = writer.tokens(SORTS_ABOVE);
    if hands_lookup_on(&pass.architecture) {
        let output = writer.scaled(tokens, Module::Embedding);
        return writer.tape.finish(None, output, false);
    }
    let positions = pass.architecture.positions.map(|positions| writer.learned_positions(positions));
    let sum = positions.map(|positions| writer.positions_added(tokens, positions));
    let mut output = sum.unwrap_or(tokens);
    if pass.architecture.embedding_dropout {
        output = writer.dropout(output, Module::EmbeddingDropout);
        if let Some(sum) = sum {
            writer.tape.drop(sum);
        }
    }
    // The model's forward has names for both (`inputs_embeds`, `position_embeds`).
    writer.tape.keep_names();
    if let Some(positions) = positions {
        writer.tape.drop(positions);
    }
    writer.tape.drop(tokens);
    writer.tape.finish(None, output, false)
}

/// Whether the first layer's input is what the embedding has made, without positions or dropout.
pub(crate) const fn hands_lookup_on(architecture: &Architecture) -> bool {
    architecture.positions.is_none() && !architecture.embedding_dropout && !architecture.family.is_masked()
}

impl Writer<'_> {
    /// The lookup of the token embedding.
    pub(crate) fn tokens(&mut self, sorts_above: u64) -> Var {
        let shape = [self.pass.vocabulary(), self.pass.hidden()];
        let mut steps = self.sort_buffers(sorts_above, self.pass.architecture.vocabulary);
        if self.sums_in_new_tensors() {
            // `embedding_dense_backward` makes no view: into an earlier call's gradient this one is summed in place.
            let gradient = self.parameter_gradient(Module::Embedding, What::Weight, &shape);
            if let Step::Parameter(storage) = gradient {
                steps.extend([Step::Temporary(storage), Step::IntoWaiting]);
            }
        } else if self.pass.architecture.tied {
            steps.extend(self.tied_gradient(&shape));
        } else {
            steps.push(self.parameter_gradient(Module::Embedding, What::Weight, &shape));
        }
        let output = residual_stream(self.pass, Name::of(Module::Embedding, What::Output));
        if self.pass.trained.hooks_embedding && !self.trains(Module::Embedding, What::Weight) {
            // `enable_input_require_grads` hooks the lookup: the graph's `AccumulateGrad` keeps its output.
            return self.tape.operator_keeping_output(output, &[], &[Step::Leaf]);
        }
        self.tape.operator(output, &[], &steps)
    }

    /// The decoder's lookup of the same table.
    pub(crate) fn second_lookup(&mut self, ids: Var) -> Var {
        let mut steps = self.sort_buffers(SORTS_ABOVE, self.pass.architecture.vocabulary);
        let gradient = Storage {
            name: Name::gradient_of(Module::Embedding, What::Weight),
            category: Category::Temporaries,
            dims: Dims::new(&[self.pass.vocabulary(), self.pass.hidden()]),
            dtype: self.pass.weight,
        };
        // Where the head's can't take the sum, a third tensor takes both.
        let is_summed_in_place = self.pass.weight != self.pass.compute();
        steps.push(Step::Temporary(gradient));
        if !is_summed_in_place {
            steps.push(Step::Temporary(gradient));
        }
        steps.push(Step::IntoWaiting);
        let output =
            residual_stream(self.pass, Name { part: self.part, ..Name::of(Module::Embedding, What::Output) });
        self.tape.operator(output, &[ids], &steps)
    }

    /// The embedding's gradient meets the head's, which has waited for it. Under autocast the two are summed in place; otherwise the
    /// head's is a transposed view, which can't take the sum (`InputBuffer::accumulate`), and a third tensor is made once the lookup
    /// has let go of its incoming gradient.
    fn tied_gradient(&mut self, shape: &[Dim]) -> Vec<Step> {
        let gradient = Storage {
            name: Name::gradient_of(Module::Embedding, What::Weight),
            category: Category::Temporaries,
            dims: Dims::new(shape),
            dtype: self.pass.weight,
        };
        let has_been_summed = self.pass.architecture.decoder.is_some();
        if has_been_summed || self.pass.weight != self.pass.compute() {
            return vec![Step::Temporary(gradient), Step::IntoWaiting];
        }
        let nothing = Storage { dims: Dims::new(&[Dim::number(0)]), ..gradient };
        let weight = self.tape.operator(nothing, &[], &[Step::Temporary(gradient), Step::IntoWaiting]);
        self.tape.drop(weight);
        vec![Step::Gradient(weight, gradient)]
    }

    /// Sums of the gradient in fp32 for runs of at most ten equal ids, and what sorts and cuts the ids into them
    /// (`EmbeddingBackwardKernel.cu`, `embedding_backward_cuda_kernel`: `NROWS_PER_THREAD`).
    pub(crate) fn sort_buffers(&self, sorts_above: u64, rows: Count) -> Vec<Step> {
        let tokens = self.pass.rows.saturating_mul(self.pass.sequence);
        if tokens <= sorts_above {
            return Vec::new();
        }
        let segments = tokens.min(rows.get());
        let partial = (tokens / ROWS_PER_RUN).saturating_add(segments);
        let indices =
            tokens.saturating_mul(2).saturating_add(segments.saturating_mul(3)).saturating_add(partial);
        let buffer = |dims: &[Dim], dtype| {
            Step::Temporary(self.temporary(Module::Embedding, What::SortBuffers, Dims::new(dims), dtype))
        };
        vec![
            buffer(&[Dim::number(indices)], Dtype::Int64),
            buffer(&[Dim::number(partial), self.pass.hidden()], Dtype::Fp32),
        ]
    }

    pub(crate) fn learned_positions(&mut self, positions: Count) -> Var {
        let shape = [Dim::new(Symbol::Positions, positions.get()), self.pass.hidden()];
        let gradient = self.parameter_gradient(Module::PositionEmbedding, What::Weight, &shape);
        let dims = Dims::new(&[self.pass.sequence(), self.pass.hidden()]);
        let storage = self.made(Module::PositionEmbedding, What::Output, dims, self.pass.weight);
        self.tape.operator(storage, &[], &[gradient])
    }

    pub(crate) fn positions_added(&mut self, tokens: Var, positions: Var) -> Var {
        let output = residual_stream(self.pass, Name::of(Module::PositionEmbedding, What::Residual));
        let steps = [Step::Pass(tokens), self.gradient(positions)];
        self.tape.operator(output, &[], &steps)
    }
}
