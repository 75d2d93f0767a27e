//! The training loop.

use leptos::prelude::*;
use vram_core::scenario::Trainer;
use vram_text::{Word, trainer};

use super::super::choice::Select;
use super::super::number::Number;
use super::Group;

/// Gradient accumulation.
#[component]
pub(super) fn Accumulation() -> impl IntoView {
    view! {
        <Group title=Word::AccumulationLabel value=|s, _| s.gradient_accumulation.to_string()>
            <Number key="accumulation" label=Word::AccumulationNumber />
            <Select key="zero_grad" label=Word::ZeroGradLabel />
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
                custom=Word::CustomTrainer
            />
            <Select key="autocast_scope" label=Word::AutocastScopeLabel />
            <Select key="held" label=Word::HeldLabel />
            <Select key="kv_cache" label=Word::KvCacheLabel />
            <Select key="stack" label=Word::StackLabel />
        </Group>
    }
}
