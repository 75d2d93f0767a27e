//! Training loops by name: what each of them does where loops differ.
//!
//! A loop is no field of its own: choosing one sets the fields by which loops differ, and a scenario is said to be of the loop whose
//! fields it has.

use super::{AutocastScope, LogProbs, Method, Place, Scenario, ZeroGrad};

/// A training loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trainer {
    /// A loop of one's own, or a recipe of torchtune: autocast, where it is on, around forward and loss; gradients freed after the step.
    Plain,
    /// Hugging Face's `Trainer`: accelerate wraps the model's forward alone and converts its outputs to fp32 (`prepare_model`,
    /// `convert_outputs_to_fp32`).
    HuggingFace,
    /// TRL's `DPOTrainer`, which is one: log-probabilities row by row (`selective_log_softmax`), and a reference model that is loaded
    /// in fp32 unless told otherwise.
    Trl,
    /// Lightning: the whole training step runs in autocast, and gradients of the step before are freed right before backward
    /// (`lightning/pytorch/loops/optimization/automatic.py`, `_make_zero_grad_fn`). FINDINGS section 6.
    Lightning,
}

impl Trainer {
    /// Every loop, in the order in which they are listed to readers.
    pub const ALL: &'static [Self] = &[Self::Plain, Self::HuggingFace, Self::Trl, Self::Lightning];
    /// The words of all loops, in the same order.
    pub const KEYS: &'static [&'static str] = &["plain", "hf_trainer", "trl", "lightning"];

    /// The word that links and flags use.
    pub fn key(self) -> &'static str {
        Self::ALL
            .iter()
            .zip(Self::KEYS)
            .find(|(trainer, _)| **trainer == self)
            .map_or("plain", |(_, key)| key)
    }

    /// The loop that a word names.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|trainer| trainer.key() == key)
    }

    /// Gives a scenario the habits of this loop.
    pub fn apply(self, scenario: &mut Scenario) {
        scenario.zero_grad =
            if self == Self::Lightning { ZeroGrad::BeforeBackward } else { ZeroGrad::AfterStep };
        let wraps_model = matches!(self, Self::HuggingFace | Self::Trl);
        scenario.autocast_scope = if wraps_model { AutocastScope::Model } else { AutocastScope::Step };
        if self == Self::Trl {
            scenario.log_probs = LogProbs::Selective;
            let reference = &mut scenario.objective.reference.place;
            if scenario.objective.method == Method::Dpo && *reference == Place::Bf16 {
                *reference = Place::Fp32;
            }
        }
    }

    /// The first loop that would leave a scenario as it is; none for a mixture of one's own. With pairs, TRL's comes first.
    pub fn of(scenario: &Scenario) -> Option<Self> {
        let leaves = |trainer: &Self| {
            let mut after = scenario.clone();
            trainer.apply(&mut after);
            after == *scenario
        };
        let has_pairs = !scenario.objective.method.is_language_modelling();
        Some(Self::Trl)
            .filter(|trl| has_pairs && leaves(trl))
            .or_else(|| Self::ALL.iter().copied().find(leaves))
    }
}
