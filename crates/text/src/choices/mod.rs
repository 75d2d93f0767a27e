//! Names of everything that can be chosen, and of the parts of an answer: a file a topic.

mod adapters;
mod answer;
mod by_key;
mod freezing;
mod kernels;
mod objective;
mod optimizers;
mod parallel;
mod quantisation;
mod run;

pub use adapters::*;
pub use answer::*;
pub use by_key::choice;
pub use freezing::*;
pub use kernels::*;
pub use objective::*;
pub use optimizers::*;
pub use parallel::*;
pub use quantisation::*;
pub use run::*;
