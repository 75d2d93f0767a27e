//! What the caching allocator takes from the driver (`max_memory_reserved`), from the run itself: its allocations and frees are played, in
//! the order in which PyTorch makes them, through a model of the allocator.
//!
//! The order within a block comes from the tape, so that reserved memory follows from the same rules as the ledger. What is not
//! played: tensors of a few bytes, and copies that the framework makes while it loads a model, whose cache is emptied before training.

mod caching;
mod sequence;

use crate::error::Error;
use crate::plan::Pass;
use crate::scenario::Scenario;
use crate::step::{Blocks, Parameters};
use crate::units::Bytes;
use sequence::Player;

/// What the allocator says after two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// `max_memory_allocated()` of the second step.
    pub allocated: Bytes,
    /// `max_memory_reserved()`
    pub reserved: Bytes,
}

/// Plays two steps of a training run through the allocator. Takes a millisecond or two, much longer than [`crate::estimate`].
///
/// # Errors
/// Those of [`crate::estimate`].
pub fn replay(scenario: &Scenario) -> Result<Replay, Error> {
    crate::estimate(scenario)?;
    let later_pass = Pass::of_policy(scenario);
    let first_pass = Pass { accumulates: false, ..later_pass.clone() };
    let parameters = Parameters::of(scenario);
    let first = Blocks::of_policy(scenario, &first_pass);
    let later = later_pass.accumulates.then(|| Blocks::of_policy(scenario, &later_pass));
    let later = later.as_ref().unwrap_or(&first);
    let mut player = Player::new(scenario, &first_pass, &parameters);
    player.load();
    player.step(&first, later, true);
    player.allocator.forget_most_allocated();
    player.step(&first, later, false);
    Ok(Replay { allocated: player.allocator.most_allocated(), reserved: player.allocator.most_reserved() })
}
