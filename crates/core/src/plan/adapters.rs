//! What a pass has to know of adapters.

use crate::ledger::{Dim, Module, Symbol};
use crate::scenario::{AdapterMethod, ExpertTargets, Scenario, Targets};
use crate::units::{Count, Dtype};

/// Prefix tuning's keys and values of virtual tokens (`peft/utils/other.py`, `_prepare_prompt_learning_config`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefix {
    pub(crate) tokens: Dim,
    /// Keys and values of all layers for one token.
    pub(crate) all: Dim,
    /// Those of one layer, keys alone: the width of what an MLP reads.
    token: Dim,
    /// The inner width of the MLP that makes them, where one does.
    pub(crate) projection: Option<Dim>,
}

impl Prefix {
    fn of(scenario: &Scenario) -> Option<Self> {
        let (lora, a) = (scenario.lora, &scenario.model.architecture);
        let token = a.kv_heads.get().saturating_mul(a.head_dim.get());
        let all = token.saturating_mul(2).saturating_mul(a.layers.get());
        (lora.method == AdapterMethod::Prefix).then(|| Self {
            tokens: Dim::number(lora.tokens.get()),
            all: Dim::number(all),
            token: Dim::number(token),
            projection: lora.prefix_projection.map(|width| Dim::number(width.get())),
        })
    }

    /// Columns of the table that virtual tokens are looked up in.
    pub(crate) fn looked_up(&self) -> Dim {
        if self.projection.is_some() { self.token } else { self.all }
    }
}

/// LoRA's adapters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adapters {
    pub(crate) method: AdapterMethod,
    pub(crate) rank: Dim,
    pub(crate) targets: Targets,
    /// Matrices of all experts that have adapters.
    pub(crate) experts: ExpertTargets,
    pub(crate) has_dropout: bool,
    /// Tokens of a soft prompt.
    pub(crate) prompt: Option<Dim>,
    /// Keys and values in front of each layer's.
    pub(crate) prefix: Option<Prefix>,
    pub(crate) dtype: Dtype,
}

impl Adapters {
    pub(crate) fn of(scenario: &Scenario) -> Option<Self> {
        let lora = scenario.lora;
        lora.is_on().then(|| Self {
            method: lora.method,
            rank: Dim::new(Symbol::Rank, lora.rank.map_or(1, Count::get)),
            targets: lora.targets,
            experts: lora.experts,
            has_dropout: lora.dropout,
            prompt: (lora.method == AdapterMethod::Prompt).then(|| Dim::number(lora.tokens.get())),
            prefix: Prefix::of(scenario),
            dtype: scenario.gathered(),
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
