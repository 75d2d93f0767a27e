//! Optimizers that decide what is trained, or when: LOMO, AdaLOMO, BAdam, LISA; and what no run has shown of them.

use super::{Checkpointing, FrozenLayers, Kernels, Method, Optimizer, Recipe, Scenario, unsupported};
use crate::error::Error;
use crate::units::{Count, Dtype};

impl Scenario {
    /// Whether each tensor is updated inside backward, and its gradient freed.
    pub const fn updates_in_backward(&self) -> bool {
        self.optimizer_settings.in_backward || self.optimizer.is_fused_with_backward()
    }

    /// Whether the optimizer lets go of the gradients when it has copied them to fp32 (BAdam's `_grad_to_hp`).
    pub fn replaces_gradients(&self) -> bool {
        self.optimizer == Optimizer::BAdam && self.trained() != Dtype::Fp32
    }

    /// Whether layers are drawn at random whose states stay when others are drawn (LISA with one optimizer over all parameters).
    pub fn keeps_states_of_all_layers(&self) -> bool {
        !self.lora.is_on() && self.freezing.layers == FrozenLayers::LisaKept
    }

    /// MeZO's trainer runs one micro-batch of what has a loss of its own on one GPU (`zo_step`); checkpoints have nothing to keep.
    fn check_without_gradients(&self) -> Result<(), Error> {
        if !self.optimizer.needs_no_gradients() {
            return Ok(());
        }
        if self.gradient_accumulation > Count::ONE {
            return Err(unsupported("accumulation", &self.gradient_accumulation.to_string(), &["1"]));
        }
        if self.checkpointing != Checkpointing::Off {
            return Err(unsupported("checkpointing", self.checkpointing.key(), &["off"]));
        }
        if self.optimizer_settings.in_backward {
            return Err(unsupported("in_backward", "1", &["0"]));
        }
        if self.kernels != Kernels::default() {
            return Err(unsupported("optimizer", self.optimizer.key(), &["adamw_foreach", "sgd"]));
        }
        let a = &self.model.architecture;
        let has_loss = matches!(self.objective.method, Method::CausalLm | Method::MaskedLm);
        let is_plain = a.tower.is_none() && a.image.is_none() && a.decoder.is_none() && a.recurrent.is_none();
        let has_master = self.optimizer_dtype() != self.trained() || self.recipe == Recipe::Fp16Mixed;
        // What autocast keeps of adapters in inference mode no run has shown.
        let is_shown = !self.lora.is_on() || !self.recipe.is_autocast();
        let is_alone = self.parallel.scheme().is_none();
        if has_loss && is_shown && is_plain && is_alone && !has_master && !self.freezing.layers.is_drawn() {
            return Ok(());
        }
        Err(unsupported("optimizer", self.optimizer.key(), &["adamw_foreach", "sgd"]))
    }

    /// What is trained at a time follows a decoder of one stack of layers, on one GPU, that predicts the next token.
    pub(super) fn check_methods(&self) -> Result<(), Error> {
        self.check_without_gradients()?;
        let is_fused = self.optimizer.is_fused_with_backward();
        let draws = self.freezing.layers.is_drawn();
        let is_by_block = self.optimizer == Optimizer::BAdam;
        if !is_fused && !draws && !is_by_block {
            return Ok(());
        }
        let a = &self.model.architecture;
        let is_plain = !a.has_other_layers() && a.experts.is_none();
        let is_alone = self.parallel.scheme().is_none();
        let is_language_modelling = self.objective.method == Method::CausalLm;
        let fits = is_plain && is_alone && is_language_modelling && !self.lora.is_on();
        let has_master = self.optimizer_dtype() != self.trained();
        if draws && !(fits && !has_master && self.checkpointing == Checkpointing::Off) {
            let given = self.freezing.layers.key();
            return Err(unsupported("freeze_layers", given, &["none", "first", "all_but_last"]));
        }
        let is_frozen = self.freezing.is_on() || self.lora.method.has_tokens();
        if (is_fused || is_by_block) && !(fits && !has_master && !is_frozen) {
            return Err(unsupported("optimizer", self.optimizer.key(), &["adamw_foreach", "sgd"]));
        }
        if is_by_block && self.optimizer_settings.in_backward {
            return Err(unsupported("in_backward", "1", &["0"]));
        }
        Ok(())
    }
}
