//! What of the reader's input was not taken, and why.

use leptos::prelude::*;
use vram_text::{Word, error_sentence};

use crate::state::Store;

#[component]
pub(crate) fn Problems() -> impl IntoView {
    let store = expect_context::<Store>();
    let sentences = move || {
        let lang = store.lang();
        store
            .problems
            .with(|problems| problems.values().map(|error| error_sentence(error, lang)).collect::<Vec<_>>())
    };
    let has_any = move || store.problems.with(|problems| !problems.is_empty());
    view! {
        <div id="problems" role="alert">
            <Show when=has_any>
                <p><strong>{move || store.word(Word::Problems)}</strong></p>
                <ul>{move || sentences().into_iter().map(|sentence| view! { <li>{sentence}</li> }).collect_view()}</ul>
                <p>{move || store.word(Word::KeptRest)}</p>
            </Show>
        </div>
    }
}
