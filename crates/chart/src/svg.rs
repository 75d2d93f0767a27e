//! The same picture as SVG, with its texts.

use plotters::coord::Shift;
use plotters::prelude::{
    DrawingArea, DrawingAreaErrorKind, DrawingBackend, IntoDrawingArea as _, Rectangle, SVGBackend,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontStyle, IntoFont as _, RGBColor, TextStyle};

use vram_core::ledger::Category;
use vram_core::timeline::Moment;
use vram_core::units::Bytes;

use crate::draw::{Text, draw};
use crate::input::Input;
use crate::layout::{Layout, Rect, layout};
use crate::theme::Theme;
use crate::timeline::{TimelineInput, TimelineLayout, draw_timeline, timeline_layout};

/// Room for the capacity's text beneath the bars.
const FOOT: i32 = 26;
/// Room for the timeline's title.
const HEAD: i32 = 30;
/// An entry of the legend: a square of colour and a name.
const LEGEND: (i32, i32) = (180, 24);
const SQUARE: i32 = 11;
/// plotters writes SVG text 1.24 times as small as asked for.
const FONT: f64 = 14.0 * 1.24;

/// The chart as an SVG document, `width` pixels wide.
///
/// # Errors
/// The backend's, as text.
pub fn svg(input: &Input, timeline: &TimelineTexts, width: i32, theme: &Theme) -> Result<String, String> {
    let layout = layout(input, width);
    let bars: Vec<(String, String)> =
        input.bars.iter().map(|bar| (bar.label.clone(), bar.value.clone())).collect();
    let legend: Vec<_> = input.legend.iter().filter(|(category, _)| occurs(input, *category)).collect();
    let columns = (layout.width / LEGEND.0).max(1);
    let lines = i32::try_from(legend.len()).unwrap_or_default().div_euclid(columns) + 1;
    let placed = timeline_layout(&timeline.input, width);
    let bars_end = layout.height + FOOT;
    let timeline_end = bars_end + HEAD + placed.height + FOOT;
    let size = (layout.width.unsigned_abs(), (timeline_end + lines * LEGEND.1).unsigned_abs());
    let mut document = String::new();
    {
        let area = SVGBackend::with_string(&mut document, size).into_drawing_area();
        let text = Text::Drawn { bars: &bars, capacity: &input.capacity_label };
        draw(&layout, theme, 1.0, text, &area).map_err(|error| error.to_string())?;
        let (_, rest) = area.split_vertically(bars_end + HEAD);
        let (picture, _) = rest.split_vertically(placed.height);
        draw_timeline(&placed, theme, 1.0, &picture).map_err(|error| error.to_string())?;
        phases(&area, theme, timeline, &placed, bars_end).map_err(|error| error.to_string())?;
        for (place, (category, name)) in (0..).zip(legend) {
            let (left, top) = (place % columns * LEGEND.0, timeline_end + place / columns * LEGEND.1);
            entry(&area, theme, *category, name, (left, top)).map_err(|error| error.to_string())?;
        }
        area.present().map_err(|error| error.to_string())?;
    }
    Ok(document)
}

/// A timeline with its words.
#[derive(Clone, Debug)]
pub struct TimelineTexts {
    /// What it shows.
    pub input: TimelineInput,
    /// Its title.
    pub title: String,
    /// The name of a phase, by its first moment.
    pub phase: fn(Moment) -> String,
}

/// The title above the timeline and the phases' names beneath it.
fn phases<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    theme: &Theme,
    timeline: &TimelineTexts,
    placed: &TimelineLayout,
    top: i32,
) -> Drawn<DB> {
    let title = Rect { left: 0, top, right: placed.width, bottom: top + HEAD };
    write(area, &timeline.title, title, HPos::Left, theme.ink, FontStyle::Bold)?;
    let bottom = top + HEAD + placed.height;
    for span in &placed.spans {
        let text = Rect { left: span.left, top: bottom, right: span.right, bottom: bottom + FOOT };
        write(area, &(timeline.phase)(span.moment), text, HPos::Left, theme.soft, FontStyle::Normal)?;
    }
    Ok(())
}

fn occurs(input: &Input, category: Category) -> bool {
    let sizes = input.bars.iter().filter_map(|bar| bar.segments.get(category.index()));
    sizes.copied().any(|bytes| bytes > Bytes::ZERO)
}

fn entry<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    theme: &Theme,
    category: Category,
    name: &str,
    (left, top): (i32, i32),
) -> Drawn<DB> {
    let corners = [(left, top + 6), (left + SQUARE, top + 6 + SQUARE)];
    area.draw(&Rectangle::new(corners, theme.category(category).filled()))?;
    let text = Rect { left: left + SQUARE + 7, top, right: left + LEGEND.0, bottom: top + LEGEND.1 };
    write(area, name, text, HPos::Left, theme.ink, FontStyle::Normal)
}

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

pub(crate) fn texts<DB: DrawingBackend>(
    layout: &Layout,
    theme: &Theme,
    text: Text<'_>,
    area: &DrawingArea<DB, Shift>,
) -> Drawn<DB> {
    let Text::Drawn { bars, capacity } = text else {
        return Ok(());
    };
    for (row, (label, value)) in layout.rows.iter().zip(bars) {
        let (colour, weight) =
            if row.is_peak { (theme.ink, FontStyle::Bold) } else { (theme.soft, FontStyle::Normal) };
        let label_side = if layout.is_narrow { HPos::Left } else { HPos::Right };
        let value_side = if layout.is_narrow { HPos::Right } else { HPos::Left };
        write(area, label, row.label, label_side, colour, weight)?;
        write(area, value, row.value, value_side, colour, weight)?;
    }
    if let Some(x) = layout.capacity {
        let line = Rect { left: 0, top: layout.height, right: x, bottom: layout.height + FOOT };
        write(area, capacity, line, HPos::Right, theme.soft, FontStyle::Normal)?;
    }
    Ok(())
}

fn write<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    text: &str,
    within: Rect,
    side: HPos,
    colour: RGBColor,
    weight: FontStyle,
) -> Drawn<DB> {
    let font = ("sans-serif", FONT, weight).into_font();
    let style = TextStyle::from(font).color(&colour).pos(Pos::new(side, VPos::Center));
    let x = if matches!(side, HPos::Right) { within.right } else { within.left };
    area.draw_text(text, &style, (x, i32::midpoint(within.top, within.bottom)))
}
