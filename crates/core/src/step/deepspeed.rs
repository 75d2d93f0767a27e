//! What DeepSpeed's ZeRO holds at each instant beside the blocks: its buckets, the gradients that this rank keeps, gathered weights, and the
//! moments at which gradients are reduced. The rules are in `parallel/deepspeed`.

use super::{FORWARD_AND_BACKWARD, Step, updated};
use crate::ledger::Instant;
use crate::parallel::Held;
use crate::parallel::deepspeed::{Flush, Live, Reduction, Update, Zero};
use crate::tape::{Alive, Run, Storage};
use crate::units::{Bytes, Dtype};

impl Step<'_> {
    /// What is there all the time, or from one micro-batch to the next.
    pub(super) fn zero_always(&mut self) {
        let Some(zero) = &self.zero else { return };
        let mut always: Vec<Storage> = zero.staging().into_iter().collect();
        let mut in_step = Vec::new();
        match zero.stage {
            3 => {
                always.extend(zero.parts());
                always.push(zero.buckets());
            }
            // ZeRO-1 reduces in the last micro-batch, and keeps its bucket until then.
            1 if zero.accumulates => in_step.push(zero.buckets()),
            2 if zero.accumulates => in_step.push(zero.gradients()),
            _ => {}
        }
        for storage in always {
            self.account.add_storage(&Instant::ALL, storage, 1);
        }
        for storage in in_step {
            self.account.add_storage(&FORWARD_AND_BACKWARD, storage, 1);
        }
        if zero.stage == 3 {
            self.live = Live::of(zero);
        }
    }

    fn zero_held(&mut self, instant: Instant, storage: Storage) {
        let held: [Held; 1] = [(storage, 1)];
        self.account.add_held(instant, &held);
    }

    fn zero_live(&mut self, instant: Instant, elements: u64) {
        if elements > 0 {
            self.zero_held(instant, Zero::live(elements));
        }
    }

    pub(super) fn zero_forward(&mut self, running: u64) {
        let forward = at(&self.live.forward, running);
        self.zero_live(Instant::Forward, forward);
        self.zero_live(Instant::Loss, self.live.head);
        self.zero_live(Instant::BackwardHead, self.live.head);
    }

    /// The bucket is made when the first gradient comes. What of the head is alive then, where it is more than before.
    pub(super) fn zero_head(&mut self) -> Option<Alive> {
        let zero = self.zero.as_ref()?;
        if zero.stage == 3 || zero.stage == 1 && zero.accumulates {
            return None;
        }
        let head = self.head.block();
        let first = zero.pieces.iter().rev().find(|piece| piece.elements > 0 && !piece.is_vector);
        let first = first.filter(|piece| piece.is_head && zero.reduces_in_backward());
        let (bucket, gradient) =
            (zero.buckets(), Zero::whole_gradients(first.map_or(0, |piece| piece.elements)));
        let then = head.handed_on();
        let made = bucket.bytes() + gradient.bytes();
        if head.bytes(&then) + made <= head.bytes(&head.at_peak(Run::Backward)) {
            return None;
        }
        self.zero_held(Instant::BackwardHead, bucket);
        if gradient.bytes() > Bytes::ZERO {
            self.zero_held(Instant::BackwardHead, gradient);
        }
        Some(then)
    }

    /// The bucket is full while layers run backward, most being alive: the layer at which that is noted.
    pub(super) fn zero_reduces_at_first(&mut self, first: u64) -> Option<u64> {
        let flushes = self.zero_flushes();
        let flush = flushes.iter().find(|flush| flush.layer.is_some() && flush.copied > 0)?;
        let (layer, copy) = (flush.layer?, Zero::flattened(flush.copied));
        let live = |layer| Zero::live(at(&self.live.backward, layer)).bytes();
        let then = self.layers.bytes_after_backward(layer) + copy.bytes() + live(layer);
        if then <= self.layers.bytes_in_backward(first) + live(first) {
            return None;
        }
        self.layers.after_backward_of(&mut self.account, Instant::BackwardFirstVisited, layer);
        self.zero_held(Instant::BackwardFirstVisited, copy);
        Some(layer)
    }

    fn zero_flushes(&self) -> Vec<Flush> {
        match &self.zero {
            Some(zero) if zero.reduces_in_backward() => Reduction::new(zero).in_backward(),
            _ => Vec::new(),
        }
    }

    /// Buckets, what is kept of gradients, and gathered weights.
    pub(super) fn zero_backward(&mut self, first: u64, last: u64) {
        let flushes = self.zero_flushes();
        let Some(zero) = &self.zero else { return };
        let instants =
            [Instant::BackwardFirstVisited, Instant::BackwardLastVisited, Instant::BackwardEmbedding];
        if zero.stage == 3 {
            let live = [at(&self.live.backward, first), at(&self.live.backward, last), self.live.embedding];
            for (instant, elements) in instants.into_iter().zip(live) {
                self.zero_live(instant, elements);
            }
        } else if !(zero.stage == 1 && zero.accumulates) {
            let bucket = zero.buckets();
            for instant in instants {
                self.zero_held(instant, bucket);
            }
        }
        let Some(zero) = &self.zero else { return };
        let gradients = zero.gradients();
        // Backward visits later layers first.
        let kept_from = flushes.iter().find(|flush| flush.has_own);
        let is_kept = |layer: u64| kept_from.is_some_and(|flush| flush.layer.is_some_and(|at| at >= layer));
        let (at_first, at_last) = (is_kept(first), is_kept(last));
        let is_kept_then = kept_from.is_some();
        for (instant, is_kept) in instants.into_iter().zip([at_first, at_last, is_kept_then]) {
            if is_kept && gradients.bytes() > Bytes::ZERO {
                self.zero_held(instant, gradients);
            }
        }
    }

    /// Whether more is alive when gradients are reduced at the end of backward than in the embedding's backward; it is noted then.
    pub(super) fn zero_reduces_at_end(&mut self) -> bool {
        let Some(zero) = &self.zero else { return false };
        let (embedding, head) = (self.embedding.block(), self.head.block());
        let running = embedding.bytes(&embedding.at_peak(Run::Backward))
            + head.bytes(&head.left_by_backward())
            + self.layers.left_bytes(&(0..self.layers.count()));
        let earlier = if zero.accumulates && !zero.reduces_in_backward() {
            Zero::whole_gradients(zero.elements()).bytes()
        } else {
            Bytes::ZERO
        };
        let then = if zero.reduces_in_backward() { self.zero_at_embedding() } else { zero.after_backward() };
        let now: Bytes = then.iter().map(Storage::bytes).sum();
        if now <= running + earlier {
            return false;
        }
        if earlier > Bytes::ZERO {
            // Those of earlier micro-batches are noted already.
            let more = now.saturating_sub(earlier).get() / Dtype::Bf16.size();
            self.zero_held(Instant::BackwardEmbedding, Zero::flattened(more));
        } else {
            for storage in then.into_iter().filter(|storage| storage.bytes() > Bytes::ZERO) {
                self.zero_held(Instant::BackwardEmbedding, storage);
            }
        }
        true
    }

    /// The embedding's gradient has no room in the bucket, and of what is in it a flat copy is made.
    fn zero_at_embedding(&self) -> Vec<Storage> {
        let flushes = self.zero_flushes();
        // Otherwise this rank's gradients are taken after the copy, when others are free again.
        let is_kept = flushes.iter().find(|flush| flush.has_own).is_none_or(|flush| !flush.is_at_embedding);
        let at_end = flushes.iter().find(|flush| flush.is_at_embedding && is_kept);
        let pieces = self.zero.iter().flat_map(|zero| &zero.pieces);
        let embedding =
            pieces.filter(|piece| piece.layer.is_none() && !piece.is_head).map(|piece| piece.elements);
        let embedding = embedding.max().unwrap_or_default();
        at_end.map_or_else(Vec::new, |flush| {
            vec![Zero::whole_gradients(embedding), Zero::flattened(flush.copied)]
        })
    }

    /// `step()`
    pub(super) fn zero_step(&mut self) {
        let Some(zero) = &self.zero else { return };
        let architecture = self.scenario.architecture();
        let part = [Zero::updated(zero.sub_group())];
        let own = updated(self.scenario, &architecture, &part).step_temporaries(self.scenario.optimizer);
        let own: Vec<Storage> = own.iter().map(|held| held.storage).collect();
        let kept = zero.gradients();
        let bytes = |update: &Update| {
            let kept = if update.has_gradients { kept.bytes() } else { Bytes::ZERO };
            let own = if update.runs { own.iter().map(Storage::bytes).sum() } else { Bytes::ZERO };
            update.bytes() + kept + own
        };
        let Some(most) = zero.update().into_iter().max_by_key(bytes) else { return };
        let own = if most.runs { own } else { Vec::new() };
        let kept = most.has_gradients.then_some(kept);
        for storage in most.made.into_iter().chain(own).chain(kept) {
            self.account.add_storage(&[Instant::OptimizerStep], storage, 1);
        }
    }
}

fn at(of: &[u64], layer: u64) -> u64 {
    usize::try_from(layer).ok().and_then(|index| of.get(index)).copied().unwrap_or_default()
}
