//! `mamba2_chunk_scan`: within chunks a masked product as in attention, between chunks a matrix of decays over the states.

use super::Shape;
use super::mamba2::DualityInputs;
use crate::ledger::{Dim, Dims, Module, What};
use crate::model::Recurrent;
use crate::rules::Writer;
use crate::tape::{Step, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// What the heads read of their states, by token, in fp32. The caller still holds the inputs.
    pub(super) fn duality(&mut self, inputs: &DualityInputs, layer: &Recurrent) -> Var {
        let shape = Shape::of(self, layer);
        let limited = self.step_length(inputs.step, shape.heads);
        let [hidden, keys, queries] = self.wide_tokens(inputs, &shape);
        let skipped = self.skipped(hidden, &shape);
        let step = self.scan_cast(limited, What::Step, Dtype::Fp32);
        let of_values = self.rows(&[shape.heads, shape.value]);
        let hidden = self.then(hidden, |w, x| w.broadcast_product(x, step, What::Value, of_values));
        // `dt.float()` a second time.
        let again = self.scan_cast(limited, What::Step, Dtype::Fp32);
        let rate = self.broadcast_product(inputs.decay, again, What::Decay, self.rows(&[shape.heads]));
        let (of_values, of_keys) = (shape.tokens(&[shape.value]), shape.tokens(&[shape.key]));
        let filled = [
            (hidden, of_values, true),
            (rate, shape.tokens(&[]), false),
            (keys, of_keys, true),
            (queries, of_keys, true),
        ];
        let filled = filled.map(|(x, dims, copies_gradient)| {
            let filled = self.made_of(x, What::Filled, dims);
            self.then(filled, |w, x| w.reshaped(x, What::Filled, dims, copies_gradient))
        });
        for var in [hidden, rate, keys, queries] {
            self.tape.drop(var);
        }
        let [hidden, rate, keys, queries] = filled;
        let sums = self.cumulative(rate, shape.filled(&[]));
        self.tape.scratch(self.temporary(Module::Scan, What::Decay, shape.filled(&[]), Dtype::Fp32));
        let pairs = shape.filled(&[shape.chunk]);
        let within = self.segment_sums(rate, shape.chunk, pairs);
        let within = self.then(within, |w, x| w.keeping_output(x, What::Decay));
        let scores =
            self.contracted(shape.chunk, [(queries, true), (keys, true)], What::Scores, pairs, false);
        let masked = self.broadcast_product(scores, within, What::MaskedScores, pairs);
        let near =
            self.contracted(shape.chunk, [(masked, false), (hidden, true)], What::Output, of_values, true);
        let (decay, decayed, states) = self.chunk_states(keys, hidden, sums, &shape);
        let (first, states) = self.carried(states, sums, &shape);
        let exponent = self.keeping_output(sums, What::Decay);
        let before = self.slice_of(states, What::ChunkState, shape.of_states(0));
        let far =
            self.contracted(shape.chunk, [(queries, true), (before, true)], What::Output, of_values, true);
        self.tape.drop(before);
        let scaled = self.broadcast_product(far, exponent, What::Output, of_values);
        let sum = self.broadcast_sum(near, scaled, What::Output, of_values);
        let sum = self.then(sum, |w, x| w.copied(x, What::Output, of_values));
        let read = self.then(sum, |w, x| w.broadcast_sum(x, skipped, What::Output, of_values));
        for var in [scaled, far, exponent, states, first, decayed, decay, near, masked, scores, within]
            .into_iter()
            .chain([sums, queries, keys, rate, hidden, skipped, again, step, limited])
        {
            self.tape.drop(var);
        }
        let dims = self.rows(&[shape.heads, shape.value]);
        if shape.is_filled_up() {
            self.then(read, |w, x| w.slice_of(x, What::Output, dims))
        } else {
            self.then(read, |w, x| w.reshaped(x, What::Output, dims, false))
        }
    }

    /// What is read in fp32, with B and C once for each head.
    fn wide_tokens(&mut self, inputs: &DualityInputs, shape: &Shape) -> [Var; 3] {
        let hidden = self.scan_cast(inputs.hidden, What::Value, Dtype::Fp32);
        let dims = self.rows(&[shape.heads, shape.key]);
        let [keys, queries] = [(inputs.keys, What::Key), (inputs.queries, What::Query)].map(|(x, what)| {
            let wide = self.scan_cast(x, what, Dtype::Fp32);
            self.then(wide, |w, x| w.made_of(x, what, dims))
        });
        [hidden, keys, queries]
    }

    /// `D[..., None] * pad(hidden)`. The caller still holds `hidden`.
    fn skipped(&mut self, hidden: Var, shape: &Shape) -> Var {
        let dims = shape.tokens(&[shape.value]);
        let filled = self.made_of(hidden, What::Filled, dims);
        let whole = self.temporary(Module::Skip, What::Weighted, dims, Dtype::Fp32);
        let parameter = self.parameter_gradient(Module::Skip, What::Weight, &[shape.heads]);
        let steps = [self.gradient(filled), Step::Raw(whole), parameter];
        let skipped = self.made(Module::Skip, What::Weighted, dims, Dtype::Fp32);
        let skipped = self.tape.operator(skipped, &[filled], &steps);
        self.tape.drop(filled);
        skipped
    }

    /// `segment_sum`: expanded, masked, summed, masked again. The caller still holds `x`.
    fn segment_sums(&mut self, x: Var, width: Dim, pairs: Dims) -> Var {
        let square = self.scanned(What::Mask, Dims::new(&[width, width]), Dtype::Bool);
        let expanded = self.reshaped(x, What::Decay, self.tape.storage(x).dims, true);
        let masked = |w: &mut Self, x: Var| {
            let [ones, lower, mask] = [square; 3].map(|square| w.tape.constant(square));
            w.tape.drop(ones);
            let gradient = w.gradient(x);
            let masked = w.tape.operator(w.scanned(What::Decay, pairs, Dtype::Fp32), &[mask], &[gradient]);
            w.tape.drop(lower);
            w.tape.drop(mask);
            masked
        };
        self.tape.reshape(expanded, self.name(Module::Scan, What::Decay), pairs);
        let below = masked(self, expanded);
        self.tape.drop(expanded);
        let sums = self.cumulative(below, pairs);
        let segments = masked(self, sums);
        self.tape.drop(sums);
        self.tape.drop(below);
        segments
    }

    /// `einsum` of two operands, which autocast casts first: each is copied where its batches are not in front; the result is a view, whose gradient is copied where
    /// its layout is another than the product's.
    fn contracted(
        &mut self,
        chunk: Dim,
        operands: [(Var, bool); 2],
        what: What,
        dims: Dims,
        copies_gradient: bool,
    ) -> Var {
        let compute = self.pass.autocast;
        let casts = operands.map(|(x, _)| {
            let dtype = compute.unwrap_or(self.tape.dtype(x));
            self.scan_cast(x, What::InputCast, dtype)
        });
        // A batch of one chunk has its heads in front as it is.
        let is_batched = self.pass.rows > 1 || self.pass.sequence > chunk.value;
        let [(_, first), (_, second)] = operands;
        let [left, right] = casts;
        let [a, b] = [(left, first), (right, second)]
            .map(|(x, is_copied)| self.batched(x, What::Contiguous, is_copied && is_batched, 1));
        let product = self.matrices_of_chunk(a, b, what, dims, 1);
        self.drop_chunk(a);
        self.drop_chunk(b);
        for cast in casts {
            self.tape.drop(cast);
        }
        self.then(product, |w, x| w.reshaped(x, what, dims, copies_gradient))
    }

    /// What each chunk adds to the state: the decays to its end, B times those, and the states.
    fn chunk_states(&mut self, keys: Var, hidden: Var, sums: Var, shape: &Shape) -> (Var, Var, Var) {
        let last = self.slice_of(sums, What::Decay, shape.of_chunks(&[]));
        let left = self.broadcast_difference(last, sums, What::Decay, shape.filled(&[]));
        self.tape.drop(last);
        let decay = self.then(left, |w, x| w.keeping_output(x, What::Decay));
        let decayed = self.broadcast_product(keys, decay, What::Key, shape.tokens(&[shape.key]));
        let states = self.contracted(
            shape.chunk,
            [(decayed, true), (hidden, true)],
            What::ChunkState,
            shape.of_states(0),
            true,
        );
        (decay, decayed, states)
    }

    /// The states at the beginning of each chunk, and the first. Takes over `states`.
    fn carried(&mut self, states: Var, sums: Var, shape: &Shape) -> (Var, Var) {
        let one = [shape.batch, shape.heads, shape.key, shape.value];
        let dtype = self.tape.dtype(states);
        let first = self.tape.constant(self.scanned(What::ChunkState, Dims::new(&one), dtype));
        let more = shape.of_states(1);
        let all = self.scanned(What::ChunkState, more, dtype);
        let all = self.tape.operator(all, &[], &[Step::Pass(states)]);
        self.tape.drop(states);
        let last = self.slice_of(sums, What::Decay, shape.of_chunks(&[]));
        let count = Dim::number(shape.chunks.value.saturating_add(1));
        let padded = self.then(last, |w, x| w.made_of(x, What::Filled, shape.of_head(&[count])));
        let segments = self.then(padded, |w, x| w.segment_sums(x, count, shape.of_head(&[count, count])));
        let decay = self.then(segments, |w, x| w.keeping_output(x, What::Decay));
        let carried =
            self.contracted(shape.chunk, [(decay, false), (all, true)], What::ChunkState, more, true);
        self.tape.drop(decay);
        self.tape.drop(all);
        (first, carried)
    }
}

impl Shape {
    /// A state for each chunk, and `more` of them.
    fn of_states(&self, more: u64) -> Dims {
        let chunks = Dim::number(self.chunks.value.saturating_add(more));
        Dims::new(&[self.batch, chunks, self.heads, self.value, self.key])
    }
}
