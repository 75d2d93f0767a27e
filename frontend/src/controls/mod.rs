//! What a reader sets.

mod choice;
mod groups;
mod header;
mod number;
mod own_model;

pub(crate) use groups::Controls;
pub(crate) use header::Header;
