//! The hand calculation of a ready scenario beside ours, line by line.

use leptos::prelude::*;
use vram_core::ready::{HandLine, Ready};
use vram_text::{Word, category, format_bytes, left_out, ready};

use crate::state::Store;

#[component]
pub(crate) fn HandCalculation() -> impl IntoView {
    let store = expect_context::<Store>();
    let current = Memo::new(move |_| store.with_scenario(Ready::of));
    view! {
        {move || {
            current
                .get()
                .map(|current| {
                    view! {
                        <section aria-labelledby="hand-title">
                            <h2 id="hand-title">{move || store.word(Word::ByHand)}</h2>
                            <p class="hint">{move || ready(current, store.lang())}</p>
                            <Comparison current />
                            <h3>{move || store.word(Word::WhatWasLeftOut)}</h3>
                            <ul class="left-out">
                                {move || {
                                    left_out(current, store.lang())
                                        .iter()
                                        .map(|sentence| view! { <li>{*sentence}</li> })
                                        .collect_view()
                                }}
                            </ul>
                        </section>
                    }
                })
        }}
    }
}

#[component]
fn Comparison(current: Ready) -> impl IntoView {
    let store = expect_context::<Store>();
    let by_hand = if current == Ready::Observed { Word::ObservedFigure } else { Word::HandFigure };
    let ours = move |line: &HandLine| {
        store.with(|_, estimate| {
            let peak = estimate.at_peak();
            line.category.map_or(peak.requested, |of| peak.category(of))
        })
    };
    view! {
        <table class="hand">
            <thead>
                <tr>
                    <th scope="col">{move || store.word(Word::Category)}</th>
                    <th scope="col" class="number">{move || store.word(by_hand)}</th>
                    <th scope="col" class="number">{move || store.word(Word::OurFigure)}</th>
                </tr>
            </thead>
            <tbody>
                {current
                    .by_hand()
                    .iter()
                    .map(|line| {
                        view! {
                            <tr class=line.category.is_none().then_some("total")>
                                <th scope="row">
                                    {move || line.category.map_or(store.word(Word::Total), |of| category(of, store.lang()))}
                                </th>
                                <td class="number">{move || format_bytes(line.figure, store.unit())}</td>
                                <td class="number">{move || format_bytes(ours(line), store.unit())}</td>
                            </tr>
                        }
                    })
                    .collect_view()}
            </tbody>
        </table>
    }
}
