//! The training loop.

use leptos::prelude::*;
use vram_core::scenario::{AutocastScope, Held, KvCache, Stack, Trainer, ZeroGrad};
use vram_text::{Word, autocast_scope, held, kv_cache, stack, trainer, zero_grad};

use super::super::choice::Select;
use super::super::number::Number;
use super::{Group, listed};

/// Gradient accumulation.
#[component]
pub(super) fn Accumulation() -> impl IntoView {
    view! {
        <Group title=Word::AccumulationLabel value=|s, _| s.gradient_accumulation.to_string()>
            <Number key="accumulation" label=Word::AccumulationNumber />
            <Select key="zero_grad" label=Word::ZeroGradLabel choices=of!(ZeroGrad, zero_grad) />
        </Group>
    }
}

/// Rows that are added to the vocabulary.
#[component]
pub(super) fn VocabularyGroup() -> impl IntoView {
    view! {
        <Group
            title=Word::VocabularyLabel
            value=|s, lang| {
                let multiple = s.vocabulary.multiple_of;
                multiple.map_or_else(|| Word::Off.in_lang(lang).to_owned(), |multiple| format!("× {multiple}"))
            }
        >
            <Number key="vocab_multiple" label=Word::VocabularyMultiple />
        </Group>
    }
}

/// Trainer and what it decides.
#[component]
pub(super) fn Loop() -> impl IntoView {
    view! {
        <Group
            title=Word::LoopLabel
            value=|s, lang| {
                Trainer::of(s).map_or(Word::CustomTrainer.in_lang(lang), |of| trainer(of, lang)).to_owned()
            }
        >
            <Select
                key="trainer"
                label=Word::TrainerLabel
                choices=of!(Trainer, trainer)
                custom=Word::CustomTrainer
            />
            <Select key="autocast_scope" label=Word::AutocastScopeLabel choices=of!(AutocastScope, autocast_scope) />
            <Select key="held" label=Word::HeldLabel choices=of!(Held, held) />
            <Select key="kv_cache" label=Word::KvCacheLabel choices=of!(KvCache, kv_cache) />
            <Select key="stack" label=Word::StackLabel choices=of!(Stack, stack) />
        </Group>
    }
}
