//! The bars on a canvas. Geometry is drawn; labels and values are elements, which can be selected, zoomed and heard.

use leptos::prelude::*;
use vram_chart::{Bar, Input, Layout, Rect, Row, Segment, Text, draw, layout};
use vram_core::ledger::Instant;
use vram_core::units::Bytes;
use vram_text::{Word, format_bytes, instant, segment};

use super::canvas::{Sheet, px};
use crate::state::Store;

fn input(store: Store) -> Input {
    let (lang, unit) = (store.lang(), store.unit());
    let selected = store.selected.get();
    let bars: Vec<Bar> = store.with(|_, estimate| {
        estimate
            .present()
            .map(|total| Bar {
                instant: total.instant,
                segments: total.categories,
                label: instant(total.instant, lang).to_owned(),
                value: format_bytes(total.requested, unit),
                is_peak: total.instant == estimate.peak,
            })
            .collect()
    });
    let before = |bar: &Bar, totals: &[Bytes]| totals.get(bar.instant.index()).copied().unwrap_or_default();
    let ghost = store.ghost.get().map(|ghost| bars.iter().map(|bar| before(bar, &ghost.totals)).collect());
    let capacity = store.with_scenario(|scenario| scenario.gpu.capacity);
    Input {
        bars,
        ghost,
        capacity,
        capacity_label: format_bytes(capacity, unit),
        legend: Vec::new(),
        selected,
    }
}

#[component]
pub(crate) fn Chart() -> impl IntoView {
    let store = expect_context::<Store>();
    let sheet = Sheet::new();
    let shown = Memo::new(move |_| input(store));
    let placed = Memo::new(move |_| shown.with(|input| layout(input, sheet.width.get())));
    sheet.draw(
        store,
        placed,
        |layout| (layout.width, layout.height),
        |layout, theme, ratio, area| {
            // A context that refuses to draw leaves the table, which carries the same.
            let _ = draw(layout, theme, ratio, Text::Elsewhere, area);
        },
    );
    let select = move |segment: Option<Segment>| {
        if segment.is_some() && store.selected.get_untracked() != segment {
            store.selected.set(segment);
        }
    };
    let point = move |event: web_sys::PointerEvent| {
        select(placed.with_untracked(|layout| layout.hit(event.offset_x(), event.offset_y())));
    };
    let press = move |event: web_sys::KeyboardEvent| {
        let (bars, segments) = match event.key().as_str() {
            "ArrowDown" => (1, 0),
            "ArrowUp" => (-1, 0),
            "ArrowRight" => (0, 1),
            "ArrowLeft" => (0, -1),
            "Escape" => return store.selected.set(None),
            _ => return,
        };
        event.prevent_default();
        select(shown.with_untracked(|input| input.moved(bars, segments)));
    };
    view! {
        <div class="chart" node_ref=sheet.frame style:height=move || placed.with(|layout| px(layout.height))>
            <canvas
                id="chart"
                node_ref=sheet.canvas
                tabindex="0"
                role="application"
                aria-label=move || spoken(store)
                aria-describedby="chart-help"
                on:pointermove=point
                on:pointerdown=point
                on:keydown=press
            ></canvas>
            {Instant::ALL.map(|at| view! { <Labels at placed shown /> }).into_iter().collect_view()}
        </div>
        <p id="chart-help" class="hint">{move || store.word(Word::ChartHelp)}</p>
    }
}

/// What a screen reader says of the canvas: its title, or the segment that is looked at.
fn spoken(store: Store) -> String {
    let (lang, unit) = (store.lang(), store.unit());
    let Some(at) = store.selected.get() else {
        return store.word(Word::Chart).to_owned();
    };
    store.with(|_, estimate| {
        segment(at.instant, at.category, estimate.at(at.instant).category(at.category), unit, lang)
    })
}

/// Label and value of a bar, where the layout wants them; nothing where the run has no such moment.
#[component]
fn Labels(at: Instant, placed: Memo<Layout>, shown: Memo<Input>) -> impl IntoView {
    let store = expect_context::<Store>();
    let place = move |of: fn(&Row) -> Rect| {
        placed.with(|layout| layout.rows.iter().find(|row| row.instant == at).map(of).map(style))
    };
    let value = move || {
        shown.with(|input| input.bars.iter().find(|bar| bar.instant == at).map(|bar| bar.value.clone()))
    };
    let is_absent = Memo::new(move |_| shown.with(|input| input.bars.iter().all(|bar| bar.instant != at)));
    let is_peak = Memo::new(move |_| store.with(|_, estimate| estimate.peak == at));
    let is_narrow = Memo::new(move |_| placed.with(|layout| layout.is_narrow));
    let class = move |what: &'static str| {
        let peak = if is_peak.get() { " is-peak" } else { "" };
        let narrow = if is_narrow.get() { " is-narrow" } else { "" };
        format!("{what}{peak}{narrow}")
    };
    view! {
        <span class=move || class("bar-label") hidden=move || is_absent.get() style=move || place(|row| row.label)>
            {move || instant(at, store.lang())}
        </span>
        <span class=move || class("bar-value") hidden=move || is_absent.get() style=move || place(|row| row.value)>
            {value}
        </span>
    }
}

fn style(rect: Rect) -> String {
    format!(
        "left:{}px;top:{}px;width:{}px;height:{}px",
        rect.left,
        rect.top,
        rect.width(),
        rect.bottom - rect.top
    )
}
