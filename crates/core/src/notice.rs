//! What a reader has to know of an answer beside its figures.

use crate::model::{Architecture, Family};
use crate::scenario::Scenario;

/// Something that was assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Notice {
    /// The model's family is not known: it was read by its keys as a decoder like Llama.
    GenericDecoder,
    /// Some of its layers carry a state: they are taken to run as transformers' own operators, without the fused kernels of
    /// flash-linear-attention, mamba-ssm and causal-conv1d, which keep less.
    UnfusedScan,
}

impl Notice {
    /// Every notice.
    pub const ALL: [Self; 2] = [Self::GenericDecoder, Self::UnfusedScan];

    /// The word of the JSON output.
    pub const fn key(self) -> &'static str {
        match self {
            Self::GenericDecoder => "generic_decoder",
            Self::UnfusedScan => "unfused_scan",
        }
    }

    /// What is to be said of a scenario.
    pub fn of(scenario: &Scenario) -> Vec<Self> {
        Self::ALL.into_iter().filter(|notice| notice.applies(&scenario.model.architecture)).collect()
    }

    fn applies(self, model: &Architecture) -> bool {
        match self {
            Self::GenericDecoder => model.family == Family::Generic,
            Self::UnfusedScan => model.recurrent.is_some(),
        }
    }
}
