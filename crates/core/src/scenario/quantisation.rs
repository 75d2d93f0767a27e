//! A quantised base below LoRA's adapters: how the weights of the frozen linear layers are held.

use super::choices::choices;
use super::{AdapterMethod, BaseDtype, ExpertTargets, ModulesToSave, Scenario, unsupported};
use crate::error::Error;
use crate::units::{Count, Dtype};

choices! {
    /// How the weights of the frozen linear layers are held. Embedding, head, norms and biases stay as they are
    /// (`transformers/quantizers/base.py`, `get_keys_to_not_convert`).
    QuantisedBase {
        /// In the dtype of the base.
        None = "none",
        /// bitsandbytes' 4-bit NormalFloat (QLoRA), in blocks of 64.
        Nf4 = "nf4",
        /// bitsandbytes' 4-bit floating point, in blocks of 64.
        Fp4 = "fp4",
        /// LLM.int8: 8 bits with one scale a row.
        Int8 = "int8",
        /// GPTQ in 4 bits, with scales and zero points of groups.
        Gptq = "gptq",
        /// AWQ in 4 bits, with scales and zero points of groups.
        Awq = "awq",
    }
}

impl QuantisedBase {
    /// Whether bitsandbytes holds it in 4 bits.
    pub const fn is_bnb_4bit(self) -> bool {
        matches!(self, Self::Nf4 | Self::Fp4)
    }

    /// Whether it has groups of a size that can be chosen.
    pub const fn has_groups(self) -> bool {
        matches!(self, Self::Gptq | Self::Awq)
    }
}

/// A quantised base. Without adapters nothing is quantised, whatever is said here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantisation {
    /// How weights are held.
    pub base: QuantisedBase,
    /// Double quantisation: the scales of 4-bit blocks are themselves held in 8 bits (`bnb_4bit_use_double_quant`).
    pub double: bool,
    /// Rows of a GPTQ or AWQ group.
    pub group_size: Count,
    /// PEFT's `prepare_model_for_kbit_training`, which casts everything that is not quantised to fp32. GPTQ's is left as it is.
    pub prepared: bool,
}

impl Default for Quantisation {
    /// None; where it is switched on, as in the QLoRA paper and with the group size that GPTQ and AWQ models are published in.
    fn default() -> Self {
        Self { base: QuantisedBase::None, double: true, group_size: Count::new(128), prepared: false }
    }
}

impl Scenario {
    /// How the frozen linear layers are held: quantised only below adapters.
    pub fn quantised_base(&self) -> QuantisedBase {
        if self.lora.is_on() { self.quantisation.base } else { QuantisedBase::None }
    }

    /// No run has shown other adapters than LoRA's kin over a quantised base.
    pub(crate) fn takes_quantised_base(&self) -> bool {
        let is_kin =
            matches!(self.lora.method, AdapterMethod::Lora | AdapterMethod::RsLora | AdapterMethod::Dora);
        self.lora.is_on()
            && is_kin
            && self.lora.saves == ModulesToSave::None
            && self.lora.experts == ExpertTargets::None
    }

    pub(super) fn check_quantised_base(&self) -> Result<(), Error> {
        if self.quantised_base() == QuantisedBase::None || self.takes_quantised_base() {
            return Ok(());
        }
        Err(unsupported("quantised_base", self.quantisation.base.key(), &["none"]))
    }

    /// Whether `prepare_model_for_kbit_training` has run.
    pub(crate) fn is_prepared(&self) -> bool {
        self.quantisation.prepared && self.quantised_base() != QuantisedBase::None
    }

    /// Whether everything that is not quantised has been cast to fp32 (`peft/utils/other.py`, `prepare_model_for_kbit_training`).
    pub(super) fn is_cast_to_fp32(&self) -> bool {
        self.is_prepared() && self.quantised_base() != QuantisedBase::Gptq
    }

    /// Dtype of the frozen weights when the model was loaded, which 4-bit weights become again when they are needed.
    pub(crate) fn loaded(&self) -> Dtype {
        match (self.lora.is_on(), self.lora.base) {
            (true, BaseDtype::Bf16) => Dtype::Bf16,
            _ => self.recipe.weight(),
        }
    }
}
