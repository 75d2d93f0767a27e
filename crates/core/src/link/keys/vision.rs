//! Images of a sample, and how a vision tower is trained.

use super::{Key, always, is_set};
use crate::link::count;
use crate::scenario::{Scenario, limits};

pub(super) const KEYS: &[Key] = &[
    number!("images", limits::IMAGES, |s| s.vision.images).when(has_tower),
    flag!("frozen_tower", |s| s.vision.frozen_tower).when(has_tower),
];

fn has_tower(scenario: &Scenario) -> bool {
    scenario.model.architecture.tower.is_some()
}
