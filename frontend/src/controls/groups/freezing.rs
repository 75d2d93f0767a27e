//! Which of the model's own parameters are trained.

use leptos::prelude::*;
use vram_text::Word;

use super::super::choice::Select;
use super::super::number::Number;
use super::Group;

/// Freezing by part and by layer.
#[component]
pub(super) fn FreezingGroup() -> impl IntoView {
    view! {
        <Group
            title=Word::FreezingLabel
            value=|s, lang| if s.freezing.is_on() { Word::On } else { Word::Off }.in_lang(lang).to_owned()
        >
            <Select key="freeze_embedding" label=Word::FreezeEmbeddingLabel />
            <Select key="freeze_layers" label=Word::FreezeLayersLabel />
            <Number key="freeze_count" label=Word::FreezeCountLabel />
            <Select key="freeze_head" label=Word::FreezeHeadLabel />
            <Select key="trained_kinds" label=Word::TrainedKindsLabel />
        </Group>
    }
}
