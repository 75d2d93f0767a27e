//! Puts a layout on a plotters backend.

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingAreaErrorKind, DrawingBackend, Rectangle};
use plotters::style::{Color as _, RGBColor};
use vram_core::ledger::Category;

use crate::layout::{Layout, Rect};
use crate::theme::Theme;

/// Whether labels, values and the capacity's text are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// No: the page has them as elements, which a reader can select, zoom and hear.
    Elsewhere,
    /// Yes, for a picture that stands alone: labels and values bar by bar, and the capacity.
    Drawn {
        /// Label and value of each bar.
        bars: &'a [(String, String)],
        /// The capacity's text.
        capacity: &'a str,
    },
}

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// Draws bars, outlines of what was before, the capacity and the selection; `scale` is device pixels a CSS pixel.
///
/// # Errors
/// Those of the backend.
pub fn draw<DB: DrawingBackend>(
    layout: &Layout,
    theme: &Theme,
    scale: f64,
    text: Text<'_>,
    area: &DrawingArea<DB, Shift>,
) -> Drawn<DB> {
    area.fill(&theme.background)?;
    let pen = Pen { area, scale };
    for row in &layout.rows {
        if let Some(ghost) = row.ghost {
            pen.fill(ghost, theme.ghost)?;
            pen.frame(ghost, theme.soft, 1)?;
        }
        for (category, rect) in &row.segments {
            pen.segment(*category, *rect, theme)?;
        }
    }
    if let Some(x) = layout.capacity {
        if layout.is_narrow {
            // Values stand above their bars; the line would strike them through.
            for row in &layout.rows {
                let bottom = row.segments.first().map_or(row.value.bottom, |(_, rect)| rect.bottom);
                pen.dashes(x, row.value.bottom, bottom, theme.ink)?;
            }
        } else {
            pen.dashes(x, 0, layout.height, theme.ink)?;
        }
    }
    if let Some((_, rect)) = layout.selected {
        pen.frame(rect, theme.ink, 2)?;
    }
    #[cfg(feature = "svg")]
    crate::svg::texts(layout, theme, text, area)?;
    #[cfg(not(feature = "svg"))]
    let _ = text;
    Ok(())
}

struct Pen<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    scale: f64,
}

impl<DB: DrawingBackend> Pen<'_, DB> {
    /// CSS pixels to device pixels.
    #[expect(clippy::cast_possible_truncation, reason = "a layout is at most some thousand pixels wide")]
    fn px(&self, css: i32) -> i32 {
        (f64::from(css) * self.scale).round() as i32
    }

    fn fill(&self, rect: Rect, colour: RGBColor) -> Drawn<DB> {
        let corners = [(self.px(rect.left), self.px(rect.top)), (self.px(rect.right), self.px(rect.bottom))];
        self.area.draw(&Rectangle::new(corners, colour.filled()))
    }

    /// A segment, with a hairline of background between it and the next.
    fn segment(&self, category: Category, rect: Rect, theme: &Theme) -> Drawn<DB> {
        let hairline = i32::from(rect.width() > 3);
        self.fill(Rect { right: rect.right - hairline, ..rect }, theme.category(category))
    }

    fn frame(&self, rect: Rect, colour: RGBColor, width: i32) -> Drawn<DB> {
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

    fn dashes(&self, x: i32, from: i32, to: i32, colour: RGBColor) -> Drawn<DB> {
        for top in (from..to).step_by(10) {
            self.fill(Rect { left: x - 1, top, right: x + 1, bottom: (top + 6).min(to) }, colour)?;
        }
        Ok(())
    }
}
