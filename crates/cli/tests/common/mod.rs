//! Files of runs.

#![allow(dead_code, reason = "each test uses a part")]

use vram::accuracy::{Golden, read_file};

/// The runs of a file below `tests`.
pub(crate) fn goldens(file: &str) -> Vec<Golden> {
    read_file(&path(file)).unwrap()
}

/// Where a file below `tests` is.
pub(crate) fn path(file: &str) -> String {
    format!("{}/../../tests/{file}", env!("CARGO_MANIFEST_DIR"))
}
