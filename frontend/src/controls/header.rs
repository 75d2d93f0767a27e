//! Title, language, unit, Share.

use leptos::prelude::*;
use vram_text::{Lang, Unit, Word};

use crate::state::{Store, copy};

#[component]
pub(crate) fn Header() -> impl IntoView {
    let store = expect_context::<Store>();
    let share = move |_| {
        copy(&store.whole_link(), move |is_copied| {
            store.shared.set(Some(if is_copied { Word::LinkCopied } else { Word::LinkNotCopied }));
        });
    };
    view! {
        <header>
            <h1>{move || store.word(Word::Title)}</h1>
            <p class="tagline">{move || store.word(Word::Tagline)}</p>
            <div class="switches">
                <div class="switch" role="group" aria-label=move || store.word(Word::Language)>
                    {Lang::ALL
                        .map(|lang| {
                            view! {
                                <button
                                    type="button"
                                    data-lang=lang.key()
                                    lang=lang.html()
                                    aria-pressed=move || (store.lang() == lang).to_string()
                                    on:click=move |_| store.set_lang(lang)
                                >
                                    {lang.own_name()}
                                </button>
                            }
                        })
                        .into_iter()
                        .collect_view()}
                </div>
                <div class="switch" role="group" aria-label=move || store.word(Word::UnitLabel)>
                    {Unit::ALL
                        .map(|unit| {
                            view! {
                                <button
                                    type="button"
                                    data-unit=unit.label()
                                    aria-pressed=move || (store.unit() == unit).to_string()
                                    on:click=move |_| store.set_unit(unit)
                                >
                                    {unit.label()}
                                </button>
                            }
                        })
                        .into_iter()
                        .collect_view()}
                </div>
                <button type="button" id="share" class="primary" on:click=share>
                    {move || store.word(Word::Share)}
                </button>
            </div>
            <p id="shared" role="status">{move || store.shared.get().map(|word| store.word(word))}</p>
        </header>
    }
}
