//! Memory over two steps, with a scrubber that lists what is alive at a moment.

use leptos::prelude::*;
use vram_chart::{Span, TimelineInput, TimelineLayout, draw_timeline, timeline_layout};
use vram_core::ledger::{Entry, largest_first};
use vram_core::timeline::{StepNumber, alive_at};
use vram_core::units::Bytes;
use vram_text::{Word, format_bytes, name, others, phase, point, step_number};

use super::canvas::{Sheet, px};
use crate::state::Store;

/// How many of the tensors are listed.
const LISTED: usize = 8;
/// A narrower phase has no name, in CSS pixels.
const ROOM: i32 = 32;
/// How far Page Up and Page Down go.
const PAGE: i32 = 8;

fn input(store: Store) -> TimelineInput {
    let selected = store.scrubbed.get();
    let capacity = store.with_scenario(|scenario| scenario.gpu.capacity);
    let points = store.with(|_, estimate| estimate.timeline.clone());
    TimelineInput { points, capacity, selected }
}

/// The moment that is looked at, or the peak.
fn looked_at(input: &TimelineInput) -> usize {
    input.selected.filter(|&index| index < input.points.len()).unwrap_or_else(|| input.peak())
}

#[component]
pub(crate) fn Timeline() -> impl IntoView {
    let store = expect_context::<Store>();
    let sheet = Sheet::new();
    let shown = Memo::new(move |_| input(store));
    let placed = Memo::new(move |_| shown.with(|input| timeline_layout(input, sheet.width.get())));
    sheet.draw(
        store,
        placed,
        |layout| (layout.width, layout.height),
        |layout, theme, ratio, area| {
            // A context that refuses to draw leaves the list, which says the same of each moment.
            let _ = draw_timeline(layout, theme, ratio, area);
        },
    );
    let select = move |index: usize| {
        if store.scrubbed.get_untracked() != Some(index) {
            store.scrubbed.set(Some(index));
        }
    };
    let point_at = move |event: web_sys::PointerEvent| {
        select(placed.with_untracked(|layout| layout.hit(event.offset_x())));
    };
    let press = move |event: web_sys::KeyboardEvent| {
        let last = shown.with_untracked(|input| input.points.len().saturating_sub(1));
        let from = shown.with_untracked(looked_at);
        let by = |places: i32| {
            let to = i32::try_from(from).unwrap_or_default().saturating_add(places);
            usize::try_from(to).unwrap_or_default().min(last)
        };
        let to = match event.key().as_str() {
            "ArrowRight" | "ArrowUp" => by(1),
            "ArrowLeft" | "ArrowDown" => by(-1),
            "PageUp" => by(PAGE),
            "PageDown" => by(-PAGE),
            "Home" => 0,
            "End" => last,
            "Escape" => return store.scrubbed.set(None),
            _ => return,
        };
        event.prevent_default();
        select(to);
    };
    let said = move || {
        let layers = store.with_scenario(|scenario| scenario.model.architecture.blocks());
        shown.with(|input| {
            let index = looked_at(input);
            let at = input.points.get(index);
            at.map(|at| point(at, layers, index == input.peak(), store.unit(), store.lang()))
                .unwrap_or_default()
        })
    };
    view! {
        <figure class="timeline" aria-labelledby="timeline-title">
            <figcaption id="timeline-title">{move || store.word(Word::Timeline)}</figcaption>
            <Spans placed above=true />
            <div class="chart" node_ref=sheet.frame style:height=move || placed.with(|layout| px(layout.height))>
                <canvas
                    id="timeline"
                    node_ref=sheet.canvas
                    tabindex="0"
                    role="slider"
                    aria-labelledby="timeline-title"
                    aria-describedby="timeline-help"
                    aria-valuemin="1"
                    aria-valuemax=move || shown.with(|input| input.points.len().to_string())
                    aria-valuenow=move || shown.with(|input| (looked_at(input) + 1).to_string())
                    aria-valuetext=said
                    on:pointermove=point_at
                    on:pointerdown=point_at
                    on:keydown=press
                ></canvas>
            </div>
            <Spans placed above=false />
            <p id="timeline-help" class="hint">{move || store.word(Word::TimelineHelp)}</p>
            <Alive shown said=Signal::derive(said) />
        </figure>
    }
}

/// The names of the steps above the picture, or of their phases beneath it.
#[component]
fn Spans(placed: Memo<TimelineLayout>, above: bool) -> impl IntoView {
    let store = expect_context::<Store>();
    let spans = Memo::new(move |_| {
        placed.with(|layout| if above { steps(&layout.spans) } else { layout.spans.clone() })
    });
    let text = move |span: &Span| {
        let lang = store.lang();
        if above { step_number(span.step, lang) } else { phase(span.moment, lang) }
    };
    view! {
        <div class="spans" aria-hidden="true">
            {move || {
                spans
                    .get()
                    .into_iter()
                    .filter(|span| span.right - span.left >= ROOM)
                    .map(|span| {
                        let style = format!("left:{}px;width:{}px", span.left, span.right - span.left);
                        view! { <span style=style>{text(&span)}</span> }
                    })
                    .collect_view()
            }}
        </div>
    }
}

/// The spans of whole steps; loading belongs to neither.
fn steps(spans: &[Span]) -> Vec<Span> {
    [StepNumber::First, StepNumber::Later]
        .into_iter()
        .filter_map(|step| {
            let mut of_step = spans.iter().skip(1).filter(|span| span.step == step);
            let first = *of_step.next()?;
            Some(Span { right: of_step.next_back().map_or(first.right, |last| last.right), ..first })
        })
        .collect()
}

/// The largest tensors that are alive at the moment.
#[component]
fn Alive(shown: Memo<TimelineInput>, said: Signal<String>) -> impl IntoView {
    let store = expect_context::<Store>();
    let at = Memo::new(move |_| {
        shown.with(|input| input.points.get(looked_at(input)).map(|point| (point.moment, point.step)))
    });
    let alive = Memo::new(move |_| {
        let Some((moment, step)) = at.get() else { return Vec::new() };
        let mut entries = store.with(|scenario, _| alive_at(scenario, moment).unwrap_or_default());
        if step == StepNumber::First {
            store.with(|scenario, _| vram_core::timeline::keep_first_step(scenario, moment, &mut entries));
        }
        largest_first(&mut entries);
        entries
    });
    let row = move |entry: Entry| {
        view! {
            <tr>
                <td>{move || name(entry.name, store.lang())}</td>
                <td><code>{entry.formula()}</code></td>
                <td class="number">{move || format_bytes(entry.bytes(), store.unit())}</td>
            </tr>
        }
    };
    view! {
        <div class="alive">
            <p class="moment" role="status">{move || said.get()}</p>
            <table id="alive">
                <caption>{move || store.word(Word::AliveThen)}</caption>
                <tbody>
                    {move || alive.with(|entries| entries.iter().take(LISTED).copied().map(row).collect_view())}
                </tbody>
            </table>
            <p class="hint">
                {move || {
                    alive.with(|entries| {
                        let rest: Bytes = entries.iter().skip(LISTED).map(Entry::bytes).sum();
                        let count = entries.len().saturating_sub(LISTED);
                        (count > 0).then(|| others(count, rest, store.unit(), store.lang()))
                    })
                }}
            </p>
        </div>
    }
}
