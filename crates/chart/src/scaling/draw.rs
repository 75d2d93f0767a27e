//! Puts the picture on a plotters backend.

use plotters::coord::Shift;
use plotters::prelude::{Circle, DrawingArea, DrawingAreaErrorKind, DrawingBackend, PathElement, Rectangle};
use plotters::style::{Color as _, RGBColor};
use vram_core::ledger::Category;

use super::layout::ScalingLayout;
use crate::theme::Theme;

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

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
    #[expect(clippy::cast_possible_truncation, reason = "a layout is at most some thousand pixels wide")]
    let px = |css: i32| (f64::from(css) * scale).round() as i32;
    let fill = |left: i32, top: i32, right: i32, bottom: i32, colour: RGBColor| {
        area.draw(&Rectangle::new([(px(left), px(top)), (px(right), px(bottom))], colour.filled()))
    };
    let (left, floor) = layout.origin;
    for tick in &layout.sizes {
        fill(left, tick.at, layout.width, tick.at + 1, theme.ghost)?;
    }
    fill(left, floor, layout.width, floor + 1, theme.soft)?;
    fill(layout.own, 0, layout.own + 1, floor, theme.soft)?;
    for dash in (left..layout.width).step_by(10) {
        fill(dash, layout.capacity - 1, dash + 6, layout.capacity + 1, theme.ink)?;
    }
    // The scenario's own comes last, over the others.
    let mut lines: Vec<_> = layout.lines.iter().enumerate().collect();
    lines.sort_by_key(|(_, line)| line.is_own);
    for (index, line) in lines {
        let colour = theme.line(index);
        let width = u32::try_from(px(if line.is_own { 4 } else { 2 })).unwrap_or(1);
        let points: Vec<(i32, i32)> = line.points.iter().map(|&(x, y)| (px(x), px(y))).collect();
        for &point in &points {
            area.draw(&Circle::new(point, px(if line.is_own { 5 } else { 3 }), colour.filled()))?;
        }
        area.draw(&PathElement::new(points, colour.stroke_width(width)))?;
    }
    Ok(())
}
