//! From requested to allocated, reserved and taken on the device.
//!
//! Source of the rules: `c10/cuda/CUDACachingAllocator.cpp` (`round_size`, `get_allocation_size`, `should_split`);
//! FINDINGS section 10.

use crate::estimate::Band;
use crate::units::Bytes;

/// Every request is rounded up to this (`kMinBlockSize`).
pub(crate) const SMALLEST_BLOCK: Bytes = Bytes::new(512);
/// Requests above it get a segment of their own (`kMinLargeAlloc`).
pub(crate) const OWN_SEGMENT_ABOVE: Bytes = Bytes::mib(10);
/// Such segments are rounded up to this (`kRoundLarge`).
pub(crate) const SEGMENT_STEP: Bytes = Bytes::mib(2);
/// A large block is split only if more than this is left over (`kSmallSize`).
pub(crate) const SMALLEST_REST: Bytes = Bytes::mib(1);

/// What the allocator counts beyond `requested` for one tensor (`max_memory_allocated` counts whole blocks).
pub(crate) fn rounding(requested: Bytes) -> Bytes {
    let rounded = requested.round_up_to(SMALLEST_BLOCK);
    let segment = rounded.round_up_to(SEGMENT_STEP);
    let is_whole = rounded > OWN_SEGMENT_ABOVE && segment.saturating_sub(rounded) <= SMALLEST_REST;
    let block = if is_whole { segment } else { rounded };
    block.saturating_sub(requested)
}

/// What the allocator holds from the driver, as a band, without a replay: the 559 runs behind FINDINGS section 10 lie between 1.001 and 1.48
/// times what was allocated, half of them below 1.055, nine in ten below 1.18.
pub(crate) fn reserved(allocated: Bytes) -> Band {
    let thousandths = |n| Bytes::new(allocated.get() / 1000).times(n).round_up_to(SEGMENT_STEP);
    Band { low: allocated.round_up_to(SEGMENT_STEP), likely: thousandths(1055), high: thousandths(1180) }
}

/// The same around what a replay says: of the golden runs, 95 in 100 lie within these thousandths of it, runs below 4 GiB less closely,
/// since their tensors share segments of 20 MiB.
pub(crate) fn reserved_near(replayed: Bytes, allocated: Bytes) -> Band {
    let (low, high) = if replayed < Bytes::gib(4) { (860, 1180) } else { (950, 1050) };
    let thousandths = |n| Bytes::new(replayed.get() / 1000).times(n).round_up_to(SEGMENT_STEP);
    Band { low: thousandths(low).max(allocated), likely: replayed, high: thousandths(high) }
}

/// What is taken on the device: reserved, plus the CUDA context with its loaded kernels, 0.3 to 0.6 GB on a real card
/// (FINDINGS section 10).
pub(crate) fn device(reserved: Band) -> Band {
    let megabytes = |n: u64| Bytes::new(n * 1_000_000);
    Band {
        low: reserved.low + megabytes(300),
        likely: reserved.likely + megabytes(450),
        high: reserved.high + megabytes(600),
    }
}
