//! Puts the picture on a plotters backend.

use plotters::coord::Shift;
use plotters::prelude::{Circle, DrawingArea, DrawingBackend, PathElement};
use plotters::style::{Color as _, RGBColor};
use vram_core::ledger::Category;

use super::layout::ScalingLayout;
use crate::layout::Rect;
use crate::pen::{Drawn, Pen};
use crate::theme::Theme;

impl Theme {
    /// The colour of a line of the picture over the number of GPUs: those of categories, which are told apart.
    pub fn line(&self, index: usize) -> RGBColor {
        const ORDER: [Category; 7] = [
            Category::Parameters,
            Category::Gradients,
            Category::Activations,
            Category::OptimizerStates,
            Category::Temporaries,
            Category::ReferenceModel,
            Category::Communication,
        ];
        ORDER.get(index % ORDER.len()).map_or(self.soft, |&category| self.category(category))
    }
}

/// Draws axes, the capacity, the lines with their points, and where the scenario stands; `scale` is device pixels a CSS pixel.
///
/// # Errors
/// Those of the backend.
pub fn draw_scaling<DB: DrawingBackend>(
    layout: &ScalingLayout,
    theme: &Theme,
    scale: f64,
    area: &DrawingArea<DB, Shift>,
) -> Drawn<DB> {
    area.fill(&theme.background)?;
    let pen = Pen { area, scale };
    let line = |left, top, right, bottom, colour| pen.fill(Rect { left, top, right, bottom }, colour);
    let (left, floor) = layout.origin;
    for tick in &layout.sizes {
        line(left, tick.at, layout.width, tick.at + 1, theme.ghost)?;
    }
    line(left, floor, layout.width, floor + 1, theme.soft)?;
    line(layout.own, 0, layout.own + 1, floor, theme.soft)?;
    pen.dashes_across(layout.capacity, left, layout.width, theme.ink)?;
    // The scenario's own comes last, over the others.
    let mut lines: Vec<_> = layout.lines.iter().enumerate().collect();
    lines.sort_by_key(|(_, line)| line.is_own);
    for (index, line) in lines {
        let colour = theme.line(index);
        let width = u32::try_from(pen.px(if line.is_own { 4 } else { 2 })).unwrap_or(1);
        let points: Vec<(i32, i32)> = line.points.iter().map(|&(x, y)| (pen.px(x), pen.px(y))).collect();
        for &point in &points {
            area.draw(&Circle::new(point, pen.px(if line.is_own { 5 } else { 3 }), colour.filled()))?;
        }
        area.draw(&PathElement::new(points, colour.stroke_width(width)))?;
    }
    Ok(())
}
