//! What one rank holds of a run that is spread over several GPUs: its shards, and what collectives gather and reduce.

mod collectives;
pub(crate) mod deepspeed;
mod flat;
mod group;
pub(crate) mod megatron;
mod owners;
pub(crate) mod pipeline;
mod shards;
mod tensor;

pub(crate) use collectives::{Collectives, Earlier, Held, Kinds, Layers, bytes};
pub(crate) use owners::owned;
pub(crate) use shards::Shards;
pub(crate) use tensor::{Split, TensorParallel, local_architecture};
