//! How much of a moment of a schedule lies outside of the chunk that runs: what tells apart the moments of one kind of chunk.

use super::Shared;
use super::stage::{Beside, Stage};
use crate::parallel::pipeline::{Chunk, Moment};

/// The bytes that moments count, chunk by chunk.
pub(super) struct Weights {
    /// The kind of each chunk, by the first chunk of it.
    kinds: Vec<usize>,
    /// What each chunk is beside another one that runs.
    beside: Vec<Beside>,
    /// Of a tensor that stages send, and of the logits of a micro-batch.
    message: u64,
    logits: u64,
    /// The chunk that holds the head, where it isn't the whole model.
    last: Option<usize>,
}

impl Weights {
    pub(super) fn of(shared: &Shared<'_>, chunks: &[Chunk]) -> Self {
        let all: Vec<_> = chunks.iter().map(|chunk| shared.kind(chunk)).collect();
        let first = |kind| all.iter().position(|other| other == kind).unwrap_or_default();
        let kinds: Vec<usize> = all.iter().map(first).collect();
        let stage = Stage::idle(shared, chunks);
        let mut beside: Vec<Beside> = Vec::with_capacity(chunks.len());
        for (at, &kind) in kinds.iter().enumerate() {
            let known = beside.get(kind).copied().filter(|_| kind < at);
            beside.push(known.unwrap_or_else(|| stage.beside(at)));
        }
        Self {
            kinds,
            beside,
            message: stage.message_bytes(),
            logits: shared.logits().bytes().get(),
            last: chunks.iter().position(|chunk| chunk.is_last && !chunk.is_first),
        }
    }

    /// One chunk of each kind.
    pub(super) fn kinds(&self) -> impl Iterator<Item = usize> {
        self.kinds.iter().enumerate().filter(|&(at, &kind)| at == kind).map(|(at, _)| at)
    }

    /// The kind of the chunk that runs.
    pub(super) fn kind(&self, moment: &Moment) -> usize {
        self.kinds.get(moment.running).copied().unwrap_or_default()
    }

    /// Bytes of what waits, of gradients that are there, and of messages and logits that are named.
    pub(super) fn of_moment(&self, moment: &Moment) -> u64 {
        let waiting = self.beside.iter().zip(&moment.others).map(|(chunk, &count)| {
            let received = if chunk.is_received { self.message } else { 0 };
            chunk.kept.saturating_add(received).saturating_mul(count)
        });
        let gradients = self
            .beside
            .iter()
            .zip(&moment.has_gradients)
            .filter(|&(_, &has)| has)
            .map(|(chunk, _)| chunk.gradients);
        // What the losses of micro-batches name that are done (`Stage::messages`).
        let done = self.last.map_or(0, |last| {
            let others = moment.others.get(last).copied().unwrap_or_default();
            moment.logits.saturating_sub(others + u64::from(last == moment.running))
        });
        let messages = moment.sent.saturating_add(moment.outputs).saturating_add(done);
        waiting
            .chain(gradients)
            .chain([messages.saturating_mul(self.message), moment.logits.saturating_mul(self.logits)])
            .fold(0, u64::saturating_add)
    }
}
