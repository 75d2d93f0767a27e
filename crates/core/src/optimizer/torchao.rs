//! torchao: states in blocks of 8 or 4 bits or in fp8, each tensor with its own table (`torchao/optim/adam.py`, `_new_buffer`).
//!
//! One parameter's update is one compiled function; what Inductor doesn't fuse of it is allocated. Seen in runs of the compiled code:
//! PARALLEL section 10.

use super::{Held, Updated, columns, copies, matrices};
use crate::ledger::What;
use crate::model::Parameter;
use crate::units::Dtype;

/// Smaller tensors have states in their own dtype.
const SMALLEST: u64 = 4096;

/// A quantised form.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// Elements that share a scale.
    block: u64,
    /// Elements in a byte.
    packed: u64,
    /// Entries of the table of values, in fp32, of each state.
    map: u64,
}

pub(super) const EIGHT_BIT: Form = Form { block: 256, packed: 1, map: 256 };
pub(super) const FOUR_BIT: Form = Form { block: 128, packed: 2, map: 16 };
pub(super) const FP8: Form = Form { block: 256, packed: 1, map: 0 };

impl Form {
    const fn is_quantised(self, elements: u64) -> bool {
        elements >= SMALLEST && elements.is_multiple_of(self.block)
    }

    /// `OptimState8bit.zeros`, `OptimState4bit.zeros`, `OptimStateFp8.zeros`. Step counters stay on the CPU.
    pub(super) fn states(self, updated: &Updated<'_>) -> Vec<Held> {
        let quantised = |n: u64, bytes: u64| if self.is_quantised(n) { bytes } else { 0 };
        let codes = |p: &Parameter| quantised(p.elements(), p.elements() / self.packed);
        let scales = |p: &Parameter| quantised(p.elements(), p.elements() / self.block);
        let map = |p: &Parameter| quantised(p.elements(), self.map);
        let plain = |p: &Parameter| if self.is_quantised(p.elements()) { 0 } else { p.elements() };
        let mut states = Vec::with_capacity(8);
        for (what, low) in [(What::ExpAvg, What::ExpAvg8bit), (What::ExpAvgSq, What::ExpAvgSq8bit)] {
            states.push(updated.state_of(low, Dtype::Uint8, codes));
            states.push(updated.state_of(What::BlockScales, Dtype::Fp32, scales));
            if self.map > 0 {
                states.push(updated.state_of(What::QuantileMap, Dtype::Fp32, map));
            }
            states.push(updated.state_of(what, updated.dtype, plain));
        }
        states
    }

    /// The largest tensor that is quantised.
    fn largest(self, updated: &Updated<'_>, which: impl Fn(&Parameter) -> bool) -> u64 {
        let of_these = updated.parameters.iter().filter(|p| self.is_quantised(p.elements()) && which(p));
        of_these.map(Parameter::elements).max().unwrap_or_default()
    }
}

/// In one kernel, but for tensors whose rows are no multiple of a block: of these the codes as int32 and their scales, twice.
pub(super) fn eight_bit_step(updated: &Updated<'_>) -> Vec<Held> {
    let is_split = |p: &Parameter| !(columns(p) / matrices(p)).is_multiple_of(EIGHT_BIT.block);
    let largest = EIGHT_BIT.largest(updated, is_split);
    vec![copies(2, largest, Dtype::Int32), copies(2, largest / EIGHT_BIT.block, Dtype::Fp32)]
}

/// The codes of both moments as int64 and the moments in fp32, before codes are packed by twos.
pub(super) fn four_bit_step(updated: &Updated<'_>) -> Vec<Held> {
    let largest = FOUR_BIT.largest(updated, |_| true);
    vec![
        copies(2, largest, Dtype::Int64),
        copies(2, largest, Dtype::Fp32),
        copies(2, largest / FOUR_BIT.block, Dtype::Fp32),
    ]
}

/// Both moments in fp32 before they are divided by their scales, and one of them in fp8.
pub(super) fn fp8_step(updated: &Updated<'_>) -> Vec<Held> {
    let largest = FP8.largest(updated, |_| true);
    vec![copies(2, largest, Dtype::Fp32), copies(1, largest, Dtype::Uint8)]
}
