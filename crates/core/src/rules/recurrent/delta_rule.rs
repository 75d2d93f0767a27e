//! `torch_chunk_gated_delta_rule`: all in fp32, what can be done for all chunks at once first, then the state from chunk to chunk.

use super::Shape;
use super::delta::DeltaInputs;
use super::tensors::OfChunk;
use crate::ledger::{Dim, Dims, Module, What};
use crate::model::Recurrent;
use crate::rules::Writer;
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

/// What the loop over chunks reads slices of.
#[derive(Clone, Copy)]
struct Chunks {
    query: Var,
    key: Var,
    new_values: Var,
    decayed_keys: Var,
    within: Var,
    decay: Var,
}

impl Writer<'_> {
    /// What the heads read of their states, by token. The caller still holds the inputs.
    pub(super) fn delta_rule(&mut self, inputs: &DeltaInputs, layer: &Recurrent) -> Var {
        let given = self.tape.dtype(inputs.query);
        let shape = Shape::of(self, layer);
        let shape = Shape { interleaves_heads: given == Dtype::Fp32 && !shape.is_filled_up(), ..shape };
        let [query, key, value, beta, decay] = self.wide_inputs(inputs, layer);
        let query = self.then(query, Self::unit_length);
        let key = self.then(key, Self::unit_length);
        let query = self.then(query, |w, x| w.made_of(x, What::Query, w.tape.storage(x).dims));
        let (keys, values, per_token) =
            (shape.filled(&[shape.key]), shape.filled(&[shape.value]), shape.filled(&[]));
        let filled = [(query, What::Query, keys), (key, What::Key, keys), (value, What::Value, values)];
        let filled = filled.map(|(x, what, dims)| self.made_of(x, what, dims));
        for var in [query, key, value] {
            self.tape.drop(var);
        }
        let [query, key, value] = filled;
        let rates = [(beta, What::Step), (decay, What::Decay)];
        let filled = rates.map(|(x, what)| self.made_of(x, what, per_token));
        self.tape.drop(beta);
        self.tape.drop(decay);
        let [beta, decay] = filled;
        let value_beta = self.broadcast_product(value, beta, What::Value, values);
        let key_beta = self.broadcast_product(key, beta, What::Key, keys);
        let mask = self.chunk_mask(&shape);
        let sums = self.cumulative(decay, per_token);
        let pairs = shape.filled(&[shape.chunk]);
        let pairwise = self.pairwise_decay(sums, mask, pairs);
        let system = self.masked_scores([key_beta, key], pairwise, &shape);
        let within = self.masked_scores([query, key], pairwise, &shape);
        let exponent = self.keeping_output(sums, What::Decay);
        let decayed = self.broadcast_product(key_beta, exponent, What::Key, keys);
        self.tape.drop(exponent);
        let new_values = self.solved(system, value_beta, &shape, values);
        let decayed_keys = self.solved(system, decayed, &shape, keys);
        let state = self.tape.constant(self.scanned(
            What::ChunkState,
            shape.of_head(&[shape.key, shape.value]),
            Dtype::Fp32,
        ));
        let read = self.tape.constant(self.scanned(What::Output, values, Dtype::Fp32));
        let exponent = self.keeping_output(sums, What::Decay);
        let query = self.then(query, |w, x| w.broadcast_product(x, exponent, What::Query, keys));
        self.tape.drop(exponent);
        let key = self.then(key, |w, x| w.decayed_to_end(x, sums, &shape));
        let last = self.slice_of(sums, What::Decay, shape.of_chunks(&[]));
        let of_chunk = self.then(last, |w, x| w.keeping_output(x, What::Decay));
        let chunks = Chunks { query, key, new_values, decayed_keys, within, decay: of_chunk };
        let (read, between) = self.delta_chunks(&chunks, state, read, &shape);
        let read = self.then(read, |w, x| w.copied(x, What::Output, values));
        let read = self.cut(read, given, &shape);
        for var in [query, key, new_values, decayed_keys, within, of_chunk, between]
            .into_iter()
            .chain([decayed, system, pairwise, sums, mask, key_beta, value_beta, value, beta, decay])
        {
            self.tape.drop(var);
        }
        self.by_token(read, given)
    }

    /// Queries and keys once for each value head, and all of them in fp32.
    fn wide_inputs(&mut self, inputs: &DeltaInputs, layer: &Recurrent) -> [Var; 5] {
        let repeats = layer.value_heads > layer.key_heads;
        let heads = [Dim::number(layer.value_heads.get()), Dim::number(layer.key_dim.get())];
        let repeated = [(inputs.query, What::Query), (inputs.key, What::Key)].map(|(x, what)| {
            if repeats {
                self.made_of(x, what, self.rows(&heads))
            } else {
                self.reshaped(x, what, self.rows(&heads), false)
            }
        });
        let [query, key] = repeated;
        let all = [(query, What::Query), (key, What::Key), (inputs.value, What::Value)];
        let all = [all[0], all[1], all[2], (inputs.beta, What::Step), (inputs.decay, What::Decay)];
        let wide = all.map(|(x, what)| self.scan_cast(x, what, Dtype::Fp32));
        self.tape.drop(query);
        self.tape.drop(key);
        wide
    }

    /// `x * rsqrt((x * x).sum(-1, keepdim=True) + eps)` (`l2norm`). The caller still holds `x`.
    fn unit_length(&mut self, x: Var) -> Var {
        let of = self.tape.storage(x);
        let rows = of.dims.as_slice().split_last().map_or(of.dims, |(_, rows)| Dims::new(rows));
        let square = self.broadcast_product(x, x, What::Square, of.dims);
        // A sum's gradient is an expanded view.
        let one_each = |w: &mut Self, x: Var, steps: &[Step]| {
            let made = w.tape.operator(w.scanned(What::InverseRms, rows, of.dtype), &[], steps);
            w.tape.drop(x);
            made
        };
        let sum = one_each(self, square, &[Step::Pass(square)]);
        let sum = one_each(self, sum, &[Step::Pass(sum)]);
        let inverse = self.scanned(What::InverseRms, rows, of.dtype);
        let steps = [Step::Temporary(inverse), Step::Temporary(inverse), self.gradient(sum)];
        let inverse = self.tape.operator_keeping_output(inverse, &[], &steps);
        self.tape.drop(sum);
        let scaled = self.broadcast_product(x, inverse, What::Normalised, of.dims);
        self.tape.drop(inverse);
        scaled
    }

    /// `torch.ones(…, dtype=torch.bool).triu(1)`.
    fn chunk_mask(&mut self, shape: &Shape) -> Var {
        let mask = self.scanned(What::Mask, Dims::new(&[shape.chunk, shape.chunk]), Dtype::Bool);
        let ones = self.tape.constant(mask);
        let mask = self.tape.constant(mask);
        self.tape.drop(ones);
        mask
    }

    /// `cumsum`, whose backward turns the gradient around, sums, and turns it back.
    pub(super) fn cumulative(&mut self, x: Var, dims: Dims) -> Var {
        let sums = self.scanned(What::Decay, dims, self.tape.dtype(x));
        let steps = [Step::Temporary(sums), Step::Temporary(sums), self.gradient(x)];
        self.tape.operator(sums, &[], &steps)
    }

    /// `(sums.unsqueeze(4) - sums.unsqueeze(3)).masked_fill(mask, -inf).exp()`.
    fn pairwise_decay(&mut self, sums: Var, mask: Var, pairs: Dims) -> Var {
        let difference = self.broadcast_difference(sums, sums, What::Decay, pairs);
        let gradient = self.gradient(difference);
        let masked = self.tape.operator(self.scanned(What::Decay, pairs, Dtype::Fp32), &[mask], &[gradient]);
        self.tape.drop(difference);
        self.then(masked, |w, x| w.keeping_output(x, What::Decay))
    }

    /// `(a @ bᵀ) * pairwise`.
    fn masked_scores(&mut self, operands: [Var; 2], pairwise: Var, shape: &Shape) -> Var {
        let pairs = shape.filled(&[shape.chunk]);
        let [a, b] = operands.map(|x| self.batched(x, What::Contiguous, shape.copies_all(), 1));
        let scores = self.matrices_of_chunk(a, b, What::Scores, pairs, 1);
        self.drop_chunk(a);
        self.drop_chunk(b);
        let masked = self.broadcast_product(scores, pairwise, What::MaskedScores, pairs);
        self.tape.drop(scores);
        masked
    }

    /// `torch.linalg.solve_triangular`: keeps the system and the solution; the kernel takes pointers to each matrix.
    fn solved(&mut self, system: Var, right: Var, shape: &Shape, dims: Dims) -> Var {
        let pointers = self.temporary(Module::Scan, What::Workspace, shape.of_chunks(&[]), Dtype::Int64);
        let of_system = self.tape.gradient_of(system);
        let steps = [self.gradient(right), self.gradient(system), Step::Scratch(of_system)];
        let output = self.scanned(What::Value, dims, Dtype::Fp32);
        let solution = self.tape.operator_keeping_output(output, &[system], &steps);
        let [first, second] = [pointers, pointers].map(|pointers| self.tape.constant(pointers));
        self.tape.scratch(self.workspace(false));
        self.tape.drop(second);
        self.tape.drop(first);
        solution
    }

    /// `key * (sums[..., -1:] - sums).exp().unsqueeze(-1)`. The caller still holds both.
    fn decayed_to_end(&mut self, key: Var, sums: Var, shape: &Shape) -> Var {
        let per_token = shape.filled(&[]);
        let last = self.slice_of(sums, What::Decay, shape.of_chunks(&[]));
        let left = self.broadcast_difference(last, sums, What::Decay, per_token);
        self.tape.drop(last);
        let factor = self.then(left, |w, x| w.keeping_output(x, What::Decay));
        let decayed = self.broadcast_product(key, factor, What::Key, shape.filled(&[shape.key]));
        self.tape.drop(factor);
        decayed
    }

    /// The loop: what is read, and the part of the last chunk that came of the state, which is named until the rule returns.
    fn delta_chunks(&mut self, chunks: &Chunks, state: Var, read: Var, shape: &Shape) -> (Var, Var) {
        let passes = shape.passes();
        let (mut state, mut read, mut named) = (state, read, None);
        let last = passes.len().saturating_sub(1);
        for (at, &count) in passes.iter().enumerate() {
            let others = self.others(state, count);
            let of_chunk = OfChunk { one: state, others };
            let correction = self.correction(chunks, of_chunk, shape, count);
            let query = self.slice_of(chunks.query, What::Query, shape.of_chunk(&[shape.key]));
            let values = shape.of_chunk(&[shape.value]);
            let rows = self.batched(query, What::Contiguous, shape.copies_chunk(), count);
            let between = self.matrices_of_chunk(rows, of_chunk, What::Output, values, count);
            self.drop_chunk(rows);
            self.tape.drop(query);
            if let Some(earlier) = named.replace(between) {
                self.tape.drop(earlier);
            }
            let within = self.slice_of(chunks.within, What::MaskedScores, shape.of_chunk(&[shape.chunk]));
            let inner = self.matrices_of_chunk(OfChunk::of(within), correction, What::Output, values, count);
            self.tape.drop(within);
            let sum = self.broadcast_sum(between, inner, What::Output, values);
            self.tape.drop(inner);
            read = self.written(read, sum);
            let next = if at == last {
                self.last_state(of_chunk.one)
            } else {
                self.next_state(chunks, of_chunk, correction, shape, count)
            };
            self.drop_chunk(of_chunk);
            self.drop_chunk(correction);
            state = next;
        }
        self.tape.drop(state);
        (read, named.unwrap_or(state))
    }

    /// `new_values[:, :, i] - decayed_keys[:, :, i] @ state`.
    fn correction(&mut self, chunks: &Chunks, state: OfChunk, shape: &Shape, count: u64) -> OfChunk {
        let values = shape.of_chunk(&[shape.value]);
        let new = self.slice_of(chunks.new_values, What::Value, values);
        let keys = self.slice_of(chunks.decayed_keys, What::Key, shape.of_chunk(&[shape.key]));
        let expected = self.matrices_of_chunk(OfChunk::of(keys), state, What::Value, values, count);
        let one = self.broadcast_difference(new, expected, What::Value, values);
        for var in [expected, keys, new] {
            self.tape.drop(var);
        }
        OfChunk { one, others: self.others(one, count) }
    }

    /// `read[:, :, i] = sum`: in place, so that backward copies the whole gradient, and a chunk's twice (`CopySlices`, `CopyBackwards`).
    /// Takes over both.
    fn written(&mut self, read: Var, sum: Var) -> Var {
        let whole = self.tape.gradient_of(read);
        let of_read =
            if self.tape.requires_grad(read) { Step::Gradient(read, whole) } else { Step::Temporary(whole) };
        let own = self.tape.gradient_of(sum);
        let chunk = Storage { dtype: whole.dtype, ..own };
        let mut steps = vec![of_read];
        if own.dtype != chunk.dtype {
            steps.push(Step::Temporary(chunk));
        }
        steps.extend([Step::Gradient(sum, own), Step::Scratch(chunk)]);
        let written = self.tape.view(read, &[], &steps);
        self.tape.drop(read);
        self.tape.drop(sum);
        written
    }

    /// `state * decay[:, :, i] + key[:, :, i]ᵀ @ correction`. The caller still holds state and correction.
    fn next_state(
        &mut self,
        chunks: &Chunks,
        state: OfChunk,
        correction: OfChunk,
        shape: &Shape,
        count: u64,
    ) -> Var {
        let dims = shape.of_head(&[shape.key, shape.value]);
        let decay = self.slice_of(chunks.decay, What::Decay, shape.of_head(&[]));
        let decayed = self.product_of_chunk(state, OfChunk::of(decay), What::ChunkState, dims);
        let key = self.slice_of(chunks.key, What::Key, shape.of_chunk(&[shape.key]));
        let rows = self.batched(key, What::Contiguous, shape.copies_chunk(), count);
        let update = self.matrices_of_chunk(rows, correction, What::ChunkState, dims, count);
        self.drop_chunk(rows);
        let next = self.broadcast_sum(decayed, update, What::ChunkState, dims);
        for var in [update, key, decayed, decay] {
            self.tape.drop(var);
        }
        next
    }

    /// The state that nobody asks for: its graph goes with it.
    fn last_state(&mut self, state: Var) -> Var {
        let of = self.tape.storage(state);
        let decayed = self.tape.constant(of);
        let update = self.tape.constant(Storage { dtype: self.pass.autocast.unwrap_or(of.dtype), ..of });
        self.tape.scratch(self.workspace(false));
        let next = self.tape.constant(of);
        self.tape.drop(update);
        self.tape.drop(decayed);
        next
    }

    /// Without what has filled up the last chunk; where the model's dtype is another, in that. Takes over `read`.
    fn cut(&mut self, read: Var, given: Dtype, shape: &Shape) -> Var {
        let dims = self.rows(&[shape.heads, shape.value]);
        let cut = if shape.is_filled_up() {
            self.then(read, |w, x| w.slice_of(x, What::Output, dims))
        } else {
            self.then(read, |w, x| w.reshaped(x, What::Output, dims, false))
        };
        if given == Dtype::Fp32 { cut } else { self.then(cut, |w, x| w.scan_cast(x, What::Output, given)) }
    }

    /// A row for each token and head: of what is transposed a copy.
    fn by_token(&mut self, read: Var, given: Dtype) -> Var {
        if given != Dtype::Fp32 {
            return read;
        }
        self.then(read, |w, x| w.copied(x, What::Output, w.tape.storage(x).dims))
    }
}
