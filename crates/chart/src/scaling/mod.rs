//! Memory per GPU against the number of GPUs, a line for each way of spreading a run.

mod draw;
mod layout;

pub use draw::draw_scaling;
pub use layout::{Line, ScalingInput, ScalingLayout, Tick, scaling_layout};
