//! Where everything stands, in CSS pixels.

use vram_core::ledger::{Category, Instant};
use vram_core::units::Bytes;

use crate::input::{Input, Segment};

/// Below this width, labels stand above their bars.
const NARROW: i32 = 560;
const LABELS: i32 = 206;
const VALUES: i32 = 96;
const GAP: i32 = 8;
const BAR: i32 = 24;
const PEAK_BAR: i32 = 32;
const LABEL_LINE: i32 = 20;
/// How far a ghost stands out above and below its bar.
const GHOST: i32 = 3;

/// A rectangle: left, top, right, bottom; right and bottom are outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub left: i32,
    /// Top edge.
    pub top: i32,
    /// Right edge.
    pub right: i32,
    /// Bottom edge.
    pub bottom: i32,
}

impl Rect {
    /// Width.
    pub const fn width(&self) -> i32 {
        self.right - self.left
    }

    const fn contains(&self, x: i32, y: i32) -> bool {
        self.left <= x && x < self.right && self.top <= y && y < self.bottom
    }
}

/// A bar's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its instant.
    pub instant: Instant,
    /// Its segments that are at least a pixel wide, from left to right, without gaps.
    pub segments: Vec<(Category, Rect)>,
    /// The outline of the total before the last change.
    pub ghost: Option<Rect>,
    /// Where its label stands.
    pub label: Rect,
    /// Where its value stands.
    pub value: Rect,
    /// Whether it is the peak.
    pub is_peak: bool,
}

/// Everything's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Width of the whole.
    pub width: i32,
    /// Height of the whole.
    pub height: i32,
    /// The bars.
    pub rows: Vec<Row>,
    /// Where the capacity's line stands; none where it is far to the right of every bar.
    pub capacity: Option<i32>,
    /// The segment that is looked at.
    pub selected: Option<(Segment, Rect)>,
    /// Whether labels stand above their bars.
    pub is_narrow: bool,
}

impl Layout {
    /// The segment at a point.
    pub fn hit(&self, x: i32, y: i32) -> Option<Segment> {
        self.rows.iter().find_map(|row| {
            let (category, _) = row.segments.iter().find(|(_, rect)| rect.contains(x, y))?;
            Some(Segment { instant: row.instant, category: *category })
        })
    }
}

/// Bytes to pixels, by rounded cumulative edges, so that segments neither overlap nor leave gaps.
struct Scale {
    left: i32,
    width: i32,
    most: u64,
}

impl Scale {
    fn of(input: &Input, left: i32, width: i32) -> Self {
        let ghost = input.ghost.iter().flatten().copied().max().unwrap_or_default();
        let largest = input.bars.iter().map(crate::Bar::total).max().unwrap_or_default().max(ghost);
        // A card many times as large as the run would leave nothing to see.
        let is_far = input.capacity > largest.times(2);
        let most = if is_far { largest } else { largest.max(input.capacity) };
        Self { left, width, most: most.get().max(1) }
    }

    fn x(&self, bytes: Bytes) -> i32 {
        let width = u128::from(self.width.unsigned_abs());
        let pixels = (u128::from(bytes.get()) * width + u128::from(self.most) / 2) / u128::from(self.most);
        self.left + i32::try_from(pixels.min(width)).unwrap_or(self.width)
    }
}

/// Places everything in `width` CSS pixels.
pub fn layout(input: &Input, width: i32) -> Layout {
    let width = width.clamp(160, 10_000);
    let is_narrow = width < NARROW;
    let (left, right) = if is_narrow { (0, width - 2) } else { (LABELS, width - VALUES) };
    let scale = Scale::of(input, left, right - left);
    let mut top = GHOST;
    let mut rows = Vec::with_capacity(input.bars.len());
    for (index, bar) in input.bars.iter().enumerate() {
        let height = if bar.is_peak { PEAK_BAR } else { BAR };
        let bar_top = if is_narrow { top + LABEL_LINE } else { top };
        let bottom = bar_top + height;
        let (label, value) = if is_narrow {
            let line = Rect { left: 0, top, right: width, bottom: bar_top };
            (Rect { right: width - VALUES, ..line }, Rect { left: width - VALUES, ..line })
        } else {
            let line = Rect { left: 0, top: bar_top, right: width, bottom };
            (Rect { right: left - 12, ..line }, Rect { left: right + 10, ..line })
        };
        let ghost = input.ghost.as_ref().and_then(|totals| totals.get(index)).map(|&total| Rect {
            left,
            top: bar_top - GHOST,
            right: scale.x(total),
            bottom: bottom + GHOST,
        });
        let segments = segments(bar, &scale, bar_top, bottom);
        rows.push(Row { instant: bar.instant, segments, ghost, label, value, is_peak: bar.is_peak });
        top = bottom + GAP;
    }
    let selected = input.selected.and_then(|segment| find(&rows, segment).map(|rect| (segment, rect)));
    let capacity = (input.capacity.get() <= scale.most).then(|| scale.x(input.capacity));
    Layout { width, height: top - GAP + GHOST, rows, capacity, selected, is_narrow }
}

fn segments(bar: &crate::Bar, scale: &Scale, top: i32, bottom: i32) -> Vec<(Category, Rect)> {
    let mut sum = Bytes::ZERO;
    let mut segments = Vec::new();
    for (category, bytes) in Category::ALL.into_iter().zip(bar.segments) {
        let left = scale.x(sum);
        sum += bytes;
        let right = scale.x(sum);
        if right > left {
            segments.push((category, Rect { left, top, right, bottom }));
        }
    }
    segments
}

fn find(rows: &[Row], segment: Segment) -> Option<Rect> {
    let row = rows.iter().find(|row| row.instant == segment.instant)?;
    row.segments.iter().find(|(category, _)| *category == segment.category).map(|(_, rect)| *rect)
}
