//! Scenarios that are ready to open: the hand calculation that this project began with, and what was observed.

use crate::ledger::Category;
use crate::scenario::{Checkpointing, Objective, Place, Scenario};
use crate::units::Bytes;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ready {
    /// The reference model on the GPU, as calculated by hand: 62.6 GB.
    ReferenceOnGpu,
    /// The reference model on the CPU, with activation checkpointing, as calculated by hand: 50.6 GB.
    ReferenceOnCpu,
    /// The run that ended with an out-of-memory error at 76.72 GiB.
    Observed,
}

/// A line of the hand calculation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandLine {
    /// The category of ours that it answers to; none for a total.
    pub category: Option<Category>,
    /// Its figure, as written in GB with one decimal.
    pub figure: Bytes,
}

const fn tenths(category: Category, tenths_of_gb: u64) -> HandLine {
    HandLine { category: Some(category), figure: Bytes::new(tenths_of_gb * 100_000_000) }
}

const fn total(tenths_of_gb: u64) -> HandLine {
    HandLine { category: None, figure: Bytes::new(tenths_of_gb * 100_000_000) }
}

const BY_HAND_ON_GPU: &[HandLine] = &[
    tenths(Category::Parameters, 76),
    tenths(Category::OptimizerStates, 304),
    tenths(Category::Gradients, 76),
    tenths(Category::Activations, 50),
    tenths(Category::Temporaries, 30),
    tenths(Category::ReferenceModel, 90),
    total(626),
];

const BY_HAND_ON_CPU: &[HandLine] = &[
    tenths(Category::Parameters, 76),
    tenths(Category::OptimizerStates, 304),
    tenths(Category::Gradients, 76),
    tenths(Category::Activations, 20),
    tenths(Category::Temporaries, 30),
    total(506),
];

/// What PyTorch's error message said was allocated: 76.72 GiB.
const OBSERVED: &[HandLine] = &[HandLine { category: None, figure: Bytes::mib(76 * 1024 + 737) }];

impl Ready {
    /// All, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::ReferenceOnGpu, Self::ReferenceOnCpu, Self::Observed];

    /// A stable word for it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::ReferenceOnGpu => "reference-on-gpu",
            Self::ReferenceOnCpu => "reference-on-cpu",
            Self::Observed => "observed",
        }
    }

    /// The scenario.
    ///
    /// The hand calculation counts a reference model in 16 bits. The run that was observed let its trainer load both models in
    /// fp32, as PyTorch Lightning does under `bf16-mixed`.
    pub fn scenario(self) -> Scenario {
        let base = Scenario::default();
        match self {
            Self::ReferenceOnGpu => Scenario { objective: Objective::dpo(Place::Bf16), ..base },
            Self::ReferenceOnCpu => Scenario {
                objective: Objective::dpo(Place::Cpu),
                checkpointing: Checkpointing::Layers,
                ..base
            },
            Self::Observed => Scenario { objective: Objective::dpo(Place::Fp32), ..base },
        }
    }

    /// The hand calculation's figures, or the observed one.
    pub const fn by_hand(self) -> &'static [HandLine] {
        match self {
            Self::ReferenceOnGpu => BY_HAND_ON_GPU,
            Self::ReferenceOnCpu => BY_HAND_ON_CPU,
            Self::Observed => OBSERVED,
        }
    }

    /// The ready scenario that equals `scenario`, whatever GPU it looks at.
    pub fn of(scenario: &Scenario) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|ready| Scenario { gpu: scenario.gpu.clone(), ..ready.scenario() } == *scenario)
    }
}
