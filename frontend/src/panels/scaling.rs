//! Memory per GPU against the number of GPUs: which way of spreading the run scales, and where each stops helping.

use leptos::prelude::*;
use vram_chart::{ScalingInput, ScalingLayout, Theme, draw_scaling, scaling_layout};
use vram_core::scaling::{Curve, scaling};
use vram_core::scenario::Spread;
use vram_core::units::Count;
use vram_text::{Lang, Word, format_bytes, spread};

use super::canvas::{Sheet, px};
use crate::state::Store;

fn way(curve: &Curve, lang: Lang) -> &'static str {
    curve.spread.map_or(Word::OwnSpread.in_lang(lang), |of| spread(of, lang))
}

/// The curves, which take some milliseconds, and are only made for a reader who has opened the panel.
#[component]
pub(crate) fn Scaling() -> impl IntoView {
    let store = expect_context::<Store>();
    let is_open = RwSignal::new(false);
    let curves =
        Memo::new(
            move |_| {
                if is_open.get() { store.with(|scenario, _| scaling(scenario)) } else { Vec::new() }
            },
        );
    view! {
        <section>
            <details id="scaling" on:toggle=move |_| is_open.set(true)>
                <summary>
                    <h2>{move || store.word(Word::Scaling)}</h2>
                </summary>
                <Show when=move || is_open.get()>
                    <Picture curves />
                    <Table curves />
                </Show>
            </details>
        </section>
    }
}

fn input(store: Store, curves: &[Curve]) -> ScalingInput {
    store.with_scenario(|scenario| {
        let own = Spread::of(scenario);
        ScalingInput {
            curves: curves.iter().map(|curve| curve.points.clone()).collect(),
            own: curves.iter().position(|curve| scenario.parallel.is_on() && curve.spread == own),
            gpus: scenario.parallel.gpus,
            capacity: scenario.gpu.capacity,
        }
    })
}

#[component]
fn Picture(curves: Memo<Vec<Curve>>) -> impl IntoView {
    let store = expect_context::<Store>();
    let sheet = Sheet::new();
    let placed =
        Memo::new(move |_| curves.with(|curves| scaling_layout(&input(store, curves), sheet.width.get())));
    sheet.draw(
        store,
        placed,
        |layout| (layout.width, layout.height),
        |layout, theme, ratio, area| {
            // A context that refuses to draw leaves the table, which carries the same.
            let _ = draw_scaling(layout, theme, ratio, area);
        },
    );
    let ticks = move |layout: &ScalingLayout| {
        let unit = store.unit();
        let gpus = layout
            .gpus
            .iter()
            .map(|tick| (tick.value.to_string(), tick.at - 20, layout.origin.1 + 4, "axis is-x"));
        let sizes =
            layout.sizes.iter().map(|tick| (format_bytes(tick.value, unit), 0, tick.at - 9, "axis is-y"));
        gpus.chain(sizes)
            .map(|(text, left, top, class)| view! { <span class=class style=format!("left:{left}px;top:{top}px")>{text}</span> })
            .collect_view()
    };
    view! {
        <div class="chart" node_ref=sheet.frame style:height=move || placed.with(|layout| px(layout.height)) aria-hidden="true">
            <canvas node_ref=sheet.canvas></canvas>
            {move || placed.with(ticks)}
        </div>
        <p class="hint">{move || store.word(Word::ScalingHelp)}</p>
    }
}

/// The same as a table, whose head is the picture's legend.
#[component]
fn Table(curves: Memo<Vec<Curve>>) -> impl IntoView {
    let store = expect_context::<Store>();
    let numbers = move || {
        let mut all: Vec<_> = curves.with(|curves| {
            curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.0)).collect()
        });
        all.sort_unstable();
        all.dedup();
        all
    };
    let heads = move || {
        let theme = if store.is_dark.get() { Theme::DARK } else { Theme::LIGHT };
        let head = |(index, curve): (usize, &Curve)| {
            let colour = theme.line(index);
            let swatch = format!("background:rgb({},{},{})", colour.0, colour.1, colour.2);
            view! {
                <th scope="col" class="number" data-spread=curve.spread.map_or("custom", Spread::key)>
                    <i class="swatch" style=swatch></i>
                    {way(curve, store.lang())}
                </th>
            }
        };
        curves.with(|curves| curves.iter().enumerate().map(head).collect_view())
    };
    let row = move |gpus: Count| {
        let size = |curve: &Curve| {
            let at = curve.points.iter().find(|point| point.0 == gpus);
            at.map_or_else(|| "–".to_owned(), |&(_, bytes)| format_bytes(bytes, store.unit()))
        };
        let sizes = curves.with(|curves| {
            curves.iter().map(|curve| view! { <td class="number">{size(curve)}</td> }).collect_view()
        });
        let is_own = store.with_scenario(|scenario| scenario.parallel.gpus == gpus);
        view! {
            <tr class:is-peak=is_own>
                <th scope="row">{gpus.to_string()}</th>
                {sizes}
            </tr>
        }
    };
    let stops = move |curve: &Curve| {
        let from = curve.stops_helping();
        let said = from.map_or_else(|| store.word(Word::NeverStops).to_owned(), |gpus| gpus.to_string());
        view! { <td class="number">{said}</td> }
    };
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label=move || store.word(Word::Scaling)>
            <table>
                <thead>
                    <tr>
                        <th scope="col">{move || store.word(Word::GpusLabel)}</th>
                        {heads}
                    </tr>
                </thead>
                <tbody>
                    {move || numbers().into_iter().map(row).collect_view()}
                    <tr>
                        <th scope="row">{move || store.word(Word::StopsHelping)}</th>
                        {move || curves.with(|curves| curves.iter().map(stops).collect_view())}
                    </tr>
                </tbody>
            </table>
        </div>
    }
}
