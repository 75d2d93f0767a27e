//! `vram accuracy`: every run of a golden file beside the estimate of the same run.

mod coverage;
mod golden;
mod measured;
mod measured_report;
mod panel;
mod report;

pub use coverage::Coverage;
pub use golden::{Golden, Unsupported, read_file};
pub use measured::{Compared, Figure, MEASURED_FIGURES, MeasuredRow, read_measured};
pub use measured_report::MeasuredReport;
pub use panel::panel;
pub use report::{Report, Row, Spread};

use vram_core::ledger::{Category, Instant, What};
use vram_core::model::parameters;
use vram_core::scenario::{Method, Optimizer, Stack};
use vram_core::units::Dtype;
use vram_core::{Estimate, Scenario};
use vram_text::{Lang, error_sentence};

/// A figure that is compared, in the order of the output.
pub const FIGURES: [&str; 9] = [
    "params",
    "grads",
    "optimizer_states",
    "forward",
    "backward",
    "optimizer_step",
    "peak_requested",
    "peak_allocated",
    "peak_reserved",
];

/// Relative errors, signed; none where the file has no such figure.
pub type Errors = [Option<f64>; FIGURES.len()];

/// What the allocator rounds small requests up to.
const BLOCK: u64 = 512;

/// Estimates a run and compares it.
pub fn compare(golden: &Golden) -> Row {
    let supported = golden.scenario.clone().and_then(|scenario| {
        let refused = |error| Unsupported(error_sentence(&error, Lang::En));
        let estimate = vram_core::estimate_with_replay(&scenario).map_err(refused)?;
        Ok(errors(golden, &estimate, &scenario))
    });
    Row { id: golden.id.clone(), label: golden.label.clone(), group: golden.group.clone(), errors: supported }
}

fn errors(golden: &Golden, estimate: &Estimate, scenario: &Scenario) -> Errors {
    let at = |instants: &[Instant]| {
        instants.iter().map(|&instant| estimate.at(instant).requested.get()).max().unwrap_or_default()
    };
    let is_training = scenario.objective.method != Method::Generate;
    let step = estimate.at(if is_training { Instant::OptimizerStep } else { Instant::Generation });
    let (gradients, states) = blocks_that_are_counted(scenario).unwrap_or_else(|| {
        // Gradients are summed when the last backward has ended, before an optimizer can replace them.
        let counted = if scenario.replaces_gradients() { Instant::BackwardEmbedding } else { step.instant };
        let gradients = estimate.at(counted).category(Category::Gradients).get();
        (gradients, states_that_are_counted(estimate, scenario.optimizer))
    });
    let ours = [
        parameters_that_are_counted(estimate, step.instant),
        gradients,
        states,
        at(&[Instant::Generation, Instant::Scoring, Instant::Forward, Instant::Loss]),
        at(&[
            Instant::BackwardHead,
            Instant::BackwardFirstVisited,
            Instant::BackwardLastVisited,
            Instant::BackwardEmbedding,
        ]),
        at(&[Instant::OptimizerStep]),
        estimate.at_peak().requested.get(),
        estimate.allocated.get(),
        estimate.reserved.likely.get(),
    ];
    let mut errors = Errors::default();
    for ((error, ours), measured) in errors.iter_mut().zip(ours).zip(golden.measured) {
        *error = measured.map(|measured| relative(ours, measured));
    }
    errors
}

/// In the runs of the older stack, `grad_bytes` and `optstate_bytes` of full fine-tuning with AdamW are sums of the allocator's blocks of
/// 512 B, while `param_bytes` and every peak are of what was requested; the estimate is counted in the same way.
fn blocks_that_are_counted(scenario: &Scenario) -> Option<(u64, u64)> {
    let counters = match scenario.optimizer {
        Optimizer::AdamWFused => BLOCK,
        Optimizer::AdamWForeach | Optimizer::AdamWForLoop => 0,
        _ => return None,
    };
    if scenario.stack != Stack::Torch26 || scenario.lora.is_on() || scenario.parallel.is_on() {
        return None;
    }
    let architecture = &scenario.model.architecture;
    let sum = |of_one: &dyn Fn(u64) -> u64| -> u64 {
        let parameters = parameters(architecture);
        parameters.iter().map(|p| of_one(p.elements()) * p.copies(architecture)).sum()
    };
    let blocks = |elements: u64, dtype: Dtype| (elements * dtype.size()).next_multiple_of(BLOCK);
    let gradients = sum(&|elements| blocks(elements, scenario.trained()));
    let states = sum(&|elements| 2 * blocks(elements, scenario.optimizer_dtype()) + counters);
    Some((gradients, states))
}

/// `param_local` sums what `parameters()` lists: of a quantised weight not the scales and tables beside it, of ZeRO-3 not a rank's part.
fn parameters_that_are_counted(estimate: &Estimate, instant: Instant) -> u64 {
    let is_beside = |what| {
        matches!(
            what,
            What::QuantScales | What::NestedScales | What::QuantTable | What::QuantOffset | What::Partition
        )
    };
    estimate
        .alive(instant)
        .filter(|entry| entry.category == Category::Parameters && !is_beside(entry.name.what))
        .map(|entry| entry.bytes().get())
        .sum()
}

/// `optstate_bytes` sums the tensors that `optimizer.state` lists. Of Muon beside AdamW that is Muon's alone: the two are joined by a
/// `ChainMap` over `defaultdict`s, whose look-up ends at the first one. Objects that hold tensors of their own (a projector, Shampoo's
/// preconditioner) are not looked into. The forward peaks of those runs have what is missing too.
fn states_that_are_counted(estimate: &Estimate, optimizer: Optimizer) -> u64 {
    let is_in_object = |what| match optimizer {
        Optimizer::Muon => what != What::Momentum,
        Optimizer::Shampoo => matches!(what, What::Preconditioner | What::GraftMomentum),
        _ => what == What::Projector,
    };
    estimate
        .alive(Instant::OptimizerStep)
        .filter(|entry| entry.category == Category::OptimizerStates)
        .filter(|entry| !is_in_object(entry.name.what))
        .map(|entry| entry.bytes().get())
        .sum()
}

#[expect(clippy::cast_precision_loss, reason = "a relative error needs a few digits")]
fn relative(ours: u64, measured: u64) -> f64 {
    if ours == measured { 0.0 } else { ours as f64 / measured.max(1) as f64 - 1.0 }
}
