//! The command `vram`: thin views over the estimator.

pub mod accuracy;
pub mod asked;
pub mod client;
pub mod estimate;
pub mod failure;
pub mod lists;
pub mod output;
pub mod weights;
