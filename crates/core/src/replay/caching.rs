//! PyTorch's caching allocator, as `c10/cuda/CUDACachingAllocator.cpp` has it by default: two pools, segments, best fit, splitting,
//! merging; no garbage collection and no expandable segments.

use std::collections::BTreeSet;

use crate::allocator::{OWN_SEGMENT_ABOVE, SEGMENT_STEP, SMALLEST_BLOCK, SMALLEST_REST};
use crate::units::Bytes;

/// Segments for requests up to [`SMALLEST_REST`] (`kSmallBuffer`), and for those up to [`OWN_SEGMENT_ABOVE`] (`kLargeBuffer`).
const SMALL_SEGMENT: Bytes = Bytes::mib(2);
const LARGE_SEGMENT: Bytes = Bytes::mib(20);

/// A block of memory, by its place in the allocator's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BlockId(u32);

impl BlockId {
    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// `Block`: a piece of a segment.
struct Piece {
    address: u64,
    size: u64,
    previous: Option<BlockId>,
    next: Option<BlockId>,
    is_free: bool,
    is_small: bool,
}

/// The allocator of one device, empty at first.
#[derive(Default)]
pub(super) struct CachingAllocator {
    pieces: Vec<Piece>,
    unused: Vec<BlockId>,
    /// Free pieces of the two pools, the smallest first and among equals the one with the lowest address (`BlockComparatorSize`).
    free: [BTreeSet<(u64, u64, BlockId)>; 2],
    end: u64,
    allocated: u64,
    reserved: u64,
    most_allocated: u64,
    most_reserved: u64,
}

impl CachingAllocator {
    /// `malloc`.
    pub(super) fn allocate(&mut self, requested: Bytes) -> BlockId {
        let size = requested.max(Bytes::new(1)).round_up_to(SMALLEST_BLOCK).get();
        let is_small = size <= SMALLEST_REST.get();
        let pool = usize::from(is_small);
        let found = self.free[pool].range((size, 0, BlockId(0))..).next().copied();
        let id = if let Some(key) = found {
            self.free[pool].remove(&key);
            key.2
        } else {
            self.new_segment(size, is_small)
        };
        self.split(id, size);
        let piece = &mut self.pieces[id.index()];
        piece.is_free = false;
        self.allocated += piece.size;
        self.most_allocated = self.most_allocated.max(self.allocated);
        id
    }

    /// `get_allocation_size`, `cudaMalloc`.
    fn new_segment(&mut self, size: u64, is_small: bool) -> BlockId {
        let segment = if is_small {
            SMALL_SEGMENT
        } else if size < OWN_SEGMENT_ABOVE.get() {
            LARGE_SEGMENT
        } else {
            Bytes::new(size).round_up_to(SEGMENT_STEP)
        };
        let address = self.end;
        self.end += segment.get();
        self.reserved += segment.get();
        self.most_reserved = self.most_reserved.max(self.reserved);
        let size = segment.get();
        self.piece(Piece { address, size, previous: None, next: None, is_free: false, is_small })
    }

    #[expect(clippy::cast_possible_truncation, reason = "far fewer pieces than 2^32 are alive at once")]
    fn piece(&mut self, piece: Piece) -> BlockId {
        if let Some(id) = self.unused.pop() {
            self.pieces[id.index()] = piece;
            return id;
        }
        self.pieces.push(piece);
        BlockId((self.pieces.len() - 1) as u32)
    }

    /// `should_split`: what is left over becomes a free block of its own.
    fn split(&mut self, id: BlockId, size: u64) {
        let Piece { address, size: whole, next, is_small, .. } = self.pieces[id.index()];
        let rest = whole - size;
        let splits = if is_small { rest >= SMALLEST_BLOCK.get() } else { rest > SMALLEST_REST.get() };
        if !splits {
            return;
        }
        let address = address + size;
        let left =
            self.piece(Piece { address, size: rest, previous: Some(id), next, is_free: true, is_small });
        if let Some(next) = next {
            self.pieces[next.index()].previous = Some(left);
        }
        let piece = &mut self.pieces[id.index()];
        piece.next = Some(left);
        piece.size = size;
        self.free[usize::from(is_small)].insert((rest, address, left));
    }

    /// `free`: merges with free neighbours of the segment.
    pub(super) fn free(&mut self, id: BlockId) {
        self.allocated -= self.pieces[id.index()].size;
        if let Some(previous) = self.pieces[id.index()].previous.filter(|id| self.pieces[id.index()].is_free)
        {
            self.take_out(previous);
            let Piece { address, size, previous: before, .. } = self.pieces[previous.index()];
            let piece = &mut self.pieces[id.index()];
            piece.address = address;
            piece.size += size;
            piece.previous = before;
            if let Some(before) = before {
                self.pieces[before.index()].next = Some(id);
            }
            self.unused.push(previous);
        }
        if let Some(next) = self.pieces[id.index()].next.filter(|id| self.pieces[id.index()].is_free) {
            self.take_out(next);
            let Piece { size, next: after, .. } = self.pieces[next.index()];
            let piece = &mut self.pieces[id.index()];
            piece.size += size;
            piece.next = after;
            if let Some(after) = after {
                self.pieces[after.index()].previous = Some(id);
            }
            self.unused.push(next);
        }
        let piece = &mut self.pieces[id.index()];
        piece.is_free = true;
        self.free[usize::from(piece.is_small)].insert((piece.size, piece.address, id));
    }

    fn take_out(&mut self, id: BlockId) {
        let Piece { address, size, is_small, .. } = self.pieces[id.index()];
        self.free[usize::from(is_small)].remove(&(size, address, id));
    }

    /// `torch.cuda.empty_cache()`, `reset_peak_memory_stats()`.
    pub(super) fn begin_anew(&mut self) {
        self.empty_cache();
        self.most_allocated = self.allocated;
        self.most_reserved = self.reserved;
    }

    /// `torch.cuda.empty_cache()`.
    pub(super) fn empty_cache(&mut self) {
        for pool in 0..self.free.len() {
            let whole: Vec<_> = self.free[pool]
                .iter()
                .copied()
                .filter(|(_, _, id)| {
                    let piece = &self.pieces[id.index()];
                    piece.previous.is_none() && piece.next.is_none()
                })
                .collect();
            for key in whole {
                self.free[pool].remove(&key);
                self.reserved -= key.0;
                self.unused.push(key.2);
            }
        }
    }

    /// `max_memory_allocated`
    pub(super) const fn most_allocated(&self) -> Bytes {
        Bytes::new(self.most_allocated)
    }

    /// `max_memory_reserved`
    pub(super) const fn most_reserved(&self) -> Bytes {
        Bytes::new(self.most_reserved)
    }

    /// `reset_peak_memory_stats()` of what is allocated.
    pub(super) const fn forget_most_allocated(&mut self) {
        self.most_allocated = self.allocated;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocator;

    #[test]
    fn a_freed_block_is_taken_again_and_a_larger_one_split() {
        let mut memory = CachingAllocator::default();
        let first = memory.allocate(Bytes::mib(30));
        memory.free(first);
        let second = memory.allocate(Bytes::mib(20));
        let third = memory.allocate(Bytes::mib(10));
        assert_eq!(memory.most_reserved(), Bytes::mib(30));
        memory.free(second);
        memory.free(third);
        memory.allocate(Bytes::mib(30));
        assert_eq!(memory.most_reserved(), Bytes::mib(30));
    }

    #[test]
    fn a_block_whose_rest_is_small_counts_whole() {
        let mut memory = CachingAllocator::default();
        memory.allocate(Bytes::new(20 * 1_048_576 - 512));
        assert_eq!(memory.most_allocated(), Bytes::mib(20));
    }

    #[test]
    fn small_and_medium_requests_share_segments() {
        let mut memory = CachingAllocator::default();
        for _ in 0..4 {
            memory.allocate(Bytes::new(512));
            memory.allocate(Bytes::mib(5));
        }
        assert_eq!(memory.most_reserved(), Bytes::mib(22));
        memory.empty_cache();
        assert_eq!(memory.most_reserved(), Bytes::mib(22));
    }

    #[test]
    fn rounding_of_one_tensor_is_the_same_as_that_of_a_tensor_alone() {
        for requested in [1, 511, 513, 1 << 20, (1 << 20) + 1, 11_000_000, 123_456_789].map(Bytes::new) {
            let mut memory = CachingAllocator::default();
            memory.allocate(requested);
            assert_eq!(memory.most_allocated(), requested + allocator::rounding(requested));
        }
    }
}
