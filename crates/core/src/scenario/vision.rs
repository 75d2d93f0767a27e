//! Images that a sample holds, and whether the tower that reads them is trained.

use crate::units::Count;

/// What is asked of a model with a vision tower; others don't depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vision {
    /// Images of a sample; their tokens are among those of the sequence.
    pub images: Count,
    /// The tower's parameters are frozen; the projector behind it is trained.
    pub frozen_tower: bool,
}

impl Default for Vision {
    /// One image, and everything is trained.
    fn default() -> Self {
        Self { images: Count::ONE, frozen_tower: false }
    }
}
