//! What optimizers have to be told.

use crate::units::{Count, PerParameter};

/// Numbers that only some optimizers have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptimizerSettings {
    /// Rank of the projected gradients: GaLore, Q-GaLore, APOLLO.
    pub rank: Count,
    /// Steps that L-BFGS remembers (`history_size`).
    pub history: Count,
    /// Width of the blocks that Shampoo preconditions (`block_size`).
    pub shampoo_block: Count,
    /// The widest dimension that SOAP preconditions (`max_precondition_dim`).
    pub soap_widest: Count,
    /// Of an optimizer that is given by numbers: its states.
    pub state_bytes: PerParameter,
    /// Of an optimizer that is given by numbers: what `step()` takes.
    pub step_bytes: PerParameter,
}

impl Default for OptimizerSettings {
    /// The libraries' own defaults; GaLore's rank is that of its example for a model of 1 B parameters.
    fn default() -> Self {
        Self {
            rank: Count::new(512),
            history: Count::new(100),
            shampoo_block: Count::new(512),
            soap_widest: Count::new(10_000),
            state_bytes: PerParameter::thousandths(8000),
            step_bytes: PerParameter::thousandths(0),
        }
    }
}
