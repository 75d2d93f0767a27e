//! Optimizers outside of PyTorch whose states have the parameters' shapes.

use super::{Held, Updated, copies};
use crate::ledger::{Category, Symbol, What};
use crate::model::Parameter;
use crate::units::Dtype;

/// `google/automl`, `lion_pytorch.py`; `pytorch_optimizer`, `lion.py`.
pub(super) fn lion(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.state(What::ExpAvg)]
}

/// `exp_avg.clone()` and its sum with the gradient, while the update of the parameter before is named (`lion_pytorch.py`, `step`).
pub(super) fn lion_step(updated: &Updated<'_>) -> Vec<Held> {
    updated.in_a_loop(2, 1, updated.dtype)
}

/// `sophia-optimizer`, `sophia.py`, `SophiaG.step`. Step counters stay on the CPU.
pub(super) fn sophia(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.state(What::ExpAvg), updated.state(What::Hessian)]
}

/// `exp_avg.abs()`, the scaled Hessian, and their quotient, while the ratio of the parameter before is named
/// (`_single_tensor_sophiag`).
pub(super) fn sophia_step(updated: &Updated<'_>) -> Vec<Held> {
    updated.in_a_loop(3, 1, updated.dtype)
}

/// `pytorch_optimizer`, `lamb.py`, with three numbers a tensor: both norms and the trust ratio.
pub(super) fn lamb(updated: &Updated<'_>) -> Vec<Held> {
    vec![
        updated.state(What::ExpAvg),
        updated.state(What::ExpAvgSq),
        updated.state_of(What::Steps, updated.dtype, |_| 3),
    ]
}

/// `pytorch_optimizer`, `adan.py`, `init_group`.
pub(super) fn adan(updated: &Updated<'_>) -> Vec<Held> {
    vec![
        updated.state(What::ExpAvg),
        updated.state(What::ExpAvgSq),
        updated.state(What::ExpAvgDiff),
        updated.state(What::PreviousGradient),
    ]
}

/// `pytorch_optimizer`, `ademamix.py`, `init_group`.
pub(super) fn ademamix(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.state(What::ExpAvg), updated.state(What::SlowExpAvg), updated.state(What::ExpAvgSq)]
}

/// `schedulefree`, `adamw_schedulefree.py`: the base iterate and the second moment. The gradient itself is normalised in place.
pub(super) fn schedule_free_adamw(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.state(What::Iterate), updated.state(What::ExpAvgSq)]
}

/// `schedulefree`, `sgd_schedulefree.py`.
pub(super) fn schedule_free_sgd(updated: &Updated<'_>) -> Vec<Held> {
    vec![updated.state(What::Iterate)]
}

/// An fp32 copy of the layer's parameters and AdamW's moments of it (`badam`, `BlockOptimizer._switch_trainable_params_single_gpu`).
pub(super) fn badam(updated: &Updated<'_>) -> Vec<Held> {
    vec![
        in_fp32(updated, Category::MasterWeights, What::Master),
        updated.state_of(What::ExpAvg, Dtype::Fp32, Parameter::elements),
        updated.state_of(What::ExpAvgSq, Dtype::Fp32, Parameter::elements),
    ]
}

/// fp32 gradients, in place of those in 16 bits (`_grad_to_hp`), and AdamW's denominators.
pub(super) fn badam_step(updated: &Updated<'_>) -> Vec<Held> {
    let gradients = in_fp32(updated, Category::Temporaries, What::GradientFp32);
    let denominators = in_fp32(updated, Category::Temporaries, What::StepDenominator);
    if updated.dtype == Dtype::Fp32 { vec![denominators] } else { vec![gradients, denominators] }
}

/// Of one tensor after another: what is drawn, its multiple, that of the weight, and their sum (`zo_update`). Weights are moved and moved
/// back by less: what is drawn, two multiples of it and the tensor that takes the weight's place (`zo_perturb_parameters`). Biases and
/// norms have no decay.
pub(super) fn mezo_step(updated: &Updated<'_>) -> Vec<Held> {
    let tensors = |parameter: &Parameter| if parameter.matrix.is_some() { 4 } else { 3 };
    let size = |parameter: &&Parameter| parameter.elements().saturating_mul(tensors(parameter));
    let largest = updated.parameters.iter().max_by_key(size);
    largest.map(|largest| copies(tensors(largest), largest.elements(), updated.dtype)).into_iter().collect()
}

fn in_fp32(updated: &Updated<'_>, category: Category, what: What) -> Held {
    updated.held(category, what, Symbol::Number, Dtype::Fp32, |_| true, Parameter::elements)
}
