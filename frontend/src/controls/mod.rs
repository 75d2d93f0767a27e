//! What a reader sets.

mod asked;
mod choice;
mod combobox;
mod groups;
mod header;
mod model;
mod number;
mod own_model;
mod search;

pub(crate) use groups::Controls;
pub(crate) use header::Header;
