//! Layers that carry a state in place of attention, as transformers runs them where no fused kernel is installed
//! (`causal_conv1d_fn`, `torch_chunk_gated_delta_rule` of `modeling_qwen3_next.py`, `mamba2_chunk_scan` of `modeling_mamba2.py`,
//! `mamba_selective_scan` of `modeling_mamba.py`): chunk by chunk, or token by token, each with a state.

mod convolution;
mod delta;
mod delta_rule;
mod duality;
mod mamba;
mod mamba2;
mod selective;
mod tensors;

use super::Writer;
use super::linear::Linear;
use crate::ledger::{Dim, Dims, Module};
use crate::model::{Recurrent, Scan};
use crate::tape::Var;

/// How many chunks are written one by one at each end of a scan; those between keep as much as one of them, so many times over.
const AT_EACH_END: u64 = 2;

/// The dimensions of a scan.
#[derive(Clone, Copy)]
struct Shape {
    batch: Dim,
    /// Heads of values.
    heads: Dim,
    key: Dim,
    value: Dim,
    chunk: Dim,
    chunks: Dim,
    /// Tokens that fill up the last chunk.
    missing: u64,
    /// Heads lie next to each other within a token: what is fp32 already and fills its chunks is never copied on its way.
    interleaves_heads: bool,
}

impl Shape {
    fn of(writer: &Writer<'_>, layer: &Recurrent) -> Self {
        let (sequence, chunk) = (writer.pass.sequence, layer.chunk.get().max(1));
        let chunks = sequence.div_ceil(chunk);
        Self {
            batch: writer.pass.batch(),
            heads: Dim::number(layer.value_heads.get()),
            key: Dim::number(layer.key_dim.get()),
            value: Dim::number(layer.value_dim.get()),
            chunk: Dim::number(chunk),
            chunks: Dim::number(chunks),
            interleaves_heads: false,
            missing: chunks.saturating_mul(chunk).saturating_sub(sequence),
        }
    }

    /// Whether `matmul` copies what has a matrix for each head and chunk.
    const fn copies_all(&self) -> bool {
        let is_one_batch = self.batch.value == 1 && self.chunks.value == 1;
        self.interleaves_heads && self.heads.value > 1 && !is_one_batch
    }

    /// The same of one chunk.
    const fn copies_chunk(&self) -> bool {
        self.interleaves_heads && self.heads.value > 1 && self.batch.value > 1
    }

    /// Whether the last chunk is filled up.
    const fn is_filled_up(&self) -> bool {
        self.missing > 0
    }

    /// A row for each token of all chunks.
    fn filled(&self, more: &[Dim]) -> Dims {
        let rows = [self.batch, self.heads, self.chunks, self.chunk];
        more.iter().fold(Dims::new(&rows), |dims, &dim| dims.and(dim))
    }

    /// The same of one chunk.
    fn of_chunk(&self, more: &[Dim]) -> Dims {
        let rows = [self.batch, self.heads, self.chunk];
        more.iter().fold(Dims::new(&rows), |dims, &dim| dims.and(dim))
    }

    /// Something for each head.
    fn of_head(&self, more: &[Dim]) -> Dims {
        let rows = [self.batch, self.heads];
        more.iter().fold(Dims::new(&rows), |dims, &dim| dims.and(dim))
    }

    /// A number for each head and chunk.
    fn of_chunks(&self, more: &[Dim]) -> Dims {
        let rows = [self.batch, self.heads, self.chunks];
        more.iter().fold(Dims::new(&rows), |dims, &dim| dims.and(dim))
    }

    /// For how many chunks each pass through the loop stands.
    fn passes(&self) -> Vec<u64> {
        let (all, ends) = (self.chunks.value, 2 * AT_EACH_END);
        let Some(between) = all.checked_sub(ends).filter(|&between| between > 1) else {
            return (0..all).map(|_| 1).collect();
        };
        let end = (0..AT_EACH_END).map(|_| 1);
        end.clone().chain([between]).chain(end).collect()
    }
}

impl Writer<'_> {
    /// The layer's mixing of tokens on `x`, which the caller still holds.
    pub(crate) fn recurrent(&mut self, x: Var, layer: &Recurrent) -> Var {
        match layer.scan {
            Scan::GatedDelta => self.gated_delta_net(x, layer),
            Scan::Mamba2 => self.mamba2(x, layer),
            Scan::Selective => self.mamba(x, layer),
        }
    }

    fn recurrent_projection(&mut self, x: Var, module: Module, width: u64, has_bias: bool) -> Var {
        let (hidden, output) = ([self.pass.hidden()], [Dim::number(width)]);
        self.linear(x, &Linear { module, weight_of: module, input: &hidden, output: &output, has_bias })
    }

    /// The projection of what all heads have read back to the layer's width.
    fn recurrent_output(&mut self, x: Var, layer: &Recurrent) -> Var {
        let module = Module::RecurrentOut;
        let (hidden, values) = ([self.pass.hidden()], value_shape(layer));
        let has_bias = layer.proj_bias;
        self.linear(x, &Linear { module, weight_of: module, input: &values, output: &hidden, has_bias })
    }
}

const fn value_shape(layer: &Recurrent) -> [Dim; 2] {
    [Dim::number(layer.value_heads.get()), Dim::number(layer.value_dim.get())]
}
