//! Where everything of the picture stands, in CSS pixels. Both axes are logarithmic: a straight slope halves with each doubling.

use vram_core::units::{Bytes, Count};

const HEIGHT: i32 = 300;
/// Room for the numbers of GPUs beneath, and above the highest line.
const FOOT: i32 = 26;
const HEAD: i32 = 12;
/// Room for sizes at the left.
const LEFT: i32 = 68;
/// Room for half of the last number.
const RIGHT: i32 = 22;

/// What the picture shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalingInput {
    /// The lines: number of GPUs and bytes on each.
    pub curves: Vec<Vec<(Count, Bytes)>>,
    /// The line of the scenario's own way.
    pub own: Option<usize>,
    /// The scenario's number of GPUs.
    pub gpus: Count,
    /// The GPU's memory, drawn as a line.
    pub capacity: Bytes,
}

/// A line's points, from left to right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where they stand.
    pub points: Vec<(i32, i32)>,
    /// Whether it is the scenario's own.
    pub is_own: bool,
}

/// A mark of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick<T> {
    /// What it says.
    pub value: T,
    /// Where it stands.
    pub at: i32,
}

/// Everything's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalingLayout {
    /// Width of the whole.
    pub width: i32,
    /// Height of the whole.
    pub height: i32,
    /// Left edge of the lines, and their lower end.
    pub origin: (i32, i32),
    /// The lines.
    pub lines: Vec<Line>,
    /// Numbers of GPUs along the foot.
    pub gpus: Vec<Tick<Count>>,
    /// Sizes along the left.
    pub sizes: Vec<Tick<Bytes>>,
    /// Where the capacity's line stands.
    pub capacity: i32,
    /// Where the scenario's number of GPUs stands.
    pub own: i32,
}

/// Sixteenths of a doubling, rounded: fine enough for pixels, without floating point.
fn log2(n: u64) -> i64 {
    let whole = n.max(1).ilog2();
    let mut log = i64::from(whole) * 16;
    // The remainder between 1 and 2, squared four times: each time a binary digit.
    let mut rest = u128::from(n.max(1)) << 32 >> whole;
    for digit in [8, 4, 2, 1] {
        rest = (rest * rest) >> 32;
        if rest >= 2 << 32 {
            rest >>= 1;
            log += digit;
        }
    }
    log
}

struct Axis {
    from: i64,
    to: i64,
    start: i32,
    length: i32,
}

impl Axis {
    fn at(&self, n: u64) -> i32 {
        let range = (self.to - self.from).max(1);
        let along = (log2(n) - self.from).clamp(0, range) * i64::from(self.length) / range;
        self.start + i32::try_from(along).unwrap_or(self.length)
    }
}

/// Places everything in `width` CSS pixels.
pub fn scaling_layout(input: &ScalingInput, width: i32) -> ScalingLayout {
    let width = width.clamp(160, 10_000);
    let all = || input.curves.iter().flatten();
    let most = all().map(|(gpus, _)| gpus.get()).max().unwrap_or(1).max(2);
    let sizes = || all().map(|(_, bytes)| bytes.get()).chain([input.capacity.get()]);
    let (low, high) = (sizes().min().unwrap_or(1), sizes().max().unwrap_or(2));
    let x = Axis { from: 0, to: log2(most), start: LEFT, length: width - LEFT - RIGHT };
    let floor = HEIGHT - FOOT;
    let up = Axis { from: log2(low) - 8, to: log2(high), start: 0, length: floor - HEAD };
    let y = |bytes: u64| floor - up.at(bytes);
    let line = |(index, curve): (usize, &Vec<(Count, Bytes)>)| Line {
        points: curve.iter().map(|(gpus, bytes)| (x.at(gpus.get()), y(bytes.get()))).collect(),
        is_own: input.own == Some(index),
    };
    let doublings = |from: u64, to: u64| {
        std::iter::successors(Some(from.max(1)), |n| n.checked_mul(2)).take_while(move |&n| n <= to)
    };
    let is_room = width > 480;
    let gpus = doublings(1, most).enumerate().filter(|(index, _)| is_room || index % 2 == 0);
    let count = |n: u64| Count::new(u32::try_from(n).unwrap_or(u32::MAX));
    // Powers of two, every other one where there are many.
    let step = if high / low.max(1) > 64 { 2 } else { 1 };
    let marks =
        (20..60).step_by(step).map(|power| 1_u64 << power).filter(|&bytes| bytes >= low && bytes <= high);
    ScalingLayout {
        width,
        height: HEIGHT,
        origin: (LEFT, floor),
        lines: input.curves.iter().enumerate().map(line).collect(),
        gpus: gpus.map(|(_, n)| Tick { value: count(n), at: x.at(n) }).collect(),
        sizes: marks.map(|bytes| Tick { value: Bytes::new(bytes), at: y(bytes) }).collect(),
        capacity: y(input.capacity.get()),
        own: x.at(input.gpus.get()),
    }
}
