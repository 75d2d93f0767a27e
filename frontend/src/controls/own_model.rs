//! A model of the reader's own: its `config.json`, pasted, chosen as a file or dropped.

use leptos::prelude::*;
use vram_text::Word;

use crate::state::{Store, text_of_file};

#[component]
pub(crate) fn OwnModel() -> impl IntoView {
    let store = expect_context::<Store>();
    let text = RwSignal::new(String::new());
    let read_file = move |files: Option<web_sys::FileList>| {
        if let Some(file) = files.and_then(|files| files.get(0)) {
            text_of_file(&file, move |read| {
                let read = read.unwrap_or_default();
                text.set(read.clone());
                store.set_config(&read);
            });
        }
    };
    let drop = move |event: web_sys::DragEvent| {
        event.prevent_default();
        read_file(event.data_transfer().and_then(|dropped| dropped.files()));
    };
    view! {
        <details class="own" on:dragover=|event| event.prevent_default() on:drop=drop>
            <summary>
                <span>{move || store.word(Word::OwnModel)}</span>
            </summary>
            <div class="control">
                <label for="config">{move || store.word(Word::PasteConfig)}</label>
                <textarea
                    id="config"
                    rows="6"
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
            <button type="button" on:click=move |_| text.with_untracked(|text| store.set_config(text))>
                {move || store.word(Word::ReadConfig)}
            </button>
            <div class="control">
                <label for="config-file">{move || store.word(Word::ChooseConfig)}</label>
                <input
                    id="config-file"
                    type="file"
                    accept=".json,application/json"
                    on:change=move |event| read_file(event_target::<web_sys::HtmlInputElement>(&event).files())
                />
            </div>
            <p id="config-hint" class="hint">{move || store.word(Word::OwnModelHint)}</p>
        </details>
    }
}
