//! What every picture draws with, on any plotters backend.

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingAreaErrorKind, DrawingBackend, Rectangle};
use plotters::style::{Color as _, RGBColor};

use crate::layout::Rect;

/// Done, or what the backend says.
pub(crate) type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// A dash of a dashed line, and how far one begins from another.
const DASH: i32 = 6;
const PERIOD: usize = 10;

/// Draws in CSS pixels on an area of device pixels; `scale` is how many of these one is.
pub(crate) struct Pen<'a, DB: DrawingBackend> {
    pub(crate) area: &'a DrawingArea<DB, Shift>,
    pub(crate) scale: f64,
}

impl<DB: DrawingBackend> Pen<'_, DB> {
    /// CSS pixels to device pixels.
    #[expect(clippy::cast_possible_truncation, reason = "a layout is at most some thousand pixels wide")]
    pub(crate) fn px(&self, css: i32) -> i32 {
        (f64::from(css) * self.scale).round() as i32
    }

    /// A filled rectangle.
    pub(crate) fn fill(&self, rect: Rect, colour: RGBColor) -> Drawn<DB> {
        let corners = [(self.px(rect.left), self.px(rect.top)), (self.px(rect.right), self.px(rect.bottom))];
        self.area.draw(&Rectangle::new(corners, colour.filled()))
    }

    /// The sides of a rectangle, inside of it.
    pub(crate) fn frame(&self, rect: Rect, colour: RGBColor, width: i32) -> Drawn<DB> {
        let Rect { left, top, right, bottom } = rect;
        for side in [
            Rect { bottom: top + width, ..rect },
            Rect { top: bottom - width, ..rect },
            Rect { right: left + width, ..rect },
            Rect { left: right - width, ..rect },
        ] {
            self.fill(side, colour)?;
        }
        Ok(())
    }

    /// A dashed line from top to bottom.
    pub(crate) fn dashes_down(&self, x: i32, from: i32, to: i32, colour: RGBColor) -> Drawn<DB> {
        for top in (from..to).step_by(PERIOD) {
            self.fill(Rect { left: x - 1, top, right: x + 1, bottom: (top + DASH).min(to) }, colour)?;
        }
        Ok(())
    }

    /// A dashed line from left to right.
    pub(crate) fn dashes_across(&self, y: i32, from: i32, to: i32, colour: RGBColor) -> Drawn<DB> {
        for left in (from..to).step_by(PERIOD) {
            self.fill(Rect { left, top: y - 1, right: (left + DASH).min(to), bottom: y + 1 }, colour)?;
        }
        Ok(())
    }
}
