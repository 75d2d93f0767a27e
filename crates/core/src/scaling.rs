//! Memory per GPU against the number of GPUs: which way of spreading a run scales, and where it stops helping.

use crate::estimate::estimate;
use crate::scenario::{Scenario, Spread};
use crate::units::{Bytes, Count};

/// Numbers of GPUs that are looked at: powers of two up to this one.
const MOST: u32 = 1024;

/// A scenario's peak over the number of GPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Curve {
    /// The named way; none for the scenario's own details.
    pub spread: Option<Spread>,
    /// Number of GPUs and the peak (requested bytes) on each, where the way can be taken with that many.
    pub points: Vec<(Count, Bytes)>,
}

impl Curve {
    /// From how many GPUs twice as many save less than a tenth; none where each doubling helps.
    pub fn stops_helping(&self) -> Option<Count> {
        // Where a number between two can't be, several doublings stand between them.
        let saves_little = |pair: &&[(Count, Bytes)]| match pair {
            [(few, one), (many, two)] => {
                let doublings = (many.get() / few.get().max(1)).checked_ilog2().unwrap_or_default();
                let (one, two) = (u128::from(one.get()), u128::from(two.get()));
                two * 10_u128.pow(doublings) > one * 9_u128.pow(doublings)
            }
            _ => false,
        };
        let pairs: Vec<&[(Count, Bytes)]> = self.points.windows(2).collect();
        // From there on to the end.
        let little = pairs.iter().rev().take_while(|pair| saves_little(pair)).count();
        let at = pairs.len().saturating_sub(little);
        (little > 0).then(|| self.points.get(at).map(|&(gpus, _)| gpus)).flatten()
    }
}

/// The scenario in each named way that it can be spread in, and in its own where that has no name. Micro-batch and sequence are each GPU's.
pub fn scaling(scenario: &Scenario) -> Vec<Curve> {
    let is_named = Spread::of(scenario).is_some();
    let named = Spread::ALL.iter().copied().filter(|&spread| spread != Spread::OneGpu).map(Some);
    let own = Some(None).filter(|_| !is_named && scenario.parallel.is_on());
    let curve = |spread| Curve {
        spread,
        points: numbers().filter_map(|gpus| point(scenario, spread, gpus)).collect(),
    };
    named.chain(own).map(curve).filter(|curve| curve.points.len() > 1).collect()
}

fn numbers() -> impl Iterator<Item = Count> {
    std::iter::successors(Some(1), |gpus| Some(gpus * 2)).take_while(|&gpus| gpus <= MOST).map(Count::new)
}

fn point(scenario: &Scenario, spread: Option<Spread>, gpus: Count) -> Option<(Count, Bytes)> {
    let mut with = scenario.clone();
    with.parallel.gpus = gpus;
    match spread {
        // One GPU has nothing to spread, but computes as the framework does.
        Some(spread) if gpus == Count::ONE => {
            spread.apply(&mut with);
            Spread::OneGpu.apply(&mut with);
        }
        Some(spread) => spread.apply(&mut with),
        None => {}
    }
    Some((gpus, estimate(&with).ok()?.at_peak().requested))
}
