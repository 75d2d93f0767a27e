//! What stands in front of a language model: the passes through a vision tower and its projector.

use super::Pass;
use crate::model::Tower;
use crate::scenario::{Padding, Scenario};
use crate::trained::Trained;

/// What stands in front of a language model.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    pub(crate) of: Tower,
    /// The pass through the vision tower: a row an image.
    pub(crate) tower: Pass,
    /// The pass through the projector: what it reads of each image.
    pub(crate) features: Pass,
}

impl Front {
    /// Whether nothing of the tower is trained.
    pub(crate) const fn is_frozen(&self) -> bool {
        !self.tower.trained.is_anything()
    }

    pub(super) fn of(scenario: &Scenario, text: &Pass, tower: Tower) -> Self {
        let architecture = tower.architecture();
        let rows = text.rows.saturating_mul(scenario.vision.images.get());
        let features = Pass {
            architecture,
            rows,
            sequence: tower.tokens(),
            attention: scenario.attention,
            padding: Padding::None,
            ..text.clone()
        };
        let of_tower = Pass {
            sequence: tower.image.positions(),
            trained: if scenario.vision.frozen_tower { Trained::NONE } else { text.trained },
            ..features.clone()
        };
        Self { of: tower, tower: of_tower, features }
    }
}
