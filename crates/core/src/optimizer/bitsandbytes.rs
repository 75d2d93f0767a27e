//! bitsandbytes: states in fp32 or in blocks of 8 bits, on the GPU or in unified memory. Its kernels update in place.
//!
//! `bitsandbytes/optim/optimizer.py`, `Optimizer1State.init_state`, `Optimizer2State.init_state`, `get_state_buffer`;
//! `ademamix.py`. PARALLEL section 10.

use super::{Held, Updated};
use crate::ledger::{Category, Dim, Dims, Module, Name, What};
use crate::model::Parameter;
use crate::tape::Storage;
use crate::units::{Bytes, Dtype};

/// Smaller tensors have fp32 states (`min_8bit_size`).
const SMALLEST_8BIT: u64 = 4096;
/// Elements that share a scale.
const BLOCK: u64 = 256;
/// Entries of a table of quantised values (`create_dynamic_map`).
const MAP: u64 = 256;
/// Smaller tensors are not paged (`get_state_buffer`: `p.numel() < 1e5`).
const SMALLEST_PAGED: u64 = 100_000;

/// The states of one optimizer.
#[derive(Clone, Copy)]
pub(super) struct States {
    /// In fp32 and in 8 bits, with how many of them one buffer has.
    buffers: &'static [(What, What, u64)],
    is_8bit: bool,
    is_paged: bool,
    /// Whether the norm of the update is kept (`max_unorm`), one fp32 number a tensor.
    is_clipped: bool,
}

const FIRST: (What, What, u64) = (What::ExpAvg, What::ExpAvg8bit, 1);
const FIRST_TWO: (What, What, u64) = (What::ExpAvg, What::ExpAvg8bit, 2);
const SECOND: (What, What, u64) = (What::ExpAvgSq, What::ExpAvgSq8bit, 1);

pub(super) const ADAM_8BIT: States = States::of(&[FIRST, SECOND], true);
pub(super) const ADAM_32BIT: States = States::of(&[FIRST, SECOND], false);
pub(super) const LION_8BIT: States = States::of(&[FIRST], true);
pub(super) const LION_32BIT: States = States::of(&[FIRST], false);
pub(super) const SQUARES_8BIT: States = States::of(&[SECOND], true);
pub(super) const SQUARES_32BIT: States = States::of(&[SECOND], false);
pub(super) const ADEMAMIX_8BIT: States = States::of(&[FIRST_TWO, SECOND], true);
pub(super) const ADEMAMIX_32BIT: States = States::of(&[FIRST_TWO, SECOND], false);

impl States {
    const fn of(buffers: &'static [(What, What, u64)], is_8bit: bool) -> Self {
        Self { buffers, is_8bit, is_paged: false, is_clipped: false }
    }

    pub(super) const fn paged(self) -> Self {
        Self { is_paged: true, ..self }
    }

    pub(super) const fn clipped(self) -> Self {
        Self { is_clipped: true, ..self }
    }

    const fn is_quantised(self, elements: u64) -> bool {
        self.is_8bit && elements >= SMALLEST_8BIT
    }

    const fn stays(self, elements: u64) -> bool {
        !self.is_paged || elements < SMALLEST_PAGED
    }

    /// What the allocator has of them: of paged ones the small tensors and the scales.
    pub(super) fn states(self, updated: &Updated<'_>) -> Vec<Held> {
        self.states_of(updated, Parameter::elements)
    }

    /// The same, where a state has another number of elements than its parameter (GaLore).
    pub(super) fn states_of(self, updated: &Updated<'_>, elements: impl Fn(&Parameter) -> u64) -> Vec<Held> {
        let mut states = Vec::with_capacity(8);
        for &(plain, quantised, copies) in self.buffers {
            let buffer = |p: &Parameter, is_quantised: bool| {
                let n = elements(p);
                let is_here = self.is_quantised(n) == is_quantised && self.stays(n);
                if is_here { n.saturating_mul(copies) } else { 0 }
            };
            states.push(updated.state_of(plain, Dtype::Fp32, |p| buffer(p, false)));
            if self.is_8bit {
                let scales = |p: &Parameter| {
                    let n = elements(p);
                    if self.is_quantised(n) { n.div_ceil(BLOCK).saturating_mul(copies) } else { 0 }
                };
                states.push(updated.state_of(quantised, Dtype::Uint8, |p| buffer(p, true)));
                states.push(updated.state_of(What::BlockScales, Dtype::Fp32, scales));
            }
        }
        if self.is_clipped {
            states.push(updated.state_of(What::Steps, Dtype::Fp32, |_| 1));
        }
        if updated.parameters.iter().any(|p| self.is_quantised(elements(p))) {
            states.push(self.maps());
        }
        states
    }

    /// A table of quantised values for each buffer, shared by all tensors.
    fn maps(self) -> Held {
        let storage = Storage {
            name: Name::of(Module::Optimizer, What::QuantileMap),
            category: Category::OptimizerStates,
            dims: Dims::new(&[Dim::number(self.buffers.len() as u64), Dim::number(MAP)]),
            dtype: Dtype::Fp32,
        };
        Held { storage, rounding: Bytes::ZERO, each: Vec::new() }
    }

    /// What is in unified memory.
    pub(super) fn in_pages(self, updated: &Updated<'_>) -> Bytes {
        let copies: u64 = self.buffers.iter().map(|&(.., copies)| copies).sum();
        let of_one = |p: &Parameter| {
            let n = p.elements();
            let element = if self.is_quantised(n) { Dtype::Uint8 } else { Dtype::Fp32 };
            let bytes =
                Bytes::new(n).times(element.size()).times(copies).times(p.copies(updated.architecture));
            if self.paged().stays(n) { Bytes::ZERO } else { bytes }
        };
        updated.parameters.iter().map(of_one).sum()
    }
}

/// The norm of a parameter (`torch.norm(p.data.float())`, `optimizer_update_32bit` with `max_unorm`).
pub(super) fn norm_step(updated: &Updated<'_>) -> Vec<Held> {
    if updated.dtype == Dtype::Fp32 {
        return Vec::new();
    }
    updated.in_a_loop(1, 0, Dtype::Fp32)
}
