//! A labelled select.

use leptos::prelude::*;
use vram_core::link;
use vram_text::{Lang, Word, choice};

use super::asked::Asked;
use crate::state::Store;

/// A choice: the word that the link uses, and the words that a reader sees.
pub(crate) type Choice = (&'static str, String);

/// A select whose id is the link's key.
#[component]
pub(crate) fn Select(
    key: &'static str,
    label: Word,
    /// All choices, in a language, where a link doesn't have a word for each.
    #[prop(optional)]
    choices: Option<fn(Lang) -> Vec<Choice>>,
    /// The words of a value that is none of the choices.
    #[prop(default = Word::CustomModel)]
    custom: Word,
) -> impl IntoView {
    let store = expect_context::<Store>();
    let value = Memo::new(move |_| store.field(key));
    let choices = move |lang| choices.map_or_else(|| of_words(key, lang), |choices| choices(lang));
    let is_custom = move || value.with(|value| !choices(Lang::En).iter().any(|(word, _)| word == value));
    view! {
        <Asked key label>
            <select
                id=key
                prop:value=move || if is_custom() { "custom".to_owned() } else { value.get() }
                on:change=move |event| store.set_field(key, &event_target_value(&event))
            >
                {move || {
                    choices(store.lang())
                        .into_iter()
                        .map(|(word, text)| {
                            view! {
                                <option value=word selected=move || value.with(|value| value == word)>
                                    {text}
                                </option>
                            }
                        })
                        .collect_view()
                }}
                <Show when=is_custom>
                    <option value="custom" selected=true>{move || store.word(custom)}</option>
                </Show>
            </select>
        </Asked>
    }
}

/// The choices for which a link has words.
fn of_words(key: &'static str, lang: Lang) -> Vec<Choice> {
    link::words(key).iter().map(|&word| (word, choice(key, word, lang).unwrap_or(word).to_owned())).collect()
}

/// Headings with their choices.
pub(crate) type Grouped = Vec<(&'static str, Vec<Choice>)>;

/// A select whose choices stand in groups, each with its heading.
#[component]
pub(crate) fn GroupedSelect(
    key: &'static str,
    label: Word,
    /// Headings with their choices, in a language.
    groups: fn(Lang) -> Grouped,
) -> impl IntoView {
    let store = expect_context::<Store>();
    let value = Memo::new(move |_| store.field(key));
    view! {
        <Asked key label>
            <select
                id=key
                prop:value=move || value.get()
                on:change=move |event| store.set_field(key, &event_target_value(&event))
            >
                {move || {
                    groups(store.lang())
                        .into_iter()
                        .map(|(heading, choices)| {
                            view! {
                                <optgroup label=heading>
                                    {choices
                                        .into_iter()
                                        .map(|(word, text)| {
                                            view! {
                                                <option value=word selected=move || value.with(|value| value == word)>
                                                    {text}
                                                </option>
                                            }
                                        })
                                        .collect_view()}
                                </optgroup>
                            }
                        })
                        .collect_view()
                }}
            </select>
        </Asked>
    }
}
