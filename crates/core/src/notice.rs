//! What a reader has to know of an answer beside its figures.

use crate::model::Family;
use crate::scenario::Scenario;

/// Something that was assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Notice {
    /// The model's family is not known: it was read by its keys as a decoder like Llama.
    GenericDecoder,
}

impl Notice {
    /// Every notice.
    pub const ALL: [Self; 1] = [Self::GenericDecoder];

    /// The word of the JSON output.
    pub const fn key(self) -> &'static str {
        match self {
            Self::GenericDecoder => "generic_decoder",
        }
    }

    /// What is to be said of a scenario.
    pub fn of(scenario: &Scenario) -> Vec<Self> {
        let is_generic = scenario.model.architecture.family == Family::Generic;
        is_generic.then_some(Self::GenericDecoder).into_iter().collect()
    }
}
