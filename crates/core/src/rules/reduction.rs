//! What a sum over all tokens needs beside its result: gradients of biases and of norms' weights.
//!
//! A reduction whose result is small is split among many blocks of threads, whose partial sums meet in global memory
//! (`aten/src/ATen/native/cuda/Reduce.cuh`, `setReduceConfig`, `ReduceConfig::global_memory_size`).

use crate::units::Bytes;

/// Multiprocessors of an A100, and threads that one of them holds.
const MULTIPROCESSORS: u64 = 108;
const THREADS_OF_ONE: u64 = 2048;
/// Columns that a thread loads at once (`output_vec_size`), where their number allows it.
const WIDEST_LOAD: u64 = 4;
/// `MAX_NUM_THREADS`
const THREADS_OF_A_BLOCK: u64 = 512;
const WARP: u64 = 32;
/// A thread sums at least and at most so many numbers where it can.
const FEWEST: u64 = 16;
const MOST: u64 = 256;
/// Partial sums are fp32.
const PARTIAL_SUM: u64 = 4;

/// Bytes of partial sums when `rows` rows of `columns` adjacent numbers are summed to one row, `batches` times.
pub(crate) fn partial_sums(rows: u64, columns: u64, batches: u64) -> Bytes {
    let load = [WIDEST_LOAD, 2].into_iter().find(|&load| columns.is_multiple_of(load)).unwrap_or(1);
    let threads = THREADS_OF_A_BLOCK / load;
    let power = |n: u64| if n < threads { 1 << n.max(1).ilog2() } else { threads };
    let height = power(rows).min(threads / power(columns / load).min(WARP));
    let width = power(columns / load).min(threads / height.max(1));
    if rows < (height * FEWEST).min(MOST) {
        return Bytes::ZERO;
    }
    let each = rows.div_ceil(height);
    let grid = (columns.saturating_mul(batches) / load).div_ceil(width);
    let wanted = MULTIPROCESSORS * (THREADS_OF_ONE / (width * height));
    if each < MOST || grid > wanted {
        return Bytes::ZERO;
    }
    let blocks = wanted.div_ceil(grid.max(1)).min(each.div_ceil(FEWEST)).max(each.div_ceil(MOST));
    let sums = if blocks > 1 { blocks * width * load } else { 0 };
    Bytes::new(PARTIAL_SUM * sums).times(columns.saturating_mul(batches))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_sums_are_what_pytorch_allocates() {
        // The bias of a vocabulary of 3,000 from 4,096 tokens, and a column norm of 8 matrices of 3584 × 512.
        assert_eq!(partial_sums(4096, 3000, 1), Bytes::new(98_304_000));
        assert_eq!(partial_sums(3584, 512, 8), Bytes::new(113_246_208));
        assert_eq!(partial_sums(512, 4096, 1), Bytes::ZERO);
    }
}
