//! The page as a whole.

use leptos::prelude::*;
use vram_text::Word;

use crate::controls::{Controls, Header};
use crate::panels::{
    Accuracy, Answer, Chart, Details, HandCalculation, Ledger, Legend, Mesh, Moments, Problems, Scaling,
    Timeline, Why,
};
use crate::state::Store;

#[component]
pub(crate) fn App() -> impl IntoView {
    let store = Store::open();
    provide_context(store);
    Effect::new(move || {
        let lang = store.lang();
        document().set_title(Word::Title.in_lang(lang));
        if let Some(root) = document().document_element() {
            // Screen readers take the voice from it.
            let _ = root.set_attribute("lang", lang.html());
        }
    });
    view! {
        <a class="skip" href="#answer">{move || store.word(Word::SkipToAnswer)}</a>
        <Header />
        <div class="columns">
            <Controls />
            <main>
                <Problems />
                <Answer />
                <figure aria-labelledby="chart-title">
                    <figcaption id="chart-title">{move || store.word(Word::Chart)}</figcaption>
                    <Chart />
                    <Legend />
                    <Details />
                </figure>
                <Why />
                <Timeline />
                <Mesh />
                <Scaling />
                <HandCalculation />
                <Ledger />
                <Moments />
                <Accuracy />
            </main>
        </div>
    }
}
