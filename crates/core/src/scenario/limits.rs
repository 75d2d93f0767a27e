//! Ranges of the numbers of a [`Scenario`](super::Scenario), each with its least and its greatest value.

/// Samples in a micro-batch.
pub const MICRO_BATCH: (u32, u32) = (1, 65_536);
/// Tokens of a sequence.
pub const SEQUENCE_LENGTH: (u32, u32) = (1, 16_777_216);
/// Micro-batches before a step.
pub const GRADIENT_ACCUMULATION: (u32, u32) = (1, 65_536);
/// Decoder layers.
pub const LAYERS: (u32, u32) = (1, 10_000);
/// Attention heads, key-value heads, a head's width.
pub const HEADS: (u32, u32) = (1, 65_536);
/// Labels of a classifier.
pub const LABELS: (u32, u32) = (1, 1_048_576);
/// A share in percent.
pub const PERCENT: (u32, u32) = (1, 100);
/// Parameters of another model, in millions.
pub const MILLIONS: (u32, u32) = (0, 4_000_000);
/// Tokens that a convolution sees.
pub const KERNEL: (u32, u32) = (1, 64);
/// Experts in a layer.
pub const EXPERTS: (u32, u32) = (1, 65_536);
/// Hidden width, MLP width.
pub const WIDTH: (u32, u32) = (1, 4_194_304);
/// Pixels of an image's side, or of a patch's.
pub const IMAGE_SIZE: (u32, u32) = (1, 65_536);
/// Colours of an image.
pub const CHANNELS: (u32, u32) = (1, 1024);
/// Images of a sample.
pub const IMAGES: (u32, u32) = (1, 4096);
/// Rank of LoRA's adapters.
pub const LORA_RANK: (u32, u32) = (1, 65_536);
/// Rows of a GPTQ or AWQ group.
pub const QUANT_GROUP: (u32, u32) = (8, 65_536);
/// Rows of an embedding.
pub const VOCABULARY: (u32, u32) = (1, 16_777_216);
/// GPUs of a run.
pub const GPUS: (u32, u32) = (1, 1_048_576);
/// Chunks of layers that a pipeline rank holds.
pub const STAGE_CHUNKS: (u32, u32) = (1, 128);
/// Elements of a buffer.
pub const ELEMENTS: (u32, u32) = (1_000, 4_000_000_000);
/// The same, where there may be none.
pub const ELEMENTS_OR_NONE: (u32, u32) = (0, 4_000_000_000);
/// Rank of projected gradients.
pub const OPTIMIZER_RANK: (u32, u32) = (1, 65_536);
/// Steps that an optimizer remembers.
pub const HISTORY: (u32, u32) = (1, 10_000);
/// Tokens of the fullest rank in percent of the mean.
pub const IMBALANCE: (u32, u32) = (100, 6_553_600);
/// Width of a preconditioned block or dimension.
pub const PRECONDITIONED: (u32, u32) = (1, 1_048_576);
/// A GPU's memory in MiB.
pub const CAPACITY_MIB: (u32, u32) = (1, 16_777_216);
