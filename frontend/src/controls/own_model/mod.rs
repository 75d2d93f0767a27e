//! A model of the reader's own: its `config.json`, pasted, chosen as a file, dropped, or loaded from a hub; and those that were kept.

mod hub;
mod kept;

use leptos::prelude::*;
use vram_text::{Word, evidence};

use crate::state::{Store, list_of_files};
use hub::Hub;
use kept::KeptModels;

#[component]
pub(crate) fn OwnModel() -> impl IntoView {
    let store = expect_context::<Store>();
    let text = RwSignal::new(String::new());
    let read_files = move |files: Option<web_sys::FileList>| {
        store.read_files(list_of_files(files), move |config| text.set(config));
    };
    let drop = move |event: web_sys::DragEvent| {
        event.prevent_default();
        read_files(event.data_transfer().and_then(|dropped| dropped.files()));
    };
    let of_weights = move || {
        let lang = store.lang();
        store.evidence.with(|of| {
            let (architecture, of) = of.as_ref()?;
            let is_of_this = store.with_scenario(|scenario| scenario.model.architecture == *architecture);
            is_of_this.then(|| evidence(of, lang))
        })
    };
    view! {
        <details class="own" on:dragover=|event| event.prevent_default() on:drop=drop>
            <summary>
                <span>{move || store.word(Word::OwnModel)}</span>
            </summary>
            <Hub />
            <div class="control">
                <label for="config">{move || store.word(Word::PasteConfig)}</label>
                <textarea
                    id="config"
                    rows="4"
                    spellcheck="false"
                    aria-describedby="problems config-hint"
                    prop:value=move || text.get()
                    on:input=move |event| {
                        text.set(event_target_value(&event));
                        // What is pasted whole is taken at once; what is being typed has no errors yet.
                        text.with(|text| store.set_config_if_whole(text));
                    }
                ></textarea>
            </div>
            <button
                type="button"
                id="config-read"
                on:click=move |_| text.with_untracked(|text| store.set_config(text))
            >
                {move || store.word(Word::ReadConfig)}
            </button>
            <div class="control">
                <label for="config-file">{move || store.word(Word::ChooseConfig)}</label>
                <input
                    id="config-file"
                    type="file"
                    multiple
                    accept=".json,.safetensors,application/json"
                    on:change=move |event| read_files(event_target::<web_sys::HtmlInputElement>(&event).files())
                />
            </div>
            <p id="weights" role="status">{of_weights}</p>
            <p id="config-hint" class="hint">{move || store.word(Word::OwnModelHint)}</p>
            <KeptModels />
        </details>
    }
}
