//! A field in which a reader types a few letters and chooses from what matches: the combobox with a list of WAI-ARIA's authoring
//! practices. Focus stays in the field; the list's active option is named by `aria-activedescendant`.

use leptos::prelude::*;
use vram_text::Word;
use wasm_bindgen::JsCast as _;

use crate::state::Store;

/// Something that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// What is handed on when it is chosen.
    pub(crate) value: String,
    /// Its name.
    pub(crate) text: String,
    /// What else is to be said of it.
    pub(crate) note: String,
}

/// A combobox whose field has the id `id`, its list `id-list`, its options `id-0`, `id-1`, ….
#[expect(clippy::too_many_lines, reason = "one view, whose parts share their signals")]
#[component]
pub(crate) fn Combobox(
    id: &'static str,
    label: Word,
    /// What the field says while nothing is searched for.
    shown: Signal<String>,
    /// What matches a query.
    offers: Callback<String, Vec<Offer>>,
    choose: Callback<String>,
    #[prop(optional)] placeholder: Option<Word>,
) -> impl IntoView {
    let store = expect_context::<Store>();
    // What is typed; none while the list is closed.
    let query = RwSignal::new(None::<String>);
    let active = RwSignal::new(0_usize);
    let found = Memo::new(move |_| query.get().map(|query| offers.run(query)).unwrap_or_default());
    let is_open = move || query.with(Option::is_some);
    let option_id = move |at: usize| format!("{id}-{at}");
    let close = move || query.set(None);
    let search = move |text: String| {
        query.set(Some(text));
        active.set(0);
    };
    let take = move |at: usize| {
        let chosen = found.with_untracked(|found| found.get(at).map(|offer| offer.value.clone()));
        close();
        if let Some(value) = chosen {
            choose.run(value);
        }
    };
    let step = move |by: isize| {
        if query.with_untracked(Option::is_none) {
            return search(String::new());
        }
        let count = found.with_untracked(Vec::len);
        active.update(|at| *at = at.saturating_add_signed(by).min(count.saturating_sub(1)));
    };
    let press = move |event: web_sys::KeyboardEvent| {
        match event.key().as_str() {
            "ArrowDown" => step(1),
            "ArrowUp" => step(-1),
            "Home" if query.with_untracked(Option::is_some) => active.set(0),
            "End" if query.with_untracked(Option::is_some) => step(isize::MAX),
            "Enter" => take(active.get_untracked()),
            "Escape" => close(),
            _ => return,
        }
        event.prevent_default();
    };
    let select_all = |event: web_sys::FocusEvent| event_target::<web_sys::HtmlInputElement>(&event).select();
    Effect::new(move || {
        if is_open() {
            keep_in_view(&option_id(active.get()));
        }
    });
    view! {
        <div class="control combobox">
            <label for=id>{move || store.word(label)}</label>
            <input
                id=id
                type="text"
                role="combobox"
                autocomplete="off"
                spellcheck="false"
                aria-autocomplete="list"
                aria-expanded=move || is_open().to_string()
                aria-controls=format!("{id}-list")
                aria-activedescendant=move || {
                    (is_open() && found.with(|found| !found.is_empty())).then(|| option_id(active.get()))
                }
                placeholder=move || placeholder.map(|word| store.word(word))
                prop:value=move || query.get().unwrap_or_else(|| shown.get())
                on:input=move |event| search(event_target_value(&event))
                on:focus=select_all
                on:click=move |_| {
                    if query.with_untracked(Option::is_none) {
                        search(String::new());
                    }
                }
                on:keydown=press
                on:blur=move |_| close()
            />
            <ul
                id=format!("{id}-list")
                role="listbox"
                aria-label=move || store.word(label)
                // The field keeps the focus, so that its list doesn't close before the click.
                on:mousedown=|event| event.prevent_default()
                hidden=move || !is_open() || found.with(Vec::is_empty)
            >
                {move || {
                    found
                        .get()
                        .into_iter()
                        .enumerate()
                        .map(|(at, offer)| {
                            view! {
                                <li
                                    id=option_id(at)
                                    role="option"
                                    data-value=offer.value
                                    aria-selected=move || (active.get() == at).to_string()
                                    on:click=move |_| take(at)
                                >
                                    <span>{offer.text}</span>
                                    <span class="note">{offer.note}</span>
                                </li>
                            }
                        })
                        .collect_view()
                }}
            </ul>
            <p class="hint" role="status">
                {move || {
                    let is_empty = is_open() && found.with(Vec::is_empty);
                    is_empty.then(|| store.word(Word::NothingFound))
                }}
            </p>
        </div>
    }
}

/// Scrolls the list until an option is seen, and the page until the list is.
fn keep_in_view(option: &str) {
    let element = document().get_element_by_id(option);
    let Some(option) = element.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) else {
        return;
    };
    let Some(list) = option.parent_element() else { return };
    // At the lower end of a small screen the list would open out of sight.
    let height = window().inner_height().ok().and_then(|height| height.as_f64()).unwrap_or(f64::INFINITY);
    if list.get_bounding_client_rect().bottom() > height {
        list.scroll_into_view_with_bool(false);
    }
    let (top, height) = (option.offset_top(), option.offset_height());
    if top < list.scroll_top() {
        list.set_scroll_top(top);
    } else if top + height > list.scroll_top() + list.client_height() {
        list.set_scroll_top(top + height - list.client_height());
    }
}
