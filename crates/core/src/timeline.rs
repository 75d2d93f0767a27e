//! Memory over time: loading the model, a first step, and a second one, layer by layer.
//!
//! Each moment stands at its largest, so that the peak of the timeline is the estimate's. The first step has no optimizer states
//! before its end, and no gradients of a step before.

use crate::error::Error;
use crate::estimate::InstantTotal;
use crate::ledger::{Category, Entry, Instant, InstantSet};
use crate::scenario::{Scenario, ZeroGrad};
use crate::step::{self, Looked};
use crate::totals::Totals;
use crate::units::Bytes;

/// A moment of a run. Layers count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// The model has been made, nothing has run.
    Load,
    /// Completions are generated.
    Generation,
    /// Completions are scored.
    Scoring,
    /// Forward of a layer.
    Forward(u64),
    /// Final norm, logits and loss.
    Loss,
    /// Backward through loss, logits and final norm.
    BackwardHead,
    /// Backward of a layer.
    Backward(u64),
    /// Backward through the embedding.
    BackwardEmbedding,
    /// Inside `optimizer.step()`.
    OptimizerStep,
}

impl Moment {
    /// The instant of the ledger whose tensors are alive at this moment; loading has none.
    pub const fn instant(self) -> Option<Instant> {
        match self {
            Self::Load => None,
            Self::Generation => Some(Instant::Generation),
            Self::Scoring => Some(Instant::Scoring),
            Self::Forward(_) => Some(Instant::Forward),
            Self::Loss => Some(Instant::Loss),
            Self::BackwardHead => Some(Instant::BackwardHead),
            Self::Backward(_) => Some(Instant::BackwardLastVisited),
            Self::BackwardEmbedding => Some(Instant::BackwardEmbedding),
            Self::OptimizerStep => Some(Instant::OptimizerStep),
        }
    }
}

/// Which step a moment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepNumber {
    /// The first one, which makes the optimizer's states at its end.
    First,
    /// Any later one.
    Later,
}

/// What is alive at a moment, at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Of which step.
    pub step: StepNumber,
    /// When.
    pub moment: Moment,
    /// Requested bytes by category, in the order of [`Category::ALL`].
    pub categories: [Bytes; Category::ALL.len()],
}

impl Point {
    /// All categories together.
    pub fn total(&self) -> Bytes {
        self.categories.iter().copied().sum()
    }
}

/// The moments in order of time.
pub(crate) fn points(
    scenario: &Scenario,
    instants: &[InstantTotal; Instant::ALL.len()],
    layers: &[LayerTotals],
) -> Vec<Point> {
    let mut points = Vec::with_capacity(4 * layers.len() + 9);
    let at = |instant: Instant| instants[instant.index()].categories;
    let mut loaded = Totals::default();
    // What is there at every moment of the run.
    for category in [Category::Parameters, Category::MasterWeights, Category::ReferenceModel] {
        let present = instants.iter().filter(|total| total.requested > Bytes::ZERO);
        loaded.put(category, present.map(|total| total.category(category)).min().unwrap_or_default());
    }
    let has = |instant| at(instant).iter().any(|&bytes| bytes > Bytes::ZERO);
    points.push(Point { step: StepNumber::First, moment: Moment::Load, categories: loaded.categories() });
    for step in [StepNumber::First, StepNumber::Later] {
        let mut push = |moment, categories: [Bytes; Category::ALL.len()]| {
            let categories =
                if step == StepNumber::First { before(scenario, moment, categories) } else { categories };
            points.push(Point { step, moment, categories });
        };
        for (moment, instant) in
            [(Moment::Generation, Instant::Generation), (Moment::Scoring, Instant::Scoring)]
        {
            if has(instant) {
                push(moment, at(instant));
            }
        }
        if !has(Instant::Forward) {
            continue;
        }
        for (index, layer) in (0..layers.len() as u64).zip(layers) {
            push(Moment::Forward(index), layer.forward.categories());
        }
        push(Moment::Loss, at(Instant::Loss));
        if has(Instant::BackwardHead) {
            push(Moment::BackwardHead, at(Instant::BackwardHead));
            for (index, layer) in layers.iter().enumerate().rev().map(|(index, layer)| (index as u64, layer))
            {
                push(Moment::Backward(index), layer.backward.categories());
            }
            push(Moment::BackwardEmbedding, at(Instant::BackwardEmbedding));
        }
        push(Moment::OptimizerStep, at(Instant::OptimizerStep));
    }
    points
}

/// The same in the first step.
fn before(
    scenario: &Scenario,
    moment: Moment,
    mut categories: [Bytes; Category::ALL.len()],
) -> [Bytes; Category::ALL.len()] {
    if moment != Moment::OptimizerStep {
        categories[Category::OptimizerStates.index()] = Bytes::ZERO;
    }
    let is_forward = matches!(moment, Moment::Forward(_) | Moment::Loss);
    if is_forward
        && scenario.zero_grad == ZeroGrad::BeforeBackward
        && scenario.gradient_accumulation.get() == 1
    {
        categories[Category::Gradients.index()] = Bytes::ZERO;
    }
    categories
}

/// What is alive while a layer runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LayerTotals {
    pub(crate) forward: Totals,
    pub(crate) backward: Totals,
}

impl LayerTotals {
    /// Of each layer what is more in one of two walks, as [`crate::account::Account::take_larger`] does of each instant.
    pub(crate) fn take_larger(layers: &mut Vec<Self>, others: &[Self]) {
        let larger = |one: Totals, other: Totals| if other.sum() > one.sum() { other } else { one };
        for (layer, other) in layers.iter_mut().zip(others) {
            layer.forward = larger(layer.forward, other.forward);
            layer.backward = larger(layer.backward, other.backward);
        }
        layers.extend(others.iter().skip(layers.len()).copied());
    }
}

/// The tensors that are alive at a moment of a later step.
///
/// # Errors
/// Those of [`crate::estimate`].
pub fn alive_at(scenario: &Scenario, moment: Moment) -> Result<Vec<Entry>, Error> {
    scenario.validate()?;
    let looked = match moment {
        Moment::Forward(layer) | Moment::Backward(layer) => Looked::At(layer),
        _ => Looked::Largest,
    };
    let account = step::account(scenario, looked);
    let mut entries = account.entries();
    match moment.instant() {
        Some(instant) => entries.retain(|entry| entry.instants.contains(instant)),
        None => entries.retain(|entry| is_loaded(entry, account.present())),
    }
    Ok(entries)
}

/// Of what is alive at a moment of a later step, keeps what is alive in the first one.
pub fn keep_first_step(scenario: &Scenario, moment: Moment, entries: &mut Vec<Entry>) {
    let is_there = |category: Category| {
        let mut one = [Bytes::ZERO; Category::ALL.len()];
        one[category.index()] = Bytes::new(1);
        before(scenario, moment, one)[category.index()] > Bytes::ZERO
    };
    entries.retain(|entry| is_there(entry.category));
}

fn is_loaded(entry: &Entry, present: InstantSet) -> bool {
    let is_of_model =
        matches!(entry.category, Category::Parameters | Category::MasterWeights | Category::ReferenceModel);
    is_of_model && entry.instants.contains_all(present)
}
