//! What the page knows, without any view.

pub(crate) mod bench;
mod browser;
mod history;
mod memory;
mod pause;
mod store;

pub(crate) use browser::{copy, on_window, pixel_ratio, text_of, text_of_file};
pub(crate) use store::Store;
