//! Images of a sample, and whether the tower that reads them is trained.

use leptos::prelude::*;
use vram_text::Word;

use super::super::choice::Select;
use super::super::number::Number;
use super::Group;
use crate::state::Store;

/// What is asked of a model with a vision tower.
#[component]
pub(super) fn VisionGroup() -> impl IntoView {
    let store = expect_context::<Store>();
    let has_tower =
        Memo::new(move |_| store.with_scenario(|scenario| scenario.model.architecture.tower.is_some()));
    view! {
        <Show when=move || has_tower.get()>
            <Group title=Word::VisionLabel value=|s, _| s.vision.images.to_string()>
                <Number key="images" label=Word::ImagesLabel />
                <Select key="frozen_tower" label=Word::FrozenTowerLabel />
            </Group>
        </Show>
    }
}
