//! Implementations of the loss, of norms, MLPs and rotary positions.

use super::{Key, always, unknown};
use crate::link::count;
use crate::scenario::{Compile, Fused, LossKernel, Scenario, Shift, limits};

pub(super) const KEYS: &[Key] = &[
    choice!("loss", LossKernel, |s| s.kernels.loss)
        .when(|s| s.kernels.loss != LossKernel::Eager)
        .asked(always),
    choice!("shift", Shift, |s| s.kernels.shift)
        .when(|s| s.kernels.shift != Shift::Labels)
        .asked(|s| s.kernels.loss.reads_logits()),
    number!("loss_chunks", limits::SEQUENCE_LENGTH, |s| s.kernels.loss_chunks).when(is_torchtune),
    number!("loss_chunk_tokens", limits::SEQUENCE_LENGTH, |s| s.kernels.loss_chunk_tokens)
        .when(|s| s.kernels.loss == LossKernel::RecomputedChunks),
    number!("loss_last_tokens", limits::SEQUENCE_LENGTH, |s| s.kernels.loss_last_tokens)
        .when(|s| s.kernels.loss == LossKernel::LastTokens),
    choice!("norm_kernel", Fused, |s| s.kernels.norm).when(|s| s.kernels.norm != Fused::Model).asked(always),
    choice!("mlp_kernel", Fused, |s| s.kernels.mlp).when(|s| s.kernels.mlp != Fused::Model).asked(always),
    choice!("rope_kernel", Fused, |s| s.kernels.rope).when(|s| s.kernels.rope != Fused::Model).asked(always),
    choice!("compile", Compile, |s| s.kernels.compile)
        .when(|s| s.kernels.compile != Compile::Off)
        .asked(always),
    number!("checkpoint_layers", limits::LAYERS, |s| s.checkpoint_layers)
        .when(|s| s.checkpointing.counts_layers()),
];

fn is_torchtune(s: &Scenario) -> bool {
    matches!(s.kernels.loss, LossKernel::Chunked | LossKernel::ChunkedCompiled)
}
