//! What a pass has to know of adapters.

use crate::ledger::{Dim, Module, Symbol};
use crate::scenario::{AdapterMethod, Scenario, Targets};
use crate::units::{Count, Dtype};

/// LoRA's adapters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adapters {
    pub(crate) method: AdapterMethod,
    pub(crate) rank: Dim,
    pub(crate) targets: Targets,
    pub(crate) has_dropout: bool,
    /// Tokens of a soft prompt.
    pub(crate) prompt: Option<Dim>,
    pub(crate) dtype: Dtype,
}

impl Adapters {
    pub(crate) fn of(scenario: &Scenario) -> Option<Self> {
        let lora = scenario.lora;
        lora.is_on().then(|| Self {
            method: lora.method,
            rank: Dim::new(Symbol::Rank, lora.rank.map_or(1, Count::get)),
            targets: lora.targets,
            has_dropout: lora.dropout,
            prompt: (lora.method == AdapterMethod::Prompt).then(|| Dim::number(lora.tokens.get())),
            dtype: scenario.trained(),
        })
    }

    /// Whether the linear layers of a module have an adapter.
    pub(crate) fn target(&self, module: Module) -> bool {
        self.method.has_targets() && self.targets.contains(module)
    }
}

/// Tokens of a soft prompt.
pub(super) fn prompt_length(scenario: &Scenario) -> u64 {
    if scenario.lora.method == AdapterMethod::Prompt { scenario.lora.tokens.get() } else { 0 }
}

/// Whether (IA)³ scales what a module reads, as it does in the MLP (`feedforward_modules`), and not what it makes.
pub(crate) const fn scales_input(module: Module) -> bool {
    matches!(module, Module::DownProj | Module::SharedDownProj)
}
