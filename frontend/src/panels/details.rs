//! The entries of the segment that is looked at.

use leptos::prelude::*;
use vram_core::ledger::{Entry, largest_first};
use vram_text::{format_bytes, name, segment};

use crate::state::Store;

/// How many entries are listed; the ledger has all.
const MOST: usize = 6;

#[component]
pub(crate) fn Details() -> impl IntoView {
    let store = expect_context::<Store>();
    let title = move || {
        let at = store.selected.get()?;
        let (unit, lang) = (store.unit(), store.lang());
        Some(store.with(|_, estimate| {
            segment(at.instant, at.category, estimate.at(at.instant).category(at.category), unit, lang)
        }))
    };
    let entries = move || {
        let Some(at) = store.selected.get() else {
            return Vec::new();
        };
        let (unit, lang) = (store.unit(), store.lang());
        store.with(|_, estimate| {
            let mut entries: Vec<Entry> =
                estimate.alive(at.instant).filter(|entry| entry.category == at.category).copied().collect();
            largest_first(&mut entries);
            let more = entries.len().saturating_sub(MOST);
            entries.truncate(MOST);
            let mut lines: Vec<(String, String)> = entries
                .iter()
                .map(|entry| (name(entry.name, lang), format_bytes(entry.bytes(), unit)))
                .collect();
            if more > 0 {
                lines.push((format!("+ {more}"), String::new()));
            }
            lines
        })
    };
    view! {
        <div class="details" aria-live="polite" hidden=move || store.selected.with(Option::is_none)>
            <p>{title}</p>
            <ul>
                {move || {
                    entries().into_iter().map(|(name, size)| view! { <li><span>{name}</span><b>{size}</b></li> }).collect_view()
                }}
            </ul>
        </div>
    }
}
