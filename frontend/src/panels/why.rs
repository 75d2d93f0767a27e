//! Why the peak is where it is.

use leptos::prelude::*;
use vram_core::why::why;
use vram_text::{Word, why_this_peak};

use crate::state::Store;

#[component]
pub(crate) fn Why() -> impl IntoView {
    let store = expect_context::<Store>();
    let text = move || {
        store.with(|scenario, estimate| {
            why_this_peak(&why(scenario, estimate), estimate, store.unit(), store.lang())
        })
    };
    view! {
        <section class="why" aria-labelledby="why-title">
            <h2 id="why-title">{move || store.word(Word::Why)}</h2>
            <p>{text}</p>
        </section>
    }
}
