//! Which products with 4-bit weights go through bitsandbytes' fused kernel, which needs no dequantised weight.
//!
//! `bitsandbytes/backends/cuda/ops.py` of 0.50, `_gemm_4bit_use_custom_cuda`: on an A100 (compute capability 8.0, 108 multiprocessors), the
//! GPU that all kernels here are chosen for. An H100 changes to the dequantised weight at fewer tokens.

use crate::units::Dtype;

/// Up to here always (`_GEMM_4BIT_CUSTOM_FLOOR_M`), and above there never (`_gemm_4bit_custom_max_m`).
const ALWAYS: u64 = 4;
const NEVER: u64 = 1536;
/// Multiprocessors of an A100.
const PROCESSORS: u64 = 108;
/// Weights below this size are small.
const SMALL: u64 = 4 << 20;

/// Whether `tokens` rows times a weight of `n` × `k` are multiplied as they are dequantised.
pub(super) fn is_fused(compute: Dtype, tokens: u64, n: u64, k: u64) -> bool {
    if tokens <= ALWAYS {
        return true;
    }
    if tokens > NEVER {
        return false;
    }
    if compute == Dtype::Fp32 {
        return tokens < 8;
    }
    let blocks = n.div_ceil(64);
    if n.saturating_mul(k) < SMALL {
        tokens <= most_of_small(blocks, n, k)
    } else if tokens < 8 {
        few_of_large(tokens, blocks, n, k)
    } else {
        tokens <= most_of_large(blocks, n, k)
    }
}

/// Of a small weight the most tokens.
const fn most_of_small(blocks: u64, n: u64, k: u64) -> u64 {
    if k * 2 < n {
        return if blocks * 3 < PROCESSORS { 1536 } else { 512 };
    }
    if blocks * 4 <= PROCESSORS {
        return match (k >= n, blocks * 8 <= PROCESSORS) {
            (true, true) => 32,
            (true, false) => 128,
            (false, _) => 384,
        };
    }
    if blocks * 2 <= PROCESSORS { 16 } else { ALWAYS }
}

/// Whether five to seven tokens are, with a large weight.
const fn few_of_large(tokens: u64, blocks: u64, n: u64, k: u64) -> bool {
    let is_short_of_waves = tokens >= 6 && blocks >= 48;
    let narrow = k > n && blocks * 4 < PROCESSORS * 3;
    let square = k == n && blocks * 5 < PROCESSORS * 3;
    !(is_short_of_waves && (narrow || square))
}

/// Of a large weight the most tokens from eight on.
const fn most_of_large(blocks: u64, n: u64, k: u64) -> u64 {
    if blocks >= PROCESSORS * 3 {
        return 128;
    }
    if blocks >= PROCESSORS {
        return if k < n { 64 } else { 32 };
    }
    if k >= n.saturating_mul(3) && blocks * 4 > PROCESSORS {
        return ALWAYS;
    }
    if k == n && blocks >= 48 && blocks * 5 < PROCESSORS * 3 {
        return ALWAYS;
    }
    if blocks * 2 < PROCESSORS {
        if k <= n {
            return 128;
        }
        if blocks * 3 >= PROCESSORS {
            return ALWAYS;
        }
    }
    if blocks >= PROCESSORS / 2 && k < n { 128 } else { 16 }
}
