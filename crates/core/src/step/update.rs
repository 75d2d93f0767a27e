//! The optimizer's step, whether it stands by itself or runs inside backward.

use super::{Parameters, Step, tensor};
use crate::ledger::{Category, Instant, Name, What};
use crate::model::{Architecture, Parameter};
use crate::optimizer::{Held, Updated};
use crate::parallel::deepspeed::Zero;
use crate::scenario::Scenario;
use crate::units::{Bytes, Dtype};

impl Step<'_> {
    pub(super) fn optimizer_step(&mut self, parameters: &Parameters) {
        if self.scenario.updates_in_backward() {
            return;
        }
        if self.zero.is_some() {
            return self.zero_step();
        }
        let instant = Instant::OptimizerStep;
        if !self.scenario.replaces_gradients() {
            self.account.add_gradients(instant);
        }
        let architecture = self.scenario.architecture();
        let updated = updated(self.scenario, &architecture, parameters.updated());
        let mut temporaries = match &self.pass.tensor {
            Some(split) => tensor::step_temporaries(split, &updated, self.scenario.optimizer),
            None => updated.step_temporaries(self.scenario.optimizer),
        };
        if self.scenario.optimizer_dtype() != self.scenario.trained() {
            temporaries.push(updated.copy(Category::Temporaries, What::GradientFp32));
        }
        for held in temporaries {
            self.hold(&[instant], &held);
        }
    }
}

/// What the update of each parameter allocates where it runs inside backward; nothing where it doesn't.
pub(crate) fn hooks(scenario: &Scenario) -> Vec<(Name, Bytes)> {
    if Zero::of(scenario)
        .is_some_and(|zero| zero.reduces_in_backward() && !(zero.stage == 1 && zero.accumulates))
    {
        // Each gradient is copied into a bucket, and its own memory is free.
        let parameters = Parameters::of(scenario);
        return parameters.trained().iter().map(|parameter| (parameter.name, Bytes::ZERO)).collect();
    }
    if !scenario.updates_in_backward() {
        return Vec::new();
    }
    let has_master = scenario.optimizer_dtype() != scenario.trained();
    let parameters = Parameters::of(scenario);
    let architecture = scenario.architecture();
    let of_one = |parameter: &Parameter| {
        let alone = updated(scenario, &architecture, std::slice::from_ref(parameter));
        let update = alone.step_temporaries(scenario.optimizer);
        let copies = parameter.copies(&architecture).max(1);
        // A list of one tensor still counts all layers'.
        let of_all = |held: &Held| held.storage.bytes().get() / if held.each.is_empty() { 1 } else { copies };
        let made: u64 = update.iter().map(of_all).fold(0, u64::saturating_add);
        let cast = if has_master { parameter.elements().saturating_mul(Dtype::Fp32.size()) } else { 0 };
        (parameter.name, Bytes::new(made.saturating_add(cast)))
    };
    parameters.trained().iter().map(of_one).collect()
}

/// Optimizer states in unified memory.
pub(crate) fn paged(scenario: &Scenario) -> Bytes {
    if !scenario.optimizer.is_paged() {
        return Bytes::ZERO;
    }
    updated(scenario, &scenario.architecture(), Parameters::of(scenario).updated()).paged(scenario.optimizer)
}

/// The optimizer's view of the trained parameters.
pub(crate) fn updated<'a>(
    scenario: &'a Scenario,
    architecture: &'a Architecture,
    parameters: &'a [Parameter],
) -> Updated<'a> {
    Updated {
        architecture,
        parameters,
        dtype: scenario.optimizer_dtype(),
        settings: &scenario.optimizer_settings,
    }
}
