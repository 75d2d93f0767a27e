//! The optimizer's step, whether it stands by itself or runs inside backward.

use super::{Parameters, Step, tensor};
use crate::ledger::{Category, Instant, Name, What};
use crate::model::{Architecture, Parameter};
use crate::optimizer::{Held, Updated, larger};
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
        if !self.scenario.replaces_gradients() && !self.scenario.optimizer.needs_no_gradients() {
            self.account.add_gradients(instant);
        }
        let architecture = self.scenario.architecture();
        let updated = updated(self.scenario, &architecture, parameters.updated());
        let mut temporaries = match &self.pass.tensor {
            Some(split) => tensor::step_temporaries(split, &updated, self.scenario.optimizer),
            None => step_temporaries(self.scenario, &architecture, parameters.updated()),
        };
        if self.scenario.optimizer_dtype() != self.scenario.trained() {
            temporaries.push(updated.copy(Category::Temporaries, What::GradientFp32));
        }
        for held in temporaries {
            self.hold(&[instant], &held);
        }
    }
}

/// What `step()` makes where what is trained has one dtype, or two, which `torch.optim` updates one after the other
/// (`_group_tensors_by_device_and_dtype`): each list of tensors keeps its name until the next dtype's is there.
fn step_temporaries(scenario: &Scenario, architecture: &Architecture, parameters: &[Parameter]) -> Vec<Held> {
    let made = |of: &[Parameter]| updated(scenario, architecture, of).step_temporaries(scenario.optimizer);
    let dtype = |parameter: &Parameter| scenario.trained_dtype(parameter.name);
    let (adapters, copies): (Vec<Parameter>, Vec<Parameter>) =
        parameters.iter().partition(|parameter| dtype(parameter) == scenario.trained());
    if copies.is_empty() || adapters.is_empty() {
        return made(parameters);
    }
    let is_list = |held: &Held| !held.each.is_empty();
    let lists = |of: &[Parameter]| made(of).into_iter().filter(is_list).collect::<Vec<Held>>();
    let moment = |at: usize| {
        let (earlier, later) =
            (lists(&copies).into_iter().skip(at), lists(&adapters).into_iter().take(at + 1));
        earlier.chain(later).collect()
    };
    let mut largest = (0..lists(&copies).len()).map(moment).fold(Vec::new(), larger);
    // A loop goes through them in the model's order.
    let runs =
        by_dtype(scenario, architecture, parameters).map(|run| run.step_temporaries(scenario.optimizer));
    let one_by_one = runs.map(|made| made.into_iter().filter(|held| !is_list(held)).collect());
    largest.extend(one_by_one.fold(Vec::new(), larger));
    largest
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
    let (architecture, parameters) = (scenario.architecture(), Parameters::of(scenario));
    let groups = by_dtype(scenario, &architecture, parameters.updated());
    groups.map(|updated| updated.paged(scenario.optimizer)).sum()
}

/// The same in runs of one dtype each, in the model's order.
pub(crate) fn by_dtype<'a>(
    scenario: &'a Scenario,
    architecture: &'a Architecture,
    parameters: &'a [Parameter],
) -> impl Iterator<Item = Updated<'a>> {
    let dtype = |parameter: &Parameter| scenario.trained_dtype(parameter.name);
    let groups = parameters.chunk_by(move |a, b| dtype(a) == dtype(b));
    groups.map(move |parameters| updated(scenario, architecture, parameters))
}

/// The optimizer's view of trained parameters of one dtype.
pub(crate) fn updated<'a>(
    scenario: &'a Scenario,
    architecture: &'a Architecture,
    parameters: &'a [Parameter],
) -> Updated<'a> {
    let has_master = scenario.optimizer_dtype() != scenario.trained();
    let trained = parameters.first().map_or(scenario.trained(), |first| scenario.trained_dtype(first.name));
    Updated {
        architecture,
        parameters,
        dtype: if has_master { scenario.optimizer_dtype() } else { trained },
        settings: &scenario.optimizer_settings,
    }
}
