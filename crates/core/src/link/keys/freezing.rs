//! Which of the model's own parameters are trained.

use super::{Key, always, is_set, unknown};
use crate::link::count;
use crate::scenario::{FrozenLayers, Scenario, TrainedKinds, limits};

pub(super) const KEYS: &[Key] = &[
    flag!("freeze_embedding", |s| s.freezing.embedding).when(is_on),
    choice!("freeze_layers", FrozenLayers, |s| s.freezing.layers).when(is_on),
    number!("freeze_count", limits::LAYERS, |s| s.freezing.count).when(|s| s.freezing.layers.has_count()),
    flag!("freeze_head", |s| s.freezing.head).when(is_on),
    choice!("trained_kinds", TrainedKinds, |s| s.freezing.kinds).when(is_on),
];

fn is_on(scenario: &Scenario) -> bool {
    scenario.freezing.is_on()
}
