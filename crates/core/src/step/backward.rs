//! Backward: the head, the layers that it visits first and last, the embedding, and the gradients that are there before it begins.

use super::calls::Call;
use super::layers::{Kept, Layers};
use super::{FORWARD_AND_BACKWARD, Looked, Step};
use crate::ledger::{Instant, Part};
use crate::parallel::{self, Earlier};
use crate::scenario::ZeroGrad;
use crate::tape::Run;
use crate::units::{Bytes, Count};

impl Step<'_> {
    pub(super) fn backward(&mut self, looked: Looked) {
        let kept_by_embedding = self.embedding.block().kept_for_backward();
        let left_by_head = self.head.block().left_by_backward();
        for instant in [Instant::BackwardHead, Instant::BackwardFirstVisited, Instant::BackwardLastVisited] {
            self.account.add(instant, &self.embedding, kept_by_embedding, 1);
        }
        for instant in [Instant::BackwardFirstVisited, Instant::BackwardLastVisited] {
            self.account.add(instant, &self.head, &left_by_head, 1);
        }
        let all = 0..self.layers.count();
        self.layers.kept(&mut self.account, Instant::BackwardHead, &all, Kept::ForBackward);
        let head = self.zero_head().unwrap_or_else(|| self.head.block().at_peak(Run::Backward));
        self.account.add(Instant::BackwardHead, &self.head, &head, 1);
        if let (Some(collectives), Some(last)) = (self.collectives, self.last_kind()) {
            let before = self.layers.kinds_among(&all);
            let of_head = collectives.at_head(last, &parallel::Layers { before: &before, after: &[] });
            self.account.add_held(Instant::BackwardHead, &of_head);
        }
        let first = self.layers.looked(looked, Layers::largest_visited_first);
        let last = self.layers.looked(looked, Layers::largest_visited_last);
        let reducing = self.zero_reduces_at_first(first);
        if reducing.is_none() {
            self.layers.backward_of(&mut self.account, Instant::BackwardFirstVisited, first);
        }
        self.layers.backward_of(&mut self.account, Instant::BackwardLastVisited, last);
        self.zero_backward(reducing.unwrap_or(first), last);
        if self.zero_reduces_at_end() {
            return;
        }
        self.layers.left(&mut self.account, Instant::BackwardEmbedding, &all);
        let embedding = self.embedding.block().at_peak(Run::Backward);
        if let (Some(collectives), Some(first)) = (self.collectives, self.layers.kind_at(0)) {
            let all = self.layers.kinds_among(&all);
            let mut running = collectives.at_embedding(first, &all);
            running.extend(collectives.left_by_earlier(&all));
            let reducing = collectives.reducing_root();
            let is_last_micro_batch = collectives.earlier == Earlier::Whole;
            let blocks = self.head.block().bytes(&left_by_head) + self.embedding.block().bytes(&embedding);
            let shards = if is_last_micro_batch { self.account.gradient_bytes() } else { Bytes::ZERO };
            if parallel::bytes(&reducing) + shards > blocks + parallel::bytes(&running) {
                if is_last_micro_batch {
                    self.account.add_gradients(Instant::BackwardEmbedding);
                }
                return self.account.add_held(Instant::BackwardEmbedding, &reducing);
            }
            self.account.add_held(Instant::BackwardEmbedding, &running);
        }
        self.account.add(Instant::BackwardEmbedding, &self.head, &left_by_head, 1);
        self.account.add(Instant::BackwardEmbedding, &self.embedding, &embedding, 1);
    }

    /// Gradients that are there before backward makes them: of earlier micro-batches, or of the step before.
    pub(super) fn earlier_gradients(&mut self) {
        if self.call == Call::Second {
            for &instant in FORWARD_AND_BACKWARD.iter().skip(2) {
                self.account.add_gradients_where(instant, |name| name.part != Part::Value);
            }
        }
        if self.scenario.updates_in_backward() || self.scenario.optimizer.needs_no_gradients() {
            return;
        }
        if let Some(collectives) = self.collectives {
            let held = collectives.left_by_earlier(&self.layers.kinds_among(&(0..self.layers.count())));
            for &instant in &FORWARD_AND_BACKWARD[..FORWARD_AND_BACKWARD.len() - 1] {
                self.account.add_held(instant, &held);
            }
        }
        if self.zero.as_ref().is_some_and(|zero| zero.stage > 1) {
            return;
        }
        let is_reduced = self.collectives.is_none_or(|collectives| collectives.earlier == Earlier::Reduced);
        let accumulates = self.scenario.gradient_accumulation > Count::ONE || self.pass.grads_in_buckets;
        let until = if accumulates && !is_reduced {
            0
        } else if accumulates {
            FORWARD_AND_BACKWARD.len()
        } else if self.scenario.zero_grad == ZeroGrad::BeforeBackward && !self.scenario.replaces_gradients() {
            2
        } else {
            0
        };
        for &instant in FORWARD_AND_BACKWARD.iter().take(until) {
            self.account.add_gradients(instant);
        }
    }
}
