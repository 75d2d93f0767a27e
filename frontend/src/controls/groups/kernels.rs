//! How attention is computed, and activation checkpointing.

use leptos::prelude::*;
use vram_core::scenario::{Attention, Checkpointing, Padding};
use vram_text::{Word, attention, checkpointing, padding};

use super::super::choice::Select;
use super::{Group, listed, short};
use crate::state::Store;

/// Attention and other kernels.
#[component]
pub(super) fn Kernels() -> impl IntoView {
    let store = expect_context::<Store>();
    view! {
        <Group title=Word::AttentionLabel value=|s, lang| short(attention(s.attention_that_runs(), lang))>
            <Select key="attention" label=Word::AttentionLabel choices=of!(Attention, attention) />
            <Select key="padding" label=Word::PaddingLabel choices=of!(Padding, padding) />
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
            <Select key="checkpointing" label=Word::CheckpointingLabel choices=of!(Checkpointing, checkpointing) />
        </Group>
    }
}
