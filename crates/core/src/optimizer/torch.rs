//! `torch.optim` but for Adafactor and Muon: what `_init_group` makes, and what `_multi_tensor_*` allocates for all parameters at once.

use super::{Held, Updated, copies};
use crate::ledger::{Category, Symbol, What};
use crate::model::Parameter;
use crate::units::Dtype;

/// First and second moment (`torch/optim/adam.py`, `_init_group`). Step counters stay on the CPU.
pub(super) fn adam(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.state(What::ExpAvg), updated.state(What::ExpAvgSq)]
}

/// The same with step counters on the GPU, one fp32 number a tensor (`capturable` or `fused`).
pub(super) fn adam_counted(updated: &Updated<'_>) -> Vec<Held> {
    let mut states = adam(updated);
    states.push(numbers(updated, 1));
    states
}

/// The largest second moment so far as well.
pub(super) fn amsgrad(updated: &Updated<'_>) -> Vec<Held> {
    let mut states = adam(updated);
    states.push(updated.state(What::MaxExpAvgSq));
    states
}

/// The same with step counters on the GPU.
pub(super) fn amsgrad_counted(updated: &Updated<'_>) -> Vec<Held> {
    let mut states = amsgrad(updated);
    states.push(numbers(updated, 1));
    states
}

/// `torch/optim/sgd.py`.
pub(super) fn momentum(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.state(What::Momentum)]
}

/// `torch/optim/adamax.py`.
pub(super) fn adamax(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.state(What::ExpAvg), updated.state(What::ExpInf)]
}

/// `torch/optim/rmsprop.py`.
pub(super) fn rmsprop(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.state(What::SquareAvg)]
}

/// With a mean of gradients and momentum.
pub(super) fn rmsprop_centered(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.state(What::SquareAvg), updated.state(What::GradAvg), updated.state(What::Momentum)]
}

/// `torch/optim/adagrad.py`.
pub(super) fn adagrad(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.state(What::StateSum)]
}

/// `torch/optim/adadelta.py`.
pub(super) fn adadelta(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.state(What::SquareAvg), updated.state(What::AccDelta)]
}

/// The averaged parameters, and `step`, `eta` and `mu`, which are on the GPU always (`torch/optim/asgd.py`, `_init_group`).
pub(super) fn asgd(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.state(What::Averaged), numbers(updated, 3)]
}

/// `torch/optim/rprop.py`.
pub(super) fn rprop(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.state(What::PreviousGradient), updated.state(What::StepSize)]
}

/// The differences of `history_size` steps and gradients, the direction and the previous gradient; and what `step()` still names while
/// its closure runs forward and backward again: the flat gradient, `q` and the new direction (`torch/optim/lbfgs.py`, `LBFGS.step`).
///
/// Derived, not measured: the history is full, and `max_iter` is more than 1.
pub(super) fn lbfgs(updated: &Updated<'_>) -> Vec<Held> {
    let history = updated.settings.history.get().saturating_mul(2);
    let times = |category, what, n: u64| {
        updated.held(
            category,
            what,
            Symbol::Number,
            updated.dtype,
            |_| true,
            move |p| p.elements().saturating_mul(n),
        )
    };
    vec![
        times(Category::OptimizerStates, What::History, history),
        updated.state(What::Direction),
        updated.state(What::PreviousGradient),
        times(Category::Temporaries, What::StepCopy, 3),
    ]
}

/// `torch._foreach_sqrt(exp_avg_sq)`, of all parameters at once (`_multi_tensor_adam`, `_multi_tensor_nadam`, …).
pub(super) fn denominator(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.all(Category::Temporaries, What::StepDenominator)]
}

/// The same, with two bias corrections a tensor (`_multi_tensor_adam` with `capturable`).
pub(super) fn denominator_and_corrections(updated: &Updated<'_>) -> Vec<Held> {
    let corrections =
        updated.held(Category::Temporaries, What::Steps, Symbol::Number, Dtype::Fp32, |_| true, |_| 2);
    vec![updated.all(Category::Temporaries, What::StepDenominator), corrections]
}

/// `torch._foreach_abs(grads)` (`_multi_tensor_adamax`); `torch._foreach_add(grads, params)` (`_multi_tensor_sgd` with weight decay,
/// `_multi_tensor_asgd`).
pub(super) fn copy(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.all(Category::Temporaries, What::StepCopy)]
}

/// Square root and quotient (`_multi_tensor_adagrad`), standard deviation and delta (`_multi_tensor_adadelta`).
pub(super) fn denominator_and_copy(updated: &Updated<'_>) -> Vec<Held> {
    vec![
        updated.all(Category::Temporaries, What::StepDenominator),
        updated.all(Category::Temporaries, What::StepCopy),
    ]
}

/// `exp_avg_sq.sqrt()` and its quotient, while `denom` of the parameter before is named (`_single_tensor_adam`).
pub(super) fn denominator_in_a_loop(updated: &Updated<'_>) -> Vec<Held> {
    updated.in_a_loop(2, 1, updated.dtype)
}

/// The signs of all parameters; and of one after another which of them change, as a mask and its expansion (`sign[sign.gt(0)] = …`).
pub(super) fn rprop_step(updated: &Updated<'_>) -> Vec<Held> {
    let largest = updated.parameters.iter().map(Parameter::elements).max().unwrap_or_default();
    let signs = updated.all(Category::Temporaries, What::StepCopy);
    vec![signs, copies(1, largest, Dtype::Bool), copies(1, largest, updated.dtype)]
}

/// fp32 numbers that are kept of each tensor.
fn numbers(updated: &Updated<'_>, count: u64) -> Held {
    updated.state_of(What::Steps, Dtype::Fp32, |_| count)
}
