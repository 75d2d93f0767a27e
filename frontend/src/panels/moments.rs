//! Every moment by category: the chart as a table.

use leptos::prelude::*;
use vram_core::ledger::{Category, Instant};
use vram_core::units::Bytes;
use vram_text::{Word, category, format_bytes, instant};

use crate::state::Store;

#[component]
pub(crate) fn Moments() -> impl IntoView {
    let store = expect_context::<Store>();
    let occur = Category::ALL.map(|of| {
        Memo::new(move |_| {
            store.with(|_, estimate| estimate.instants.iter().any(|total| total.category(of) > Bytes::ZERO))
        })
    });
    let occurs = move |of: Category| occur.get(of.index()).is_some_and(|occurs| occurs.get());
    let size = move |at: Instant, of: Category| store.with(|_, estimate| estimate.at(at).category(of));
    let is_present = move |at: Instant| store.with(|_, estimate| estimate.at(at).requested > Bytes::ZERO);
    let is_peak = move |at: Instant| store.with(|_, estimate| estimate.peak == at);
    view! {
        <section aria-labelledby="moments-title">
            <h2 id="moments-title">{move || store.word(Word::AllMoments)}</h2>
            <div class="scroll" tabindex="0" role="group" aria-labelledby="moments-title">
                <table id="moments">
                    <thead>
                        <tr>
                            <th scope="col">{move || store.word(Word::Moment)}</th>
                            {Category::ALL
                                .map(|of| {
                                    view! {
                                        <th scope="col" class="number" hidden=move || !occurs(of)>
                                            {move || category(of, store.lang())}
                                        </th>
                                    }
                                })
                                .into_iter()
                                .collect_view()}
                            <th scope="col" class="number">{move || store.word(Word::Total)}</th>
                        </tr>
                    </thead>
                    <tbody>
                        {Instant::ALL
                            .map(|at| {
                                view! {
                                    <tr class:is-peak=move || is_peak(at) data-instant=at.key() hidden=move || !is_present(at)>
                                        <th scope="row">{move || instant(at, store.lang())}</th>
                                        {Category::ALL
                                            .map(|of| {
                                                view! {
                                                    <td class="number" hidden=move || !occurs(of)>
                                                        {move || format_bytes(size(at, of), store.unit())}
                                                    </td>
                                                }
                                            })
                                            .into_iter()
                                            .collect_view()}
                                        <td
                                            class="number"
                                            data-bytes=move || store.with(|_, e| e.at(at).requested.get().to_string())
                                        >
                                            {move || store.with(|_, e| format_bytes(e.at(at).requested, store.unit()))}
                                        </td>
                                    </tr>
                                }
                            })
                            .into_iter()
                            .collect_view()}
                    </tbody>
                </table>
            </div>
        </section>
    }
}
