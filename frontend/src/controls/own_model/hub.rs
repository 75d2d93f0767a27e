//! A model by its name on a hub. What will be asked of whom is said before it is asked.

use leptos::prelude::*;
use vram_core::hub::Repository;
use vram_text::{Word, will_ask};

use crate::state::{Store, hub_address, remember_hub_address};

#[component]
pub(super) fn Hub() -> impl IntoView {
    let store = expect_context::<Store>();
    let id = RwSignal::new(String::new());
    let address = RwSignal::new(hub_address());
    let repository = move || id.with(|id| address.with(|address| Repository::new(id, address).ok()));
    let is_named = Memo::new(move |_| repository().is_some());
    let is_waiting = move || store.hub_says.get() == Some(Word::HubLoading);
    let load = move || id.with_untracked(|id| address.with_untracked(|hub| store.load_from_hub(id, hub)));
    let compare =
        move |_| id.with_untracked(|id| address.with_untracked(|hub| store.compare_with_hub(id, hub)));
    view! {
        <div class="control">
            <label for="hub_id">{move || store.word(Word::HubId)}</label>
            <div class="with-button">
                <input
                    id="hub_id"
                    type="text"
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck="false"
                    aria-describedby="hub-asks problems"
                    prop:value=move || id.get()
                    on:input=move |event| id.set(event_target_value(&event))
                    on:keydown=move |event| {
                        if event.key() == "Enter" {
                            event.prevent_default();
                            load();
                        }
                    }
                />
                <button type="button" id="hub-load" disabled=is_waiting on:click=move |_| load()>
                    {move || store.word(Word::HubLoad)}
                </button>
            </div>
            <p class="hint" id="hub-asks">
                {move || repository().map(|repository| will_ask(&repository, store.lang()))}
            </p>
            <p class="hint" id="hub-status" role="status">
                {move || store.hub_says.get().map(|word| store.word(word))}
            </p>
        </div>
        <Show when=move || is_named.get()>
            <div class="control">
                <button type="button" id="hub-weights" disabled=is_waiting on:click=compare>
                    {move || store.word(Word::HubWeights)}
                </button>
                <p class="hint">{move || store.word(Word::HubWeightsHint)}</p>
            </div>
        </Show>
        <div class="control">
            <label for="hub">{move || store.word(Word::HubAddress)}</label>
            <input
                id="hub"
                type="url"
                autocomplete="off"
                spellcheck="false"
                prop:value=move || address.get()
                on:input=move |event| {
                    address.set(event_target_value(&event));
                    address.with(|address| remember_hub_address(address));
                }
            />
        </div>
    }
}
