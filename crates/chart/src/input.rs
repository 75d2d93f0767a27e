//! What the chart shows.

use vram_core::ledger::{Category, Instant};
use vram_core::units::Bytes;

/// A part of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    /// The bar.
    pub instant: Instant,
    /// The part.
    pub category: Category,
}

/// A bar with its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its instant.
    pub instant: Instant,
    /// Sizes, in the order of [`Category::ALL`].
    pub segments: [Bytes; Category::ALL.len()],
    /// Its name.
    pub label: String,
    /// Its total, as it is shown.
    pub value: String,
    /// Whether it is the peak.
    pub is_peak: bool,
}

impl Bar {
    /// The sum of its segments.
    pub fn total(&self) -> Bytes {
        self.segments.iter().copied().sum()
    }
}

/// What the chart shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The bars, from top to bottom.
    pub bars: Vec<Bar>,
    /// Totals of the same bars before the last change, drawn as outlines behind them.
    pub ghost: Option<Vec<Bytes>>,
    /// The GPU's memory, drawn as a line.
    pub capacity: Bytes,
    /// The line's text.
    pub capacity_label: String,
    /// The categories' names, for a picture that stands alone.
    pub legend: Vec<(Category, String)>,
    /// The segment that is looked at.
    pub selected: Option<Segment>,
}

impl Input {
    /// The segments that are not empty, bar by bar: the order of the keyboard.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        self.bars.iter().flat_map(|bar| {
            Category::ALL
                .into_iter()
                .zip(bar.segments)
                .filter(|(_, bytes)| *bytes > Bytes::ZERO)
                .map(|(category, _)| Segment { instant: bar.instant, category })
        })
    }

    /// The segment that an arrow key leads to: `bars` down (or up), `segments` right (or left). Without a selection, the largest
    /// segment of the peak.
    pub fn moved(&self, bars: i32, segments: i32) -> Option<Segment> {
        let Some(from) = self.selected else {
            return self.start();
        };
        let row = self.bars.iter().position(|bar| bar.instant == from.instant)?;
        let target = self.bars.get(step(row, bars, self.bars.len()))?;
        let filled: Vec<Category> = Category::ALL
            .into_iter()
            .zip(target.segments)
            .filter(|(_, bytes)| *bytes > Bytes::ZERO)
            .map(|(category, _)| category)
            .collect();
        let place = filled.iter().rposition(|category| *category <= from.category).unwrap_or(0);
        let category = *filled.get(step(place, segments, filled.len()))?;
        Some(Segment { instant: target.instant, category })
    }

    fn start(&self) -> Option<Segment> {
        let bar = self.bars.iter().find(|bar| bar.is_peak)?;
        let (category, _) = Category::ALL.into_iter().zip(bar.segments).max_by_key(|(_, bytes)| *bytes)?;
        Some(Segment { instant: bar.instant, category })
    }
}

/// `by` places on, within `len` places.
fn step(from: usize, by: i32, len: usize) -> usize {
    let by_places = usize::try_from(by.unsigned_abs()).unwrap_or(0);
    let to = if by < 0 { from.saturating_sub(by_places) } else { from.saturating_add(by_places) };
    to.min(len.saturating_sub(1))
}
