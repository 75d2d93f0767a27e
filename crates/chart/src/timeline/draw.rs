//! Puts a timeline on a plotters backend.

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend, Polygon};
use plotters::style::Color as _;
use vram_core::timeline::StepNumber;

use super::layout::{Phase, TimelineLayout};
use crate::layout::Rect;
use crate::pen::{Drawn, Pen};
use crate::theme::Theme;

/// Draws the areas, where phases begin, the capacity, the peak and the moment that is looked at; `scale` is device pixels a CSS pixel.
///
/// # Errors
/// Those of the backend.
pub fn draw_timeline<DB: DrawingBackend>(
    layout: &TimelineLayout,
    theme: &Theme,
    scale: f64,
    area: &DrawingArea<DB, Shift>,
) -> Drawn<DB> {
    area.fill(&theme.background)?;
    let pen = Pen { area, scale };
    for (category, outline) in &layout.areas {
        let points: Vec<(i32, i32)> = outline.iter().map(|&(x, y)| (pen.px(x), pen.px(y))).collect();
        area.draw(&Polygon::new(points, theme.category(*category).filled()))?;
    }
    for span in layout.spans.iter().skip(1) {
        // A step begins with a stronger line than a phase.
        let width = if span.phase == Phase::Forward && span.step == StepNumber::Later { 2 } else { 1 };
        let line = Rect { left: span.left, top: 0, right: span.left + width, bottom: layout.height };
        pen.fill(line, theme.background)?;
    }
    if let Some(y) = layout.capacity {
        pen.dashes_across(y, 0, layout.width, theme.ink)?;
    }
    let mark = Rect {
        left: layout.peak.left,
        top: layout.peak.top - 4,
        right: layout.peak.right,
        bottom: layout.peak.top,
    };
    pen.fill(mark, theme.ink)?;
    if let Some(column) = layout.selected {
        let middle = i32::midpoint(column.left, column.right);
        pen.fill(Rect { left: middle - 1, top: 0, right: middle + 1, bottom: layout.height }, theme.ink)?;
    }
    Ok(())
}
