//! The models that were loaded before, each to be opened or removed.

use leptos::prelude::*;
use vram_text::Word;

use crate::state::Store;

#[component]
pub(super) fn KeptModels() -> impl IntoView {
    let store = expect_context::<Store>();
    let has_any = move || store.kept.with(|kept| !kept.is_empty());
    view! {
        <Show when=has_any>
            <p class="hint" id="kept-title">{move || store.word(Word::KeptModels)}</p>
            <ul class="kept" aria-labelledby="kept-title">
                {move || {
                    store
                        .kept
                        .get()
                        .into_iter()
                        .enumerate()
                        .map(|(at, kept)| {
                            let name = kept.name.clone();
                            view! {
                                <li>
                                    <button type="button" class="name" on:click=move |_| store.open_kept(at)>
                                        {kept.name}
                                    </button>
                                    <button
                                        type="button"
                                        aria-label=move || format!("{} {name}", store.word(Word::Remove))
                                        on:click=move |_| store.forget_kept(at)
                                    >
                                        {move || store.word(Word::Remove)}
                                    </button>
                                </li>
                            }
                        })
                        .collect_view()
                }}
            </ul>
        </Show>
    }
}
