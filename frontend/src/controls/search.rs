//! Finds a control by its name, in either language, or by its key in a link, and opens the groups that hold it.

use leptos::prelude::*;
use vram_core::{Field, link, search};
use vram_text::{Lang, Word, dimension, field_name};
use wasm_bindgen::JsCast as _;

use super::combobox::{Combobox, Offer};
use crate::state::{Store, on_key};

/// The field of the search, which `/` goes to.
const SEARCH: &str = "find";
/// Controls that are no field of a link: their id, and their name.
const OTHERS: [(&str, Word); 3] =
    [("config", Word::PasteConfig), ("hub_id", Word::HubId), ("config-file", Word::ChooseConfig)];

#[component]
pub(crate) fn Search() -> impl IntoView {
    let store = expect_context::<Store>();
    let offers = Callback::new(move |query: String| {
        let lang = store.lang();
        let fields = link::keys().filter_map(|key| {
            let names =
                Lang::ALL.map(|lang| name(key, lang) + " " + &field_name(&Field::new(key), lang)).join(" ");
            let is_found = search::matches(&query, &[&names, key]) && has_control(key);
            is_found.then(|| Offer { value: key.to_owned(), text: name(key, lang), note: key.to_owned() })
        });
        let others = OTHERS.into_iter().filter_map(|(id, word)| {
            let is_found =
                search::matches(&query, &[&Lang::ALL.map(|lang| word.in_lang(lang)).join(" "), id]);
            is_found.then(|| Offer {
                value: id.to_owned(),
                text: word.in_lang(lang).to_owned(),
                note: String::new(),
            })
        });
        fields.chain(others).collect()
    });
    let choose = Callback::new(|id: String| go_to(&id));
    on_key("/", || go_to(SEARCH));
    view! {
        <div role="search">
            <Combobox id=SEARCH label=Word::FindControl shown=Signal::derive(String::new) offers choose />
        </div>
    }
}

/// A field's name without its key, which stands beside it.
fn name(key: &'static str, lang: Lang) -> String {
    if link::is_dimension(key) {
        return dimension(key, lang);
    }
    let named = field_name(&Field::new(key), lang);
    named.split(['(', '（']).next().unwrap_or(&named).trim().to_owned()
}

fn element(id: &str) -> Option<web_sys::HtmlElement> {
    document().get_element_by_id(id)?.dyn_into().ok()
}

fn has_control(id: &str) -> bool {
    element(id).is_some()
}

/// Opens every folded group around a control, and puts the focus on it.
fn go_to(id: &str) {
    let Some(control) = element(id) else { return };
    let mut around = control.parent_element();
    while let Some(element) = around {
        if element.tag_name() == "DETAILS" {
            let _ = element.set_attribute("open", "");
        }
        around = element.parent_element();
    }
    control.scroll_into_view();
    let _ = control.focus();
}
