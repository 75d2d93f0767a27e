//! Which of the model's own parameters are trained.

use super::{Key, always, is_set, unknown};
use crate::link::count;
use crate::scenario::{FrozenLayers, Scenario, TrainedKinds, limits};

pub(super) const KEYS: &[Key] = &[
    flag!("freeze_embedding", |s| s.freezing.embedding).when(is_on).asked(trains_the_model),
    choice!("freeze_layers", FrozenLayers, |s| s.freezing.layers).when(is_on).asked(trains_the_model),
    number!("freeze_count", limits::LAYERS, |s| s.freezing.count)
        .when(|s| s.freezing.layers.has_count())
        .asked(|s| s.freezing.layers.has_count() && trains_the_model(s)),
    flag!("freeze_head", |s| s.freezing.head).when(is_on).asked(trains_the_model),
    choice!("trained_kinds", TrainedKinds, |s| s.freezing.kinds).when(is_on).asked(trains_the_model),
];

fn is_on(scenario: &Scenario) -> bool {
    scenario.freezing.is_on()
}

/// Adapters leave none of the model's own parameters to be frozen.
fn trains_the_model(scenario: &Scenario) -> bool {
    !scenario.lora.is_on()
}
