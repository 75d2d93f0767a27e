//! Which weights are gathered when, under ZeRO-3 (`PartitionedParameterCoordinator`).
//!
//! Before a module runs, what it needs is gathered, and then what comes next in the recorded order, up to the prefetch bucket and as long as
//! fewer than `max_live_parameters` elements are there. When it has run, its weights are let go, unless they are used again within
//! `max_reuse_distance` elements or the prefetcher has counted on them. The order goes on through backward.

use super::{Piece, Zero};

/// Gathered elements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Live {
    /// The most while each layer runs forward, and backward.
    pub(crate) forward: Vec<u64>,
    pub(crate) backward: Vec<u64>,
    /// From the head's forward to its backward.
    pub(crate) head: u64,
    /// In the embedding's backward.
    pub(crate) embedding: u64,
}

/// What a module does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Forward,
    Backward,
    /// It runs again for backward, and is let go by that.
    Again,
}

struct Weight {
    elements: u64,
    gathered: u64,
    is_here: bool,
    /// The turn for which it has been fetched, or has been skipped because it was there.
    fetched_for: usize,
}

struct Coordinator<'a> {
    zero: &'a Zero,
    weights: Vec<Weight>,
    /// The recorded order: which weight, and its part of the model.
    order: Vec<(usize, Turn)>,
    /// Elements of all weights before each place of the order.
    before: Vec<u64>,
    /// The place at which a weight is used next, of each place.
    next_use: Vec<Option<usize>>,
    queue: usize,
    available: u64,
    gathered: u64,
}

impl Live {
    pub(crate) fn of(zero: &Zero) -> Self {
        let layers = usize::try_from(zero.layers).unwrap_or(usize::MAX);
        let mut live = Self { forward: vec![0; layers], backward: vec![0; layers], ..Self::default() };
        let cut: Vec<&Piece> = zero.pieces.iter().filter(|piece| !zero.persists(piece)).collect();
        let weights = cut.iter().map(|piece| Weight {
            elements: piece.elements,
            gathered: zero.gathered(piece),
            is_here: false,
            fetched_for: 0,
        });
        let mut coordinator = Coordinator::new(zero, weights.collect(), order(zero, &cut));
        for at in 0..coordinator.order.len() {
            let Some(&(weight, turn)) = coordinator.order.get(at) else { continue };
            let here = coordinator.fetch(at, weight);
            let Some(piece) = cut.get(weight) else { continue };
            live.note(piece, turn, here);
            if turn != Turn::Again {
                coordinator.release(at, weight);
            }
            // The head's forward is the last of them.
            if piece.layer.is_none() && turn == Turn::Forward {
                live.head = coordinator.gathered;
            }
        }
        live
    }

    fn note(&mut self, piece: &Piece, turn: Turn, here: u64) {
        let of = if turn == Turn::Forward { &mut self.forward } else { &mut self.backward };
        match piece.layer.and_then(|layer| of.get_mut(usize::try_from(layer).ok()?)) {
            Some(most) => *most = here.max(*most),
            None if turn == Turn::Backward => self.embedding = here,
            None => {}
        }
    }
}

/// The recorded order of the weights: forward, and backward in reverse. The backward of a checkpointed layer begins with its last weight, for
/// which the layer runs again.
fn order(zero: &Zero, cut: &[&Piece]) -> Vec<(usize, Turn)> {
    let mut order: Vec<(usize, Turn)> = (0..cut.len()).map(|at| (at, Turn::Forward)).collect();
    let is_embedding = |piece: &Piece| piece.layer.is_none() && !piece.is_head;
    // A tied head uses the embedding's weight.
    let tied = cut.iter().position(|piece| is_embedding(piece)).filter(|_| zero.is_tied);
    order.extend(tied.map(|at| (at, Turn::Forward)));
    order.extend(tied.map(|at| (at, Turn::Backward)));
    let mut at = cut.len();
    while let Some(last) = at.checked_sub(1) {
        let layer = cut.get(last).and_then(|piece| piece.layer);
        let is_same = |index: &usize| cut.get(*index).is_some_and(|piece| piece.layer == layer);
        let first = match layer {
            Some(_) => (0..=last).rev().take_while(is_same).last().unwrap_or(last),
            None => last,
        };
        if layer.is_some() && zero.is_checkpointed {
            order.push((last, Turn::Again));
            order.extend((first..=last).map(|index| (index, Turn::Again)));
        }
        order.extend((first..=last).rev().map(|index| (index, Turn::Backward)));
        at = first;
    }
    order
}

impl<'a> Coordinator<'a> {
    fn new(zero: &'a Zero, weights: Vec<Weight>, order: Vec<(usize, Turn)>) -> Self {
        let elements = |&(weight, _): &(usize, Turn)| weights.get(weight).map_or(0, |weight| weight.elements);
        let before = order
            .iter()
            .scan(0_u64, |sum, used| Some(std::mem::replace(sum, sum.saturating_add(elements(used)))))
            .collect();
        let mut next = vec![None; weights.len()];
        let mut next_use = vec![None; order.len()];
        for (at, (&(weight, _), place)) in order.iter().zip(&mut next_use).enumerate().rev() {
            if let Some(next) = next.get_mut(weight) {
                *place = next.replace(at);
            }
        }
        Self { zero, weights, order, before, next_use, queue: 0, available: 0, gathered: 0 }
    }

    /// `fetch_sub_module`; returns what is gathered then.
    fn fetch(&mut self, at: usize, weight: usize) -> u64 {
        self.gather(weight);
        if self.queue <= at {
            self.queue = at;
            self.skip();
        }
        let (most, prefetch) = (self.zero.settings.max_live.get(), self.zero.settings.prefetch.get());
        let room = most.saturating_sub(self.available).min(prefetch);
        let mut fetched = 0_u64;
        while fetched < room && self.queue < self.order.len() {
            let Some(&(next, _)) = self.order.get(self.queue) else { break };
            let is_here = self.weights.get(next).is_some_and(|weight| weight.is_here);
            self.skip();
            if !is_here {
                fetched = fetched.saturating_add(self.weights.get(next).map_or(0, |weight| weight.elements));
                self.gather(next);
            }
        }
        self.gathered
    }

    /// Takes the next one off the queue.
    fn skip(&mut self) {
        if let Some(&(weight, _)) = self.order.get(self.queue)
            && let Some(weight) = self.weights.get_mut(weight)
        {
            weight.fetched_for = self.queue.max(weight.fetched_for);
        }
        self.queue += 1;
    }

    fn gather(&mut self, weight: usize) {
        if let Some(weight) = self.weights.get_mut(weight).filter(|weight| !weight.is_here) {
            weight.is_here = true;
            self.available = self.available.saturating_add(weight.elements);
            self.gathered = self.gathered.saturating_add(weight.gathered);
        }
    }

    /// `release_sub_module`
    fn release(&mut self, at: usize, weight: usize) {
        if self.is_used_soon(at) {
            return;
        }
        if let Some(weight) = self.weights.get_mut(weight).filter(|weight| weight.fetched_for <= at) {
            weight.is_here = false;
            self.available = self.available.saturating_sub(weight.elements);
            self.gathered = self.gathered.saturating_sub(weight.gathered);
        }
    }

    /// Whether fewer elements than `max_reuse_distance` are used before the weight is used again.
    fn is_used_soon(&self, at: usize) -> bool {
        let before = |at: usize| self.before.get(at).copied().unwrap_or_default();
        let next = self.next_use.get(at).copied().flatten();
        next.is_some_and(|next| {
            before(next).saturating_sub(before(at + 1)) < self.zero.settings.max_reuse.get()
        })
    }
}
