//! GPUs and the memory that their driver reports.

use crate::units::Bytes;

/// A GPU: a row of `assets/gpus.toml`, or a capacity that the reader gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Identifier such as `h100-80gb`; `custom` for a reader's own capacity.
    pub id: String,
    /// Bytes that the driver reports as total (`nvidia-smi`, `torch.cuda.mem_get_info`).
    pub capacity: Bytes,
}
