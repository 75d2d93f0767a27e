//! Which parameters are trained: the model's, some of them, or the adapters'.

use crate::ledger::{Name, Part};
use crate::model::{self, Parameter, parameters};
use crate::plan::Adapters;
use crate::scenario::{Method, Scenario};
use crate::trained::Trained;

/// The model's parameters, those of them that are trained, and the adapters' where only these are.
pub(crate) struct Parameters {
    pub(crate) model: Vec<Parameter>,
    pub(crate) adapters: Option<Vec<Parameter>>,
    own: Vec<Parameter>,
}

impl Parameters {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let mut model = parameters(&scenario.architecture());
        if scenario.objective.method == Method::Ppo {
            // The value model: the same body with a head over one label, trained with the policy (`PolicyAndValueWrapper`).
            let named = |parameter: Parameter| Parameter {
                name: Name { part: Part::Value, ..parameter.name },
                ..parameter
            };
            model.extend(parameters(&scenario.value_architecture()).into_iter().map(named));
        }
        let adapters = Adapters::of(scenario)
            .map(|adapters| model::adapters(&model, adapters.rank, |module| adapters.target(module)));
        let own = Trained::of(scenario).among(&model);
        Self { model, adapters, own }
    }

    pub(crate) fn trained(&self) -> &[Parameter] {
        self.adapters.as_ref().unwrap_or(&self.own)
    }
}

/// Trainable parameters.
pub(crate) fn trained_elements(scenario: &Scenario) -> u64 {
    model::elements(Parameters::of(scenario).trained(), &scenario.architecture())
}
