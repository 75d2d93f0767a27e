//! A rank on its way through an interleaved schedule: of each chunk's forwards and backwards the heaviest are noted.

use super::{Chunk, ChunkWeight, Moment, Moments, Weights};

/// Where a rank is in its schedule, and the heaviest of what was.
pub(super) struct Run<'w> {
    weights: &'w Weights,
    chunks: Vec<Chunk>,
    /// Where the run is; its weight is not counted here.
    now: Moment,
    /// Bytes of what waits and of gradients.
    waiting: u128,
    forward: Heaviest,
    backward: Heaviest,
}

/// The heaviest moments of each chunk without and with gradients.
struct Heaviest(Vec<Option<Moment>>);

impl Heaviest {
    fn of(chunks: usize) -> Self {
        Self(vec![None; chunks.saturating_mul(2)])
    }

    fn note(&mut self, now: &Moment, weight: u128) {
        let (running, has_gradients) = now.kind();
        match self.0.get_mut(running * 2 + usize::from(has_gradients)) {
            Some(Some(known)) if known.weight >= weight => {}
            Some(place) => *place = Some(Moment { weight, ..now.clone() }),
            None => {}
        }
    }

    fn moments(self) -> impl Iterator<Item = Moment> {
        self.0.into_iter().flatten()
    }
}

impl<'w> Run<'w> {
    pub(super) fn new(chunks: Vec<Chunk>, weights: &'w Weights) -> Self {
        Self {
            weights,
            now: Moment::none(chunks.len()),
            waiting: 0,
            forward: Heaviest::of(chunks.len()),
            backward: Heaviest::of(chunks.len()),
            chunks,
        }
    }

    pub(super) fn has_all_gradients(&self) -> bool {
        self.now.has_gradients.iter().all(|&has| has)
    }

    pub(super) fn forward(&mut self, chunk: usize) {
        self.now.logits += u64::from(self.is_last(chunk));
        self.now.running = chunk;
        self.forward.note(&self.now, self.weight());
        self.now.outputs += u64::from(!self.is_last(chunk));
        self.waits(chunk, true);
    }

    pub(super) fn backward(&mut self, chunk: usize) {
        self.waits(chunk, false);
        self.now.running = chunk;
        // The output of the chunk that runs is named too.
        self.backward.note(&self.now, self.weight());
        self.now.outputs = self.now.outputs.saturating_sub(u64::from(!self.is_last(chunk)));
        self.now.sent += u64::from(!self.chunks.get(chunk).is_some_and(|chunk| chunk.is_first));
        if let Some(has) = self.now.has_gradients.get_mut(chunk).filter(|has| !**has) {
            *has = true;
            self.waiting += u128::from(self.of(chunk).gradients);
        }
    }

    fn is_last(&self, chunk: usize) -> bool {
        self.chunks.get(chunk).is_some_and(|chunk| chunk.is_last)
    }

    fn of(&self, chunk: usize) -> ChunkWeight {
        self.weights.chunks.get(chunk).copied().unwrap_or_default()
    }

    /// A micro-batch of a chunk begins or ceases to wait for its backward.
    fn waits(&mut self, chunk: usize, begins: bool) {
        let bytes = u128::from(self.of(chunk).waiting);
        if let Some(count) = self.now.others.get_mut(chunk) {
            if begins {
                *count += 1;
                self.waiting += bytes;
            } else if *count > 0 {
                *count -= 1;
                self.waiting -= bytes;
            }
        }
    }

    /// With messages and logits that are named, and what the losses of micro-batches name that are done (`Stage::messages`).
    fn weight(&self) -> u128 {
        let now = &self.now;
        let last = self.chunks.iter().rposition(|chunk| chunk.is_last && !chunk.is_first);
        let done = last.map_or(0, |last| {
            let others = now.others.get(last).copied().unwrap_or_default();
            now.logits.saturating_sub(others + u64::from(last == now.running))
        });
        let messages = u128::from(now.sent) + u128::from(now.outputs) + u128::from(done);
        self.waiting
            + messages * u128::from(self.weights.message)
            + u128::from(now.logits) * u128::from(self.weights.logits)
    }

    /// What was looked at. Of a schedule that is so many micro-batches longer, their logits and sent gradients are there beside what comes
    /// after the first backwards.
    pub(super) fn moments(self, left_out: u64) -> Moments {
        let logits = if self.chunks.iter().any(|chunk| chunk.is_last) { left_out } else { 0 };
        let sending = self.chunks.iter().filter(|chunk| !chunk.is_first).count() as u64;
        let sent = left_out.saturating_mul(sending);
        let weight = u128::from(logits) * u128::from(self.weights.logits)
            + u128::from(sent) * u128::from(self.weights.message);
        let longer = |mut moment: Moment| {
            if moment.kind().1 {
                moment.logits += logits;
                moment.sent = moment.sent.saturating_add(sent);
                moment.weight += weight;
            }
            moment
        };
        Moments {
            forward: self.forward.moments().map(longer).collect(),
            backward: self.backward.moments().map(longer).collect(),
        }
    }
}
