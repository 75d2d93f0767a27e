//! Puts a layout on a plotters backend.

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend};
use vram_core::ledger::Category;

use crate::layout::{Layout, Rect};
use crate::pen::{Drawn, Pen};
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
            segment(&pen, *category, *rect, theme)?;
        }
    }
    if let Some(x) = layout.capacity {
        if layout.is_narrow {
            // Values stand above their bars; the line would strike them through.
            for row in &layout.rows {
                let bottom = row.segments.first().map_or(row.value.bottom, |(_, rect)| rect.bottom);
                pen.dashes_down(x, row.value.bottom, bottom, theme.ink)?;
            }
        } else {
            pen.dashes_down(x, 0, layout.height, theme.ink)?;
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

/// A segment, with a hairline of background between it and the next.
fn segment<DB: DrawingBackend>(
    pen: &Pen<'_, DB>,
    category: Category,
    rect: Rect,
    theme: &Theme,
) -> Drawn<DB> {
    let hairline = i32::from(rect.width() > 3);
    pen.fill(Rect { right: rect.right - hairline, ..rect }, theme.category(category))
}
