//! What optimizers have to be told.

use super::Optimizer;
use super::choices::choices;
use crate::error::Error;
use crate::scenario::{Recipe, Scenario, unsupported};
use crate::units::{Count, Dtype, PerParameter};

choices! {
    /// An exponential moving average of the weights.
    Ema {
        /// None.
        Off = "off",
        /// A copy of the model on the GPU in the weights' dtype (`torch.optim.swa_utils.AveragedModel`).
        Weights = "weights",
        /// The same in fp32.
        Fp32 = "fp32",
        /// On the CPU.
        Cpu = "cpu",
    }
}

impl Ema {
    /// Dtype of the copy on the GPU, where there is one.
    pub const fn on_gpu(self, weight: Dtype) -> Option<Dtype> {
        match self {
            Self::Off | Self::Cpu => None,
            Self::Weights => Some(weight),
            Self::Fp32 => Some(Dtype::Fp32),
        }
    }
}

/// Numbers that only some optimizers have, and how an optimizer is used.
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
    /// Whether each tensor is updated inside backward, and its gradient freed at once (hooks).
    pub in_backward: bool,
    /// A moving average of the weights.
    pub ema: Ema,
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
            in_backward: false,
            ema: Ema::Off,
        }
    }
}

impl Scenario {
    /// An update inside backward needs a whole gradient, of its right scale, of one tensor alone.
    pub(super) fn check_updates_in_backward(&self) -> Result<(), Error> {
        if !self.updates_in_backward() {
            return Ok(());
        }
        if self.gradient_accumulation > Count::ONE {
            let given = self.gradient_accumulation.to_string();
            return Err(unsupported("accumulation", &given, &["1"]));
        }
        if self.recipe == Recipe::Fp16Mixed {
            return Err(unsupported("recipe", self.recipe.key(), &["bf16-mixed"]));
        }
        if self.optimizer == Optimizer::Lbfgs {
            return Err(unsupported("optimizer", self.optimizer.key(), &["adamw_foreach", "adamw_fused"]));
        }
        Ok(())
    }
}
