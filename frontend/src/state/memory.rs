//! What the browser remembers of a reader: language, unit, the hub's address, loaded models. A scenario is remembered by its link alone.

use vram_core::hub::DEFAULT_HUB;
use vram_text::{Lang, Unit};

fn storage() -> Option<web_sys::Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}

pub(super) fn get(key: &str) -> Option<String> {
    storage()?.get_item(key).ok().flatten()
}

pub(super) fn set(key: &str, value: &str) {
    if let Some(storage) = storage() {
        // A browser that remembers nothing is fine.
        let _ = storage.set_item(key, value);
    }
}

/// The language of the last visit, or the browser's.
pub(crate) fn lang() -> Lang {
    let remembered = get("lang").and_then(|word| Lang::ALL.into_iter().find(|lang| lang.key() == word));
    remembered.unwrap_or_else(|| {
        let language = web_sys::window().and_then(|window| window.navigator().language());
        if language.is_some_and(|language| language.starts_with("zh")) { Lang::Zh } else { Lang::En }
    })
}

/// The unit of the last visit.
pub(crate) fn unit() -> Unit {
    get("unit").and_then(|word| Unit::ALL.into_iter().find(|unit| unit.label() == word)).unwrap_or_default()
}

pub(crate) fn remember_lang(lang: Lang) {
    set("lang", lang.key());
}

pub(crate) fn remember_unit(unit: Unit) {
    set("unit", unit.label());
}

/// The hub of the last visit, or Hugging Face's.
pub(crate) fn hub_address() -> String {
    get("hub").unwrap_or_else(|| DEFAULT_HUB.to_owned())
}

pub(crate) fn remember_hub_address(address: &str) {
    set("hub", address);
}
