//! Every dimension of the model, to be changed one by one.

use leptos::prelude::*;
use vram_core::link;
use vram_core::model::Family;
use vram_text::{Word, dimension};

use super::super::number::NumberField;
use super::Group;
use crate::state::Store;

/// A control for each key of the model; those that don't matter to it are hidden.
#[component]
pub(super) fn DimensionsGroup() -> impl IntoView {
    let store = expect_context::<Store>();
    let controls = link::keys().filter(|key| link::is_dimension(key)).map(|key| view! { <Dimension key /> });
    view! {
        <Group title=Word::Dimensions value=|s, _| s.model.architecture.family.key().to_owned()>
            <p class="hint">{move || store.word(Word::DimensionsHint)}</p>
            <div class="dimensions">{controls.collect_view()}</div>
        </Group>
    }
}

#[component]
fn Dimension(key: &'static str) -> impl IntoView {
    let store = expect_context::<Store>();
    let label = Signal::derive(move || dimension(key, store.lang()));
    let words: Vec<&'static str> =
        if key == "family" { Family::ALL.map(Family::key).to_vec() } else { link::words(key).to_vec() };
    let control = if words.is_empty() {
        view! { <NumberField id=key key label /> }.into_any()
    } else {
        view! { <Words key words /> }.into_any()
    };
    let matters = Memo::new(move |_| store.with_scenario(|scenario| link::matters(scenario, key)));
    view! {
        <div class="control" hidden=move || !matters.get()>
            <label for=key>{move || label.get()}</label>
            {control}
        </div>
    }
}

/// A select of a link's words.
#[component]
fn Words(key: &'static str, words: Vec<&'static str>) -> impl IntoView {
    let store = expect_context::<Store>();
    let value = Memo::new(move |_| store.field(key));
    let in_words = move |word: &'static str| match word {
        "0" => store.word(Word::Off),
        "1" => store.word(Word::On),
        other => other,
    };
    view! {
        <select
            id=key
            prop:value=move || value.get()
            on:change=move |event| store.set_field(key, &event_target_value(&event))
        >
            {words
                .into_iter()
                .map(|word| {
                    view! {
                        <option value=word selected=move || value.with(|value| value == word)>
                            {move || in_words(word)}
                        </option>
                    }
                })
                .collect_view()}
        </select>
    }
}
