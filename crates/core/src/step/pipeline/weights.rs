//! What the parts of a moment of a schedule weigh outside of the chunk that runs, and which chunks are of a kind.

use super::Shared;
use super::stage::Stage;
use crate::parallel::pipeline::{Chunk, ChunkWeight, Moment, Weights};

/// The kind of each chunk of a rank, by the first chunk of it.
pub(super) struct Kinds(Vec<usize>);

impl Kinds {
    pub(super) fn of(shared: &Shared<'_>, chunks: &[Chunk]) -> Self {
        let all: Vec<_> = chunks.iter().map(|chunk| shared.kind(chunk)).collect();
        let first = |kind| all.iter().position(|other| other == kind).unwrap_or_default();
        Self(all.iter().map(first).collect())
    }

    /// One chunk of each kind.
    pub(super) fn each(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().filter(|&(at, &kind)| at == kind).map(|(at, _)| at)
    }

    /// The kind of the chunk that runs.
    pub(super) fn running(&self, moment: &Moment) -> usize {
        self.0.get(moment.running).copied().unwrap_or_default()
    }

    /// Chunks of a kind weigh the same.
    pub(super) fn weights(&self, shared: &Shared<'_>, chunks: &[Chunk]) -> Weights {
        let stage = Stage::idle(shared, chunks);
        let mut weights: Vec<ChunkWeight> = Vec::with_capacity(chunks.len());
        for (at, &kind) in self.0.iter().enumerate() {
            let known = weights.get(kind).copied();
            weights.push(known.unwrap_or_else(|| stage.weight_of(at)));
        }
        Weights { chunks: weights, message: stage.message_bytes(), logits: shared.logits().bytes().get() }
    }
}
