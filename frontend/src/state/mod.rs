//! What the page knows, without any view.

pub(crate) mod bench;
mod browser;
mod files;
mod history;
mod hub;
mod kept;
mod memory;
mod own;
mod pause;
mod store;

pub(crate) use browser::{copy, list_of_files, on_key, on_window, pixel_ratio, text_of};
pub(crate) use kept::{KEPT, Kept};
pub(crate) use memory::{hub_address, remember_hub_address};
pub(crate) use store::Store;
