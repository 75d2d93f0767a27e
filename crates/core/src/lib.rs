//! How much GPU memory a training run needs, which tensor takes it, and at which moment.
//!
//! Data goes one way: [`scenario::Scenario`] → [`ledger`] entries with lifetimes → instants → peak.

pub mod error;
pub mod gpu;
pub mod ledger;
pub mod model;
mod account;
mod allocator;
mod name;
mod optimizer;
mod plan;
mod rules;
mod step;
mod tape;
pub mod estimate;
pub mod link;
pub mod presets;
pub mod ready;
pub mod scenario;
pub mod units;

pub use error::{Error, Field};
pub use estimate::{Estimate, estimate};
pub use scenario::Scenario;
