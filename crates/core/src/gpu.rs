//! GPUs and the memory that their driver reports.

use crate::units::Bytes;

/// The GPU that a scenario should fit on: a row of the table, or a capacity that the reader gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Identifier such as `h100-80gb`; any other word for a reader's own. A label only.
    pub id: String,
    /// Bytes that the driver reports as total (`nvidia-smi`).
    pub capacity: Bytes,
}

/// A row of `assets/gpus.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownGpu {
    /// Identifier such as `h100-80gb`.
    pub id: &'static str,
    /// Name such as `H100 80 GB`.
    pub name: &'static str,
    /// Bytes that the driver reports as total.
    pub capacity: Bytes,
}

impl KnownGpu {
    /// The same as part of a scenario.
    pub fn gpu(&self) -> Gpu {
        Gpu { id: self.id.to_owned(), capacity: self.capacity }
    }
}

#[expect(clippy::unreadable_literal, reason = "generated from `assets/gpus.toml`")]
const GPUS: &[KnownGpu] = include!(concat!(env!("OUT_DIR"), "/gpus.rs"));

/// Every GPU of the table, largest first.
pub const fn all() -> &'static [KnownGpu] {
    GPUS
}

/// The GPU with that identifier.
pub fn find(id: &str) -> Option<&'static KnownGpu> {
    GPUS.iter().find(|gpu| gpu.id == id)
}
