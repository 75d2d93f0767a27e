//! The stacked bars of a training step, one bar an instant, one segment a category; and memory over the time of two steps; and memory per
//! GPU over the number of GPUs.
//!
//! [`layout`] is pure arithmetic; [`draw`] puts it on any plotters backend, a canvas in the page and SVG natively, so that the
//! two are the same picture. Words come from the caller.

mod draw;
mod input;
mod layout;
mod pen;
mod scaling;
#[cfg(feature = "svg")]
mod svg;
mod theme;
mod timeline;

pub use draw::{Text, draw};
pub use input::{Bar, Input, Segment};
pub use layout::{Layout, Rect, Row, layout};
pub use scaling::{Line, ScalingInput, ScalingLayout, Tick, draw_scaling, scaling_layout};
#[cfg(feature = "svg")]
pub use svg::{TimelineTexts, svg};
pub use theme::Theme;
pub use timeline::{Phase, Span, TimelineInput, TimelineLayout, draw_timeline, timeline_layout};
