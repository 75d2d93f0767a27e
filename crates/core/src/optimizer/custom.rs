//! Any other optimizer, by bytes per parameter.

use super::{Held, Updated};
use crate::ledger::{Category, Symbol, What};
use crate::model::Parameter;
use crate::units::{Dtype, PerParameter};

/// What a reader says that the states take.
pub(super) fn states(updated: &Updated<'_>) -> Vec<Held> {
    vec![bytes(updated, Category::OptimizerStates, What::State, updated.settings.state_bytes)]
}

/// What a reader says that a step takes of all parameters at once.
pub(super) fn step(updated: &Updated<'_>) -> Vec<Held> {
    vec![bytes(updated, Category::Temporaries, What::StepCopy, updated.settings.step_bytes)]
}

fn bytes(updated: &Updated<'_>, category: Category, what: What, each: PerParameter) -> Held {
    updated.held(
        category,
        what,
        Symbol::Number,
        Dtype::Uint8,
        |_| true,
        |p: &Parameter| each.of(p.elements()).get(),
    )
}
