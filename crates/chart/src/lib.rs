//! The stacked bars of a training step: one bar an instant, one segment a category.
//!
//! [`layout`] is pure arithmetic; [`draw`] puts it on any plotters backend, a canvas in the page and SVG natively, so that the
//! two are the same picture. Words come from the caller.

mod draw;
mod input;
mod layout;
#[cfg(feature = "svg")]
mod svg;
mod theme;

pub use draw::{Text, draw};
pub use input::{Bar, Input, Segment};
pub use layout::{Layout, Rect, Row, layout};
#[cfg(feature = "svg")]
pub use svg::svg;
pub use theme::Theme;
