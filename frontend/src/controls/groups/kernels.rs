//! How attention is computed, and activation checkpointing.

use leptos::prelude::*;
use vram_text::{Word, attention, checkpointing, loss_kernel};

use super::super::choice::Select;
use super::super::number::Number;
use super::{Group, short};
use crate::state::Store;

/// Attention and other kernels.
#[component]
pub(super) fn Kernels() -> impl IntoView {
    let store = expect_context::<Store>();
    view! {
        <Group title=Word::AttentionLabel value=|s, lang| short(attention(s.attention_that_runs(), lang))>
            <Select key="attention" label=Word::AttentionLabel />
            <Select key="padding" label=Word::PaddingLabel />
            <Show when=move || store.with_scenario(|s| s.model.architecture.attention_softcap)>
                <p class="hint">{move || store.word(Word::EagerForced)}</p>
            </Show>
        </Group>
    }
}

/// Activation checkpointing.
#[component]
pub(super) fn CheckpointingGroup() -> impl IntoView {
    view! {
        <Group title=Word::CheckpointingLabel value=|s, lang| short(checkpointing(s.checkpointing, lang))>
            <Select key="checkpointing" label=Word::CheckpointingLabel />
            <Number key="checkpoint_layers" label=Word::CheckpointLayersLabel />
        </Group>
    }
}

/// The loss, and kernels of norms, MLPs and rotary positions.
#[component]
pub(super) fn LossGroup() -> impl IntoView {
    view! {
        <Group title=Word::KernelsLabel value=|s, lang| short(loss_kernel(s.kernels.loss, lang))>
            <Select key="loss" label=Word::LossLabel />
            <Select key="shift" label=Word::ShiftLabel />
            <Number key="loss_chunks" label=Word::LossChunksLabel />
            <Number key="loss_chunk_tokens" label=Word::LossChunkTokensLabel />
            <Number key="loss_last_tokens" label=Word::LossLastTokensLabel />
            <Select key="norm_kernel" label=Word::NormKernelLabel />
            <Select key="mlp_kernel" label=Word::MlpKernelLabel />
            <Select key="rope_kernel" label=Word::RopeKernelLabel />
            <Select key="compile" label=Word::CompileLabel />
        </Group>
    }
}
