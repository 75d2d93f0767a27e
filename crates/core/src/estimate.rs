//! The answer to a scenario: entries, instants, peak, and the three figures.

use crate::allocator;
use crate::error::Error;
use crate::host::Host;
use crate::ledger::{Category, Entry, Instant};
use crate::notice::Notice;
use crate::replay::replay;
use crate::scenario::Scenario;
use crate::step;
pub use crate::step::Rank;
use crate::timeline::{self, Point};
use crate::units::Bytes;

/// What is alive at one instant, by category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstantTotal {
    /// Which.
    pub instant: Instant,
    /// By category, in the order of [`Category::ALL`].
    pub categories: [Bytes; Category::ALL.len()],
    /// Sum of requested bytes.
    pub requested: Bytes,
    /// The same with the caching allocator's rounding (`max_memory_allocated`).
    pub allocated: Bytes,
}

impl InstantTotal {
    /// Bytes of one category.
    pub fn category(&self, category: Category) -> Bytes {
        self.categories.get(category.index()).copied().unwrap_or_default()
    }
}

/// A figure that is known within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// Hardly ever less.
    pub low: Bytes,
    /// Most likely.
    pub likely: Bytes,
    /// Hardly ever more.
    pub high: Bytes,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Named tensors with lifetimes.
    pub entries: Vec<Entry>,
    /// Every instant, in the order of [`Instant::ALL`]; nothing is alive at those that the run doesn't have.
    pub instants: [InstantTotal; Instant::ALL.len()],
    /// The instant at which most is alive.
    pub peak: Instant,
    /// What was assumed.
    pub notices: Vec<Notice>,
    /// Trainable parameters.
    pub parameters: u64,
    /// Memory over time, layer by layer.
    pub timeline: Vec<Point>,
    /// The most that the caching allocator counts (`max_memory_allocated`).
    pub allocated: Bytes,
    /// What the caching allocator holds (`max_memory_reserved`).
    pub reserved: Band,
    /// What is taken on the device: reserved plus the CUDA context.
    pub device: Band,
    /// Optimizer states in unified memory (`cudaMallocManaged`): in none of the other figures, on the host until a step asks for them.
    pub paged: Bytes,
    /// What is offloaded to the host: in none of the other figures.
    pub host: Host,
}

impl Estimate {
    /// The totals at an instant.
    pub fn at(&self, instant: Instant) -> &InstantTotal {
        &self.instants[instant.index()]
    }

    /// The instants that the run has, in order of time.
    pub fn present(&self) -> impl Iterator<Item = &InstantTotal> {
        self.instants.iter().filter(|total| total.requested > Bytes::ZERO)
    }

    /// The totals at the peak.
    pub fn at_peak(&self) -> &InstantTotal {
        self.at(self.peak)
    }

    /// The entries that are alive at an instant.
    pub fn alive(&self, instant: Instant) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.instants.contains(instant))
    }
}

/// Accounts for one training run.
///
/// # Errors
/// [`Error::OutOfRange`], [`Error::NotDivisible`] or [`Error::Unsupported`] where a field of the scenario can't be;
/// [`Error::TooLarge`] where a figure would reach an exbibyte.
pub fn estimate(scenario: &Scenario) -> Result<Estimate, Error> {
    scenario.validate()?;
    let (account, layers) = step::account_and_layers(scenario);
    let entries = account.entries();
    let instants = Instant::ALL.map(|instant| total(instant, &entries));
    if instants.iter().any(|total| total.allocated >= Bytes::LIMIT) {
        return Err(Error::TooLarge);
    }
    let peak = peak(&instants);
    let allocated = instants.iter().map(|total| total.allocated).max().unwrap_or_default();
    let reserved = allocator::reserved(allocated);
    Ok(Estimate {
        entries,
        instants,
        peak,
        notices: Notice::of(scenario),
        parameters: step::trained_elements(scenario),
        timeline: timeline::points(scenario, &instants, &layers),
        allocated,
        reserved,
        device: allocator::device(reserved),
        paged: step::paged(scenario),
        host: Host::of(scenario),
    })
}

/// What each kind of rank of a pipeline holds and needs, the most loaded first; nothing without a pipeline.
///
/// # Errors
/// Those of [`estimate`] where a field can't be.
pub fn ranks(scenario: &Scenario) -> Result<Vec<Rank>, Error> {
    scenario.validate()?;
    Ok(step::ranks(scenario))
}

/// The stage of the pipeline that an [`estimate`] is of, from 1: the one that is asked for, or the first of the fullest.
///
/// # Errors
/// Those of [`estimate`] where a field can't be.
pub fn stage(scenario: &Scenario) -> Result<u64, Error> {
    let fullest = ranks(scenario)?.first().map_or(1, |rank| rank.stage);
    Ok(scenario.parallel.mesh.looked_at().map_or(fullest, |stage| stage + 1))
}

/// An [`estimate`] with what a [`replay`] of two steps through the caching allocator says of allocated and reserved memory. It takes a
/// millisecond or two instead of some 20 µs. Of a model with more layers than any has, the quick figures remain.
///
/// # Errors
/// Those of [`estimate`].
pub fn estimate_with_replay(scenario: &Scenario) -> Result<Estimate, Error> {
    let mut estimate = estimate(scenario)?;
    if let Some(replay) = replay(scenario) {
        estimate.allocated = replay.allocated;
        estimate.reserved = allocator::reserved_near(replay.reserved, replay.allocated);
        estimate.device = allocator::device(estimate.reserved);
    }
    Ok(estimate)
}

fn total(instant: Instant, entries: &[Entry]) -> InstantTotal {
    let mut categories = [Bytes::ZERO; Category::ALL.len()];
    let mut rounding = Bytes::ZERO;
    for entry in entries.iter().filter(|entry| entry.instants.contains(instant)) {
        if let Some(sum) = categories.get_mut(entry.category.index()) {
            *sum += entry.bytes();
        }
        rounding += entry.rounding;
    }
    let requested = categories.iter().copied().sum();
    InstantTotal { instant, categories, requested, allocated: requested + rounding }
}

/// The first of the largest.
fn peak(instants: &[InstantTotal]) -> Instant {
    let mut peak = Instant::Forward;
    let mut most = Bytes::ZERO;
    for total in instants {
        if total.requested > most {
            (peak, most) = (total.instant, total.requested);
        }
    }
    peak
}
