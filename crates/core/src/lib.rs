//! How much GPU memory a training run needs, which tensor takes it, and at which moment.
//!
//! Data goes one way: [`scenario::Scenario`] → [`ledger`] entries with lifetimes → instants → peak.

mod account;
mod allocator;
pub mod error;
pub mod estimate;
pub mod evidence;
pub mod gpu;
pub mod host;
pub mod hub;
mod instant;
pub mod ledger;
pub mod link;
pub mod model;
mod name;
pub mod notice;
mod optimizer;
mod parallel;
mod plan;
pub mod presets;
pub mod published;
mod quantised;
pub mod ready;
mod replay;
mod rules;
pub mod scaling;
pub mod scenario;
pub mod search;
mod step;
mod tape;
pub mod timeline;
mod totals;
mod trained;
pub mod units;
pub mod why;

pub use error::{Error, Field};
pub use estimate::{Estimate, estimate, estimate_with_replay};
pub use scenario::Scenario;

/// The README's examples, run as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
