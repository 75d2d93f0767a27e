//! Which parameters are trained: the model's, some of them, or the adapters'.

use crate::ledger::{Name, Part};
use crate::model::{self, Architecture, Parameter, Place, parameters};
use crate::parallel::deepspeed::Zero;
use crate::parallel::{Shards, TensorParallel, local_architecture, owned};
use crate::plan::Adapters;
use crate::quantised::Quantised;
use crate::scenario::{DataParallel, Method, QuantisedBase, Scenario};
use crate::trained::Trained;

/// The model's parameters, those of them that are trained, and the adapters' where only these are.
pub(crate) struct Parameters {
    /// What this rank allocates of the model, where it is sharded.
    shards: Option<Vec<Parameter>>,
    /// What this rank allocates of what is trained, where it is sharded.
    padded: Option<Vec<Parameter>>,
    /// What gradients are until the optimizer takes them, where that isn't what the rank allocates of what is trained.
    gradients: Option<Vec<Parameter>>,
    /// What this rank updates, where that isn't all.
    local: Option<Vec<Parameter>>,
    pub(crate) model: Vec<Parameter>,
    pub(crate) adapters: Option<Vec<Parameter>>,
    own: Vec<Parameter>,
    /// What has optimizer states, where that is more than what is trained now.
    with_states: Option<Vec<Parameter>>,
}

impl Parameters {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        Self::of_model_of(scenario, &local_architecture(scenario))
    }

    fn of_model_of(scenario: &Scenario, architecture: &Architecture) -> Self {
        let mut model = parameters(architecture);
        if scenario.objective.method == Method::Ppo {
            // The value model: the same body with a head over one label, trained with the policy (`PolicyAndValueWrapper`).
            let named = |parameter: Parameter| Parameter {
                name: Name { part: Part::Value, ..parameter.name },
                ..parameter
            };
            model.extend(parameters(&scenario.value_architecture()).into_iter().map(named));
        }
        // Only the tower behind the projector's layer never gets a gradient, and a frozen tower none at all.
        let is_kept = |parameter: &Parameter| {
            let is_frozen = parameter.name.part == Part::Vision && scenario.vision.frozen_tower;
            !is_frozen && !parameter.is_unused()
        };
        let mut own = Trained::of(scenario).among(&model);
        own.retain(is_kept);
        let with_states = scenario
            .keeps_states_of_all_layers()
            .then(|| Trained::of(scenario).with_all_layers().among(&model));
        let adapters = Adapters::of(scenario).map(|adapters| {
            let beside = super::adapters::parameters(&model, &scenario.architecture(), &adapters);
            // `modules_to_save`: copies, trained in place of the model's own.
            let (head, embedding): (Vec<Parameter>, Vec<Parameter>) =
                own.iter().partition(|copy| copy.place == Place::Head);
            embedding.into_iter().chain(beside).chain(head).collect()
        });
        let trained = adapters.as_ref().unwrap_or(&own);
        let shards = Shards::of(scenario);
        let padded_of = |parameters: &[Parameter]| {
            let shards = shards?;
            Some(parameters.iter().map(|parameter| shards.padded(parameter)).collect::<Vec<_>>())
        };
        let (of_model, padded) = (padded_of(&packed(scenario, &model)), padded_of(trained));
        let local = match scenario.parallel.scheme() {
            Some(DataParallel::DdpZero1) => {
                let ranks = scenario.parallel.gpus.get();
                let rank = if scenario.parallel.is_last_rank { ranks - 1 } else { 0 };
                Some(owned(trained, &scenario.model.architecture, ranks, rank))
            }
            _ => shards.map(|shards| trained.iter().map(|p| shards.local(p)).collect()),
        };
        let (shards, padded, local) = match Zero::of(scenario) {
            Some(zero) => {
                let updated = if zero.settings.offload_optimizer { 0 } else { zero.partition() };
                // ZeRO-3's part is no parameter of the model.
                let none = || (zero.stage == 3).then(Vec::new);
                (none(), none(), Some(vec![Zero::updated(updated)]))
            }
            // What lives in host memory is none of the GPU's.
            None if scenario.parallel.is_offloaded() => {
                (Some(Vec::new()), Some(Vec::new()), Some(Vec::new()))
            }
            None => (of_model, padded, local),
        };
        let tensor = TensorParallel::of(scenario).filter(|split| !split.is_sharded());
        let is_tied = architecture.tied;
        let gradients = tensor.map(|split| trained.iter().map(|p| split.gradient(p, is_tied)).collect());
        Self { shards, padded, gradients, local, model, adapters, own, with_states }
    }

    pub(crate) fn trained(&self) -> &[Parameter] {
        self.adapters.as_ref().unwrap_or(&self.own)
    }

    /// What this rank allocates of the model.
    pub(crate) fn of_model(&self) -> &[Parameter] {
        self.shards.as_deref().unwrap_or(&self.model)
    }

    /// What this rank allocates of the adapters; none where the model itself is trained.
    pub(crate) fn of_adapters(&self) -> &[Parameter] {
        if self.adapters.is_some() { self.allocated() } else { &[] }
    }

    /// What the model holds that isn't trained, whole, as FSDP gathers it.
    pub(crate) fn frozen(&self, scenario: &Scenario) -> Vec<Parameter> {
        let is_trained = |parameter: &&Parameter| self.trained().iter().any(|own| own.name == parameter.name);
        let frozen: Vec<Parameter> =
            self.model.iter().filter(|parameter| !is_trained(parameter)).copied().collect();
        packed(scenario, &frozen)
    }

    /// Whether this rank has shards of the model.
    pub(crate) const fn are_sharded(&self) -> bool {
        self.shards.is_some()
    }

    /// What this rank allocates of what is trained: whole tensors, or shards with their padding.
    pub(crate) fn allocated(&self) -> &[Parameter] {
        self.padded.as_deref().unwrap_or(self.trained())
    }

    /// The gradients that this rank holds until the optimizer's step.
    pub(crate) fn gradients(&self) -> &[Parameter] {
        self.gradients.as_deref().unwrap_or(self.allocated())
    }

    /// What this rank's optimizer has states of.
    pub(crate) fn with_states(&self) -> &[Parameter] {
        self.with_states.as_deref().unwrap_or(self.updated())
    }

    /// What this rank's optimizer updates.
    pub(crate) fn updated(&self) -> &[Parameter] {
        self.local.as_deref().unwrap_or(self.trained())
    }
}

/// Parameters as FSDP sees them.
fn packed(scenario: &Scenario, parameters: &[Parameter]) -> Vec<Parameter> {
    if scenario.quantised_base() == QuantisedBase::None {
        return parameters.to_vec();
    }
    parameters.iter().map(Quantised::packed).collect()
}

/// Trainable parameters.
pub(crate) fn trained_elements(scenario: &Scenario) -> u64 {
    let whole = scenario.architecture();
    model::elements(Parameters::of_model_of(scenario, &whole).trained(), &whole)
}
