//! Token embedding, learned positions, dropout on their sum. FINDINGS sections 7 and 11.

use super::Writer;
use super::layer::residual_stream;
use crate::ledger::{Category, Dim, Dims, Module, Name, Part, Symbol, What};
use crate::model::{Architecture, Family};
use crate::plan::Pass;
use crate::tape::{Block, Mode, Step, Storage, Var};
use crate::units::{Bytes, Count, Dtype};

/// Up to here `embedding_dense_backward` adds row by row; from here on it sorts the ids
/// (`aten/src/ATen/native/cuda/Embedding.cu`: `num_indices <= 3072 && padding_idx < 0`).
pub(crate) const SORTS_ABOVE: u64 = 3072;
/// With a padding index it always sorts.
pub(crate) const SORTS_WITH_PADDING: u64 = 0;
/// Sorted ids that one thread sums (`NROWS_PER_THREAD`).
const ROWS_PER_RUN: u64 = 10;

/// What stands before the first layer.
pub(crate) fn embedding(pass: &Pass, mode: Mode) -> Block {
    if let Some(front) = &pass.front {
        let (tower, is_frozen) = (&front.tower, front.is_frozen());
        let mut writer =
            Writer::new(tower, if is_frozen { Mode::NoGrad } else { mode }, tower.trained.embedding());
        writer.part = Part::Vision;
        let output = writer.image_embedding(&front.of.image);
        return writer.tape.finish(None, output, false);
    }
    let prefix = pass.prefix().map(|prefix| (pass.of_prefix(&prefix), prefix));
    let mut writer = Writer::new(pass, mode, pass.trained.embedding());
    if let Some(image) = pass.architecture.image {
        let output = writer.image_embedding(&image);
        return writer.tape.finish(None, output, false);
    }
    if let (Some(encoder), Some(speech)) = (&pass.encoder, pass.architecture.speech) {
        writer.pass = encoder;
        let output = writer.speech_embedding(&speech);
        return writer.tape.finish(None, output, false);
    }
    if pass.architecture.family.is_masked() {
        let output = writer.bert_embedding();
        return writer.tape.finish(None, output, false);
    }
    if let Some((of_prefix, prefix)) = &prefix {
        writer.pass = of_prefix;
        writer.prefix_of_layers(prefix);
        writer.pass = pass;
    }
    let a = &pass.architecture;
    let ids = (a.family == Family::Opt).then(|| writer.ids(Module::PositionEmbedding));
    let tokens = writer.tokens(if a.family.has_padding_row() { SORTS_WITH_PADDING } else { SORTS_ABOVE });
    let (tokens, prompt) = match pass.prompt() {
        Some(length) => {
            let scaled = writer.scaled(tokens, Module::Embedding);
            let (tokens, prompt) = writer.behind_prompt(scaled, length);
            (tokens, Some(prompt))
        }
        None => (tokens, None),
    };
    if hands_lookup_on(&pass.architecture) {
        let output = if prompt.is_some() { tokens } else { writer.scaled(tokens, Module::Embedding) };
        writer.tape.keep_names();
        if let Some(prompt) = prompt {
            writer.tape.drop(prompt);
        }
        return writer.tape.finish(None, output, false);
    }
    let positions = a.positions.map(|rows| match ids {
        Some(ids) => writer.position_of_each_token(rows, ids, SORTS_ABOVE),
        None => writer.learned_positions(rows),
    });
    let sum = positions.map(|positions| match ids {
        Some(_) => writer.sum(tokens, positions, Module::PositionEmbedding, What::Residual),
        None => writer.positions_added(tokens, positions),
    });
    let mut output = sum.unwrap_or(tokens);
    if a.family.has_alibi() {
        output = writer.norm_of_tokens(tokens, Module::EmbeddingNorm);
    }
    if pass.architecture.embedding_dropout {
        output = writer.dropout(output, Module::EmbeddingDropout);
        if let Some(sum) = sum {
            writer.tape.drop(sum);
        }
    }
    // The model's forward has names for both (`inputs_embeds`, `position_embeds`).
    writer.tape.keep_names();
    for named in positions.into_iter().chain(prompt).chain(ids) {
        writer.tape.drop(named);
    }
    writer.tape.drop(tokens);
    writer.tape.finish(None, output, false)
}

/// Whether the first layer's input is what the embedding has made, without positions or dropout.
pub(crate) const fn hands_lookup_on(architecture: &Architecture) -> bool {
    architecture.positions.is_none()
        && !architecture.embedding_dropout
        && !architecture.family.is_masked()
        && !architecture.family.has_alibi()
        && architecture.image.is_none()
        && architecture.tower.is_none()
}

impl Writer<'_> {
    /// The lookup of the token embedding.
    pub(crate) fn tokens(&mut self, sorts_above: u64) -> Var {
        if let Some(split) = self.pass.tensor {
            return self.split_lookup(&split);
        }
        let shape = [self.pass.vocabulary(), self.pass.hidden()];
        let mut steps = self.sort_buffers(sorts_above, self.pass.architecture.vocabulary);
        if self.is_compiled(Module::Embedding) {
            steps = vec![self.compiled_table(&shape)];
        }
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
        let output = Storage {
            dims: Dims::new(&[self.pass.batch(), self.pass.given(), self.pass.hidden()]),
            ..output
        };
        if self.pass.trained.hooks_embedding && !self.trains(Module::Embedding, What::Weight) {
            // `enable_input_require_grads` hooks the lookup: the graph's `AccumulateGrad` keeps its output.
            return self.tape.operator_keeping_output(output, &[], &[Step::Leaf]);
        }
        self.tape.operator(output, &[], &steps)
    }

    /// Inductor adds rows into a table of zeros in fp32, of which the gradient is then made (`torch/_decomp/decompositions.py`,
    /// `embedding_dense_backward`).
    fn compiled_table(&self, shape: &[Dim]) -> Step {
        Step::Temporary(self.temporary(Module::Embedding, What::Accumulator, Dims::new(shape), Dtype::Fp32))
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
        if has_been_summed || self.pass.head_takes_sums() {
            return vec![Step::Temporary(gradient), self.tied_update(&gradient, 1), Step::IntoWaiting];
        }
        let nothing = Storage { dims: Dims::new(&[Dim::number(0)]), ..gradient };
        let steps = [Step::Temporary(gradient), self.tied_update(&gradient, 2), Step::IntoWaiting];
        let weight = self.tape.operator(nothing, &[], &steps);
        self.tape.drop(weight);
        vec![Step::Gradient(weight, gradient)]
    }

    /// The update of a tied weight inside backward, of which only the sum of its gradients is left by then: what it needs beyond those.
    fn tied_update(&self, gradient: &Storage, gone: u64) -> Step {
        let name = Name { gradient: false, ..gradient.name };
        let hook = self.pass.hooks.iter().find(|(of, _)| *of == name);
        let size = hook.map_or(Bytes::ZERO, |&(_, size)| size.saturating_sub(gradient.bytes().times(gone)));
        Step::Scratch(Storage::of_update(size))
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
