//! The colours, with what each category takes at the peak.

use leptos::prelude::*;
use vram_core::ledger::Category;
use vram_core::units::Bytes;
use vram_text::{Word, category, format_bytes};

use crate::state::Store;

#[component]
pub(crate) fn Legend() -> impl IntoView {
    let store = expect_context::<Store>();
    let size = move |of: Category| store.with(|_, estimate| estimate.at_peak().category(of));
    let occurs = move |of: Category| {
        store.with(|_, estimate| estimate.instants.iter().any(|total| total.category(of) > Bytes::ZERO))
    };
    view! {
        <ul class="legend" aria-label=move || store.word(Word::Legend)>
            {Category::ALL
                .into_iter()
                .map(|of| {
                    view! {
                        <li hidden=move || !occurs(of)>
                            <i class="dot" data-category=of.key()></i>
                            {move || category(of, store.lang())}
                            " "
                            <b>{move || format_bytes(size(of), store.unit())}</b>
                        </li>
                    }
                })
                .collect_view()}
            <li>
                <i class="line"></i>
                {move || store.word(Word::Capacity)}
                " "
                <b>{move || format_bytes(store.with_scenario(|scenario| scenario.gpu.capacity), store.unit())}</b>
            </li>
        </ul>
    }
}
