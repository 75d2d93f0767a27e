//! How gradients go through the bucket (`reduce_independent_p_g_buckets_and_remove_grads`, `reduce_ipg_grads`).
//!
//! A gradient is copied into the bucket, and its own memory is free. When the next one has no room, the bucket is reduced; of gradients of
//! several ranks (ZeRO-1 and -2: `allreduce_bucket`) or of several parameters (ZeRO-3: `reduce_scatter_coalesced`) a flat copy is made for
//! that. One that is larger than the bucket stays in its own memory until then.

use super::{Piece, Zero};

/// The bucket is reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flush {
    /// The layer whose gradient has no more room; none before or behind the layers.
    pub(crate) layer: Option<u64>,
    /// It is the embedding's gradient that has no more room.
    pub(crate) is_at_embedding: bool,
    /// Elements of the flat copy.
    pub(crate) copied: u64,
    /// Some of the gradients are this rank's.
    pub(crate) has_own: bool,
}

/// The bucket while it is filled.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    elements: u64,
    pieces: u64,
    from: u64,
    to: u64,
    has_own: bool,
    /// What is larger than the bucket, in its own memory.
    outside: u64,
}

/// The order in which gradients are reduced, and what that makes.
pub(crate) struct Reduction<'a> {
    zero: &'a Zero,
    bucket: Bucket,
}

impl<'a> Reduction<'a> {
    pub(crate) fn new(zero: &'a Zero) -> Self {
        Self { zero, bucket: Bucket::default() }
    }

    /// What is reduced while backward runs, in its order: that of the registration, backwards.
    pub(crate) fn in_backward(mut self) -> Vec<Flush> {
        let zero = self.zero;
        let mut flushes = Vec::new();
        for piece in zero.pieces.iter().rev().filter(|piece| piece.elements > 0) {
            if let Some(flush) = self.put(piece) {
                flushes.push(flush);
            }
        }
        flushes
    }

    /// The most that ZeRO-1 has when backward is done and gradients are reduced in the order of their registration: elements of whole
    /// gradients in tensors of their own, of the flat copy, and whether this rank's are kept.
    pub(crate) fn after_backward(mut self) -> (u64, u64, bool) {
        let zero = self.zero;
        let kept = zero.kept_gradients();
        let mut own = zero.elements();
        let mut most = (own, 0, false);
        let mut has_kept = false;
        let sum = |(own, copied, has_kept): (u64, u64, bool)| {
            own.saturating_add(copied).saturating_add(if has_kept { kept } else { 0 })
        };
        for piece in zero.pieces.iter().map(Some).chain([None]) {
            let outside = self.bucket.outside;
            let flush = match piece {
                Some(piece) => self.put(piece),
                None => self.end(),
            };
            if let Some(flush) = flush {
                let copying = (own, flush.copied, has_kept);
                has_kept |= flush.has_own;
                for moment in [copying, (own, 0, has_kept)] {
                    if sum(moment) > sum(most) {
                        most = moment;
                    }
                }
                own = own.saturating_sub(outside);
            }
            if let Some(piece) = piece.filter(|piece| piece.elements <= zero.settings.reduce_bucket.get()) {
                own = own.saturating_sub(piece.elements);
            }
        }
        most
    }

    fn put(&mut self, piece: &Piece) -> Option<Flush> {
        let zero = self.zero;
        let size = zero.settings.reduce_bucket.get();
        let is_full = self.bucket.elements.saturating_add(piece.elements) > size && self.bucket.elements > 0;
        let flush = if is_full { self.end() } else { None };
        let flush = flush.map(|flush| Flush {
            layer: piece.layer,
            is_at_embedding: piece.layer.is_none() && !piece.is_head,
            ..flush
        });
        let bucket = &mut self.bucket;
        let end = piece.start.saturating_add(piece.elements);
        (bucket.from, bucket.to) = if bucket.pieces == 0 {
            (piece.start, end)
        } else {
            (bucket.from.min(piece.start), bucket.to.max(end))
        };
        bucket.pieces += 1;
        bucket.elements = bucket.elements.saturating_add(piece.elements);
        bucket.has_own |= zero.stage < 3 && zero.owns(piece);
        if piece.elements > size {
            bucket.outside = piece.elements;
        }
        flush
    }

    /// The bucket is reduced.
    fn end(&mut self) -> Option<Flush> {
        let bucket = core::mem::take(&mut self.bucket);
        let part = self.zero.partition().max(1);
        let is_copied = match self.zero.stage {
            3 => bucket.pieces > 1 || !bucket.elements.is_multiple_of(self.zero.ways),
            _ => bucket.from / part != bucket.to.saturating_sub(1) / part,
        };
        (bucket.pieces > 0).then_some(Flush {
            layer: None,
            is_at_embedding: false,
            copied: if is_copied { bucket.elements } else { 0 },
            has_own: bucket.has_own,
        })
    }
}
