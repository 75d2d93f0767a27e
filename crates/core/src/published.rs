//! Closed forms that papers print, to hold beside what the estimator counts.

use crate::units::Bytes;

/// Bytes of model states that one of `ranks` holds under a stage of ZeRO with mixed-precision Adam (weights 2, gradients 2, and K = 12
/// for fp32 weights and two moments): stage 1 divides 12, stage 2 gradients too, stage 3 all 16. Any other stage divides nothing.
///
/// ZeRO (arXiv 1910.02054), Table 1 and section 5. DeepSpeed itself holds more: whole gradients at the ends of a rank's part, and buckets
/// (`dp=zero1`, `zero2`, `zero3`).
pub const fn zero_model_states(stage: u8, parameters: u64, ranks: u64) -> Bytes {
    let divided = match stage {
        1 => 12,
        2 => 14,
        3 => 16,
        _ => 0,
    };
    let ranks = if ranks == 0 { 1 } else { ranks };
    let whole = parameters.saturating_mul(16 - divided);
    Bytes::new(whole.saturating_add(parameters.saturating_mul(divided).div_ceil(ranks)))
}
