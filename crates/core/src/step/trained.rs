//! Which parameters are trained: the model's, some of them, or the adapters'.

use crate::ledger::Part;
use crate::model::{self, Parameter, parameters};
use crate::plan::Adapters;
use crate::scenario::Scenario;
use crate::trained::Trained;

/// The model's parameters, those of them that are trained, and the adapters' where only these are.
pub(crate) struct Parameters {
    pub(crate) model: Vec<Parameter>,
    pub(crate) adapters: Option<Vec<Parameter>>,
    own: Vec<Parameter>,
}

impl Parameters {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let model = parameters(&scenario.model.architecture);
        // Only the tower behind the projector's layer never gets a gradient, and a frozen tower none at all.
        let is_kept = |parameter: &Parameter| {
            let is_frozen = parameter.name.part == Part::Vision && scenario.vision.frozen_tower;
            !is_frozen && !parameter.is_unused()
        };
        let mut own = Trained::of(scenario).among(&model);
        own.retain(is_kept);
        let adapters = Adapters::of(scenario).map(|adapters| {
            let beside = super::adapters::parameters(&model, &scenario.model.architecture, &adapters);
            // `modules_to_save`: copies, trained in place of the model's own.
            own.iter().copied().chain(beside).collect()
        });
        Self { model, adapters, own }
    }

    pub(crate) fn trained(&self) -> &[Parameter] {
        self.adapters.as_ref().unwrap_or(&self.own)
    }
}

/// Trainable parameters.
pub(crate) fn trained_elements(scenario: &Scenario) -> u64 {
    model::elements(Parameters::of(scenario).trained(), &scenario.model.architecture)
}
