//! How accurate the figures are: a piece of HTML that is generated with the documents and loaded when a reader opens it.

use leptos::prelude::*;
use vram_text::Word;

use crate::state::{Store, text_of};

#[component]
pub(crate) fn Accuracy() -> impl IntoView {
    let store = expect_context::<Store>();
    let is_open = RwSignal::new(false);
    let loaded = RwSignal::new(String::new());
    Effect::new(move || {
        let lang = store.lang();
        if is_open.get() {
            text_of(&format!("accuracy.{}.html", lang.key()), move |text| {
                loaded.set(text.unwrap_or_else(|| Word::AccuracyNotLoaded.in_lang(lang).to_owned()));
            });
        }
    });
    view! {
        <section>
            <details id="accuracy" on:toggle=move |_| is_open.set(true)>
                <summary>
                    <h2>{move || store.word(Word::HowAccurate)}</h2>
                </summary>
                <div class="accuracy" role="status" inner_html=move || loaded.get()></div>
            </details>
        </section>
    }
}
