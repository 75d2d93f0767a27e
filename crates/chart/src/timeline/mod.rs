//! Memory over the time of two steps, stacked by category.

mod draw;
mod layout;

pub use draw::draw_timeline;
pub use layout::{Phase, Span, TimelineInput, TimelineLayout, timeline_layout};
