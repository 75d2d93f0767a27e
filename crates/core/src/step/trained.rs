//! Which parameters are trained: the model's, or the adapters'.

use crate::model::{self, Parameter, parameters};
use crate::plan::Adapters;
use crate::scenario::Scenario;

/// The model's parameters, and the adapters' where only these are trained.
pub(crate) struct Parameters {
    pub(crate) model: Vec<Parameter>,
    pub(crate) adapters: Option<Vec<Parameter>>,
}

impl Parameters {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let model = parameters(&scenario.model.architecture);
        let adapters = Adapters::of(scenario)
            .map(|adapters| model::adapters(&model, adapters.rank, |module| adapters.target(module)));
        Self { model, adapters }
    }

    pub(crate) fn trained(&self) -> &[Parameter] {
        self.adapters.as_ref().unwrap_or(&self.model)
    }
}

/// Trainable parameters.
pub(crate) fn trained_elements(scenario: &Scenario) -> u64 {
    model::elements(Parameters::of(scenario).trained(), &scenario.model.architecture)
}
