//! Several graphs that wait for the same backward: other calls of the policy, and the value model.

use super::layers::Kept;
use super::{FORWARD_AND_BACKWARD, Step};
use crate::account::Registered;
use crate::tape::Block;

/// Of several calls of the policy whose graphs one backward goes through: which one backward is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// The one that ran last.
    First,
    /// The one before: the first one's gradients are there.
    Second,
}

impl Step<'_> {
    /// What the value model keeps while the policy runs and is trained: backward comes to it last.
    pub(super) fn value_model(&mut self, head: &Registered<'_>) {
        let all = 0..self.layers.count();
        for (at, &instant) in FORWARD_AND_BACKWARD.iter().enumerate() {
            let kept = if at < 2 { Kept::InAutocast } else { Kept::ForBackward };
            let of_embedding = self.embedding.block().kept_for_backward().clone();
            self.account.add(instant, &self.embedding, &of_embedding, 1);
            self.account.add(instant, head, head.block().kept_for_backward(), 1);
            self.layers.kept(&mut self.account, instant, &all, kept);
        }
    }

    /// What calls keep whose graphs wait for the same backward.
    pub(super) fn other_calls(&mut self) {
        let calls = self.scenario.calls();
        let all = 0..self.layers.count();
        let done = u64::from(self.call == Call::Second);
        for (at, &instant) in FORWARD_AND_BACKWARD.iter().enumerate() {
            let is_forward = at < 2;
            let others = if is_forward { calls - 1 } else { calls.saturating_sub(1 + done) };
            let kept = if is_forward { Kept::InAutocast } else { Kept::ForBackward };
            for _ in 0..others.min(1) {
                let (embedding, head) = (self.embedding.block(), self.head.block());
                let of = |block: &Block| {
                    if is_forward {
                        block.kept_by_forward().clone()
                    } else {
                        block.kept_for_backward().clone()
                    }
                };
                let (of_embedding, of_head) = (of(embedding), of(head));
                self.account.add(instant, &self.embedding, &of_embedding, others);
                self.account.add(instant, &self.head, &of_head, others);
                self.layers.kept_times(&mut self.account, instant, &all, kept, others);
            }
        }
    }
}
