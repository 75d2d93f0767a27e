//! Where everything of the timeline stands, in CSS pixels.

use vram_core::ledger::Category;
use vram_core::timeline::{Moment, Point, StepNumber};
use vram_core::units::Bytes;

use crate::layout::Rect;

/// Height of the picture, and of the lines of text that stand beneath it where it stands alone.
const HEIGHT: i32 = 180;
/// Room above the peak for its mark.
const HEAD: i32 = 14;

/// What the timeline shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineInput {
    /// The moments in order of time.
    pub points: Vec<Point>,
    /// The GPU's memory, drawn as a line.
    pub capacity: Bytes,
    /// The moment that is looked at.
    pub selected: Option<usize>,
}

impl TimelineInput {
    /// The first of the largest moments of a later step.
    pub fn peak(&self) -> usize {
        let later = self.points.iter().enumerate().filter(|(_, point)| point.step == StepNumber::Later);
        later.rev().max_by_key(|(_, point)| point.total()).map_or(0, |(index, _)| index)
    }
}

/// A part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The model is made.
    Load,
    /// Forward with the loss.
    Forward,
    /// Backward.
    Backward,
    /// The optimizer's step.
    Optimizer,
}

impl Phase {
    /// The phase of a moment.
    pub const fn of(moment: Moment) -> Self {
        match moment {
            Moment::Load => Self::Load,
            Moment::Generation | Moment::Scoring | Moment::Forward(_) | Moment::Loss => Self::Forward,
            Moment::BackwardHead | Moment::Backward(_) | Moment::BackwardEmbedding => Self::Backward,
            Moment::OptimizerStep => Self::Optimizer,
        }
    }
}

/// Where a phase of a step stands, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Which.
    pub phase: Phase,
    /// Of which step.
    pub step: StepNumber,
    /// Left edge.
    pub left: i32,
    /// Right edge; outside.
    pub right: i32,
    /// Its first moment.
    pub moment: Moment,
}

/// Everything's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineLayout {
    /// Width of the whole.
    pub width: i32,
    /// Height of the whole.
    pub height: i32,
    /// Left edges of the moments, and the right edge of the last one.
    pub edges: Vec<i32>,
    /// The outline of each category, from the bottom up.
    pub areas: Vec<(Category, Vec<(i32, i32)>)>,
    /// The phases, which leave no gap.
    pub spans: Vec<Span>,
    /// The peak's column, from its top to the bottom.
    pub peak: Rect,
    /// The column of the moment that is looked at.
    pub selected: Option<Rect>,
    /// Where the capacity's line stands; none where it is far above everything.
    pub capacity: Option<i32>,
}

impl TimelineLayout {
    /// The moment at a distance from the left.
    pub fn hit(&self, x: i32) -> usize {
        let last = self.edges.len().saturating_sub(2);
        self.edges.iter().skip(1).position(|&edge| x < edge).unwrap_or(last).min(last)
    }
}

/// How wide a moment is beside others: all layers of a pass together are as wide whatever their number.
fn weight(moment: Moment, layers: u64) -> u64 {
    const PASS: u64 = 240_000;
    match moment {
        Moment::Forward(_) | Moment::Backward(_) => (PASS / layers.max(1)).max(1),
        Moment::Load | Moment::Generation | Moment::Scoring | Moment::OptimizerStep => PASS / 5,
        Moment::Loss | Moment::BackwardHead => PASS / 16,
        Moment::BackwardEmbedding => PASS / 32,
    }
}

/// Places everything in `width` CSS pixels.
pub fn timeline_layout(input: &TimelineInput, width: i32) -> TimelineLayout {
    let width = width.clamp(160, 10_000);
    let edges = edges(input, width);
    let most = input.points.iter().map(Point::total).max().unwrap_or_default();
    // A card many times as large as the run would leave nothing to see.
    let shows_capacity = input.capacity <= most.times(2);
    let most = if shows_capacity { most.max(input.capacity) } else { most };
    let y = |bytes: Bytes| {
        let room = u128::from((HEIGHT - HEAD).unsigned_abs());
        let pixels = u128::from(bytes.get()) * room / u128::from(most.get().max(1));
        HEIGHT - i32::try_from(pixels).unwrap_or(HEIGHT)
    };
    let column = |index: usize| {
        let left = edges.get(index).copied().unwrap_or_default();
        let right = edges.get(index + 1).copied().unwrap_or(width);
        let top = input.points.get(index).map_or(HEIGHT, |point| y(point.total()));
        Rect { left, top, right: right.max(left + 1), bottom: HEIGHT }
    };
    TimelineLayout {
        width,
        height: HEIGHT,
        areas: areas(input, &edges, y),
        spans: spans(input, &edges),
        peak: column(input.peak()),
        selected: input.selected.filter(|&index| index < input.points.len()).map(column),
        capacity: shows_capacity.then(|| y(input.capacity)),
        edges,
    }
}

fn edges(input: &TimelineInput, width: i32) -> Vec<i32> {
    let layers =
        input.points.iter().filter(|point| matches!(point.moment, Moment::Forward(_))).count() as u64 / 2;
    let weights = || input.points.iter().map(|point| weight(point.moment, layers));
    let whole = weights().sum::<u64>().max(1);
    let pixels = u64::from(width.unsigned_abs());
    let mut sum = 0;
    let mut edges = vec![0];
    for weight in weights() {
        sum += weight;
        edges.push(i32::try_from(sum * pixels / whole).unwrap_or(width));
    }
    edges
}

/// Stacked outlines in steps: along the top from left to right, and back along what lies beneath.
fn areas(input: &TimelineInput, edges: &[i32], y: impl Fn(Bytes) -> i32) -> Vec<(Category, Vec<(i32, i32)>)> {
    let mut beneath = vec![Bytes::ZERO; input.points.len()];
    let mut areas = Vec::new();
    for category in Category::ALL {
        let sizes = || input.points.iter().map(|point| point.categories.get(category.index()).copied());
        if sizes().flatten().all(|bytes| bytes == Bytes::ZERO) {
            continue;
        }
        let tops: Vec<Bytes> =
            beneath.iter().zip(sizes()).map(|(&sum, bytes)| sum + bytes.unwrap_or_default()).collect();
        let mut outline = stairs(&tops, edges, &y);
        let mut bottom = stairs(&beneath, edges, &y);
        bottom.reverse();
        outline.extend(bottom);
        areas.push((category, outline));
        beneath = tops;
    }
    areas
}

fn stairs(heights: &[Bytes], edges: &[i32], y: impl Fn(Bytes) -> i32) -> Vec<(i32, i32)> {
    let mut line: Vec<(i32, i32)> = Vec::with_capacity(2 * heights.len());
    for (&height, edge) in heights.iter().zip(edges.windows(2)) {
        let (left, right, y) = (edge.first().copied(), edge.last().copied(), y(height));
        match line.last_mut() {
            Some(last) if last.1 == y => last.0 = right.unwrap_or_default(),
            _ => line.extend([(left.unwrap_or_default(), y), (right.unwrap_or_default(), y)]),
        }
    }
    line
}

fn spans(input: &TimelineInput, edges: &[i32]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (point, edge) in input.points.iter().zip(edges.windows(2)) {
        let (left, right) =
            (edge.first().copied().unwrap_or_default(), edge.last().copied().unwrap_or_default());
        let phase = Phase::of(point.moment);
        match spans.last_mut() {
            Some(span) if span.phase == phase && span.step == point.step => span.right = right,
            _ => spans.push(Span { phase, step: point.step, left, right, moment: point.moment }),
        }
    }
    spans
}
