//! What the caching allocator takes from the driver (`max_memory_reserved`), from the run itself: its allocations and frees are played, in
//! the order in which PyTorch makes them, through a model of the allocator.
//!
//! The order within a block comes from the tape, so that reserved memory follows from the same rules as the ledger. What is not
//! played: tensors of a few bytes, and copies that the framework makes while it loads a model, whose cache is emptied before training.

mod caching;
mod load;
mod played;
mod sequence;

use crate::plan::Pass;
use crate::scenario::{Method, Scenario};
use crate::step::{Blocks, Parameters};
use crate::units::Bytes;
use sequence::Player;

/// Models of more layers are not played: it would take longer than a reader waits.
const MOST_LAYERS: u64 = 512;

/// What the allocator says after two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replay {
    /// `max_memory_allocated()` of the second step.
    pub(crate) allocated: Bytes,
    /// `max_memory_reserved()`
    pub(crate) reserved: Bytes,
}

/// Plays two steps of a scenario that has an estimate through the allocator.
pub(crate) fn replay(scenario: &Scenario) -> Option<Replay> {
    // Of several GPUs neither the order of collectives nor their streams are followed.
    let is_played = scenario.calls() == 1
        && !matches!(scenario.objective.method, Method::Generate | Method::Ppo)
        && !scenario.parallel.is_on();
    if scenario.model.architecture.layers.get() > MOST_LAYERS || !is_played {
        return None;
    }
    let later_pass = Pass::of_policy(scenario);
    let first_pass = later_pass.clone().of_first_micro_batch();
    let parameters = Parameters::of(scenario);
    let first = Blocks::of_policy(scenario, &first_pass);
    let later = later_pass.accumulates.then(|| Blocks::of_policy(scenario, &later_pass));
    let later = later.as_ref().unwrap_or(&first);
    let mut player = Player::new(scenario, &first_pass, &parameters);
    player.load();
    player.step(&first, later, true);
    player.allocator.forget_most_allocated();
    player.step(&first, later, false);
    let allocator = player.allocator;
    Some(Replay { allocated: allocator.most_allocated(), reserved: allocator.most_reserved() })
}
