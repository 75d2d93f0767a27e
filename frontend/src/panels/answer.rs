//! The answer first: the peak, the three figures, the verdict, and what the result says.

use leptos::prelude::*;
use vram_core::units::Bytes;
use vram_text::{
    Unit, Verdict, Word, cost_beside_weights, derived, format_bytes, format_number, headline, notice,
    peak_label, verdict, was,
};

use crate::state::Store;

#[component]
pub(crate) fn Answer() -> impl IntoView {
    let store = expect_context::<Store>();
    let verdict_of = Memo::new(move |_| {
        store.with(|scenario, estimate| Some(Verdict::of(estimate, scenario.gpu.capacity)))
    });
    let key = move || verdict_of.get().map(Verdict::key);
    view! {
        <section
            id="answer"
            tabindex="-1"
            aria-label=move || store.word(Word::Answer)
            data-peak-requested=move || store.with(|_, estimate| estimate.at_peak().requested.get().to_string())
            data-peak-instant=move || store.with(|_, estimate| estimate.peak.key().to_owned())
            data-verdict=key
        >
            <div class="peak">
                <p class="label">{move || store.with(|_, estimate| peak_label(estimate, store.lang()))}</p>
                <p class="figure">
                    <span>{move || store.with(|_, estimate| format_number(estimate.at_peak().requested, store.unit()))}</span>
                    " "
                    <small>{move || store.unit().label()}</small>
                </p>
            </div>
            <div class="verdict" data-verdict=key>
                <p class="word">{move || verdict_of.get().map(|verdict| verdict.word(store.lang()))}</p>
                <p>{move || store.with(|scenario, estimate| verdict(estimate, scenario, store.unit(), store.lang()))}</p>
            </div>
            <ThreeFigures />
            <p class="headline">
                {move || store.with(|scenario, estimate| headline(estimate, scenario, store.unit(), store.lang()))}
            </p>
            {move || store.with(|_, estimate| {
                let notices = estimate.notices.iter().map(|&of| notice(of, store.lang()));
                notices.map(|text| view! { <p class="notice" role="note">{text}</p> }).collect_view()
            })}
            {move || store.with(|scenario, _| {
                let text = derived(&vram_core::evidence::derived(scenario), store.lang());
                text.map(|text| view! { <p class="notice" role="note" data-derived="">{text}</p> })
            })}
            <p class="cost">{move || store.with(|_, estimate| cost_beside_weights(estimate, store.lang()))}</p>
            <p class="paged">
                {move || {
                    store
                        .with(|_, estimate| {
                            (estimate.paged > Bytes::ZERO)
                                .then(|| {
                                    let paged = format_bytes(estimate.paged, store.unit());
                                    format!("{}: {paged}", store.word(Word::PagedLabel))
                                })
                        })
                }}
            </p>
            <p class="paged">
                {move || {
                    store
                        .with(|_, estimate| {
                            let rank = estimate.host.allocated();
                            (rank > Bytes::ZERO)
                                .then(|| {
                                    let node = rank.times(estimate.host.ranks_of_a_node);
                                    let [rank, node] = [rank, node].map(|of| format_bytes(of, store.unit()));
                                    format!("{}: {rank} · {node}", store.word(Word::HostLabel))
                                })
                        })
                }}
            </p>
            <p class="was" role="status">
                {move || store.ghost.get().map(|ghost| was(ghost.optimizer, ghost.peak, store.unit(), store.lang()))}
            </p>
        </section>
    }
}

/// Allocated, reserved, on the device: three figures, never one.
#[component]
fn ThreeFigures() -> impl IntoView {
    let store = expect_context::<Store>();
    let range = |low, high, unit: Unit| {
        format!("{}–{} {}", format_number(low, unit), format_number(high, unit), unit.label())
    };
    let allocated = move || {
        store.with(|_, estimate| {
            format!("{} {}", format_number(estimate.allocated, store.unit()), store.unit().label())
        })
    };
    let reserved =
        move || store.with(|_, estimate| range(estimate.reserved.low, estimate.reserved.high, store.unit()));
    let device =
        move || store.with(|_, estimate| range(estimate.device.low, estimate.device.high, store.unit()));
    let figure = move |word: Word, hint: Word, value: Signal<String>| {
        view! {
            <div>
                <dt>{move || store.word(word)}</dt>
                <dd>
                    <b>{move || value.get()}</b>
                    <span class="hint">{move || store.word(hint)}</span>
                </dd>
            </div>
        }
    };
    view! {
        <dl class="three">
            {figure(Word::Allocated, Word::AllocatedHint, Signal::derive(allocated))}
            {figure(Word::Reserved, Word::ReservedHint, Signal::derive(reserved))}
            {figure(Word::OnTheDevice, Word::DeviceHint, Signal::derive(device))}
        </dl>
    }
}
