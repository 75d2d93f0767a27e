//! What is followed for models whose layers carry a state in place of attention.

use super::{
    KvCache, Library, Method, Optimizer, Padding, Scenario, Stack, TrainedKinds, divides, none_refused,
    unsupported,
};
use crate::error::{Error, Field};
use crate::model::{Family, Mixer, Scan};

impl Scenario {
    /// Plain training on one GPU: what adapters, padding, caches and further models do in such layers no run has shown.
    pub(super) fn check_recurrent(&self) -> Result<(), Error> {
        let a = &self.model.architecture;
        let Some(layer) = a.recurrent else {
            let is_said = a.pattern.has(Mixer::Recurrent) || a.family.is_state_space();
            return if is_said { Err(Error::Missing { field: Field::new("scan") }) } else { Ok(()) };
        };
        let has_such = match layer.scan {
            Scan::GatedDelta => matches!(a.family, Family::Qwen3Next),
            Scan::Mamba2 => matches!(a.family, Family::Mamba2),
            Scan::Selective => matches!(a.family, Family::Mamba | Family::FalconMamba | Family::Jamba),
        };
        if !has_such {
            let accepted = ["qwen3_next", "mamba2", "mamba", "falcon_mamba", "jamba"];
            return Err(unsupported("family", a.family.key(), &accepted));
        }
        divides("value_heads", layer.value_heads.get(), "key_heads", layer.key_heads.get())?;
        // Factored and orthogonalised states depend on a convolution's three dimensions.
        let is_elementwise = match self.optimizer.library() {
            Library::Torch => {
                !matches!(self.optimizer, Optimizer::Muon | Optimizer::AdafactorTorch | Optimizer::Lbfgs)
            }
            Library::Bitsandbytes | Library::Own => true,
            _ => false,
        };
        let objective = self.objective.method;
        let refused = [
            (!is_elementwise, "optimizer", self.optimizer.key(), "adamw_foreach"),
            (self.stack != Stack::Current, "stack", self.stack.key(), "current"),
            (self.padding == Padding::Padded, "padding", self.padding.key(), "none"),
            (self.kv_cache != KvCache::Off, "kv_cache", self.kv_cache.key(), "off"),
            (self.lora.is_on(), "peft", self.lora.method.key(), "off"),
            (self.parallel.is_on(), "gpus", "> 1", "1"),
            (self.checkpointing.is_selective(), "checkpointing", self.checkpointing.key(), "layers"),
            // Whether a gated norm, a convolution's or a step's bias is of the kind depends on who asks.
            (
                self.freezing.kinds != TrainedKinds::All,
                "trained_kinds",
                self.freezing.kinds.key(),
                TrainedKinds::All.key(),
            ),
            (objective != Method::CausalLm, "objective", self.objective.word(), "causal_lm"),
        ];
        none_refused(&refused)
    }
}
