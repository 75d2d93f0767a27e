//! The device mesh as a picture, and what one GPU of it holds.

use leptos::prelude::*;
use vram_core::estimate::{Rank, ranks, stage};
use vram_core::scenario::Parallel;
use vram_text::{Word, format_bytes};

use crate::state::Store;

/// As many rows, columns and squares of a group are drawn; the rest is said.
const SHOWN: u64 = 8;

#[component]
pub(crate) fn Mesh() -> impl IntoView {
    let store = expect_context::<Store>();
    let parallel = Memo::new(move |_| store.with_scenario(|scenario| scenario.parallel));
    let own_stage = Memo::new(move |_| store.with_scenario(|scenario| stage(scenario).unwrap_or(1)));
    view! {
        <Show when=move || parallel.with(Parallel::is_on)>
            <section aria-labelledby="mesh-title">
                <h2 id="mesh-title">{move || store.word(Word::MeshPicture)}</h2>
                <div class="mesh">
                    {move || squares(&parallel.get(), own_stage.get(), store.word(Word::MoreGpus))}
                    <table id="mesh">
                        <thead>
                            <tr>
                                <th scope="col">{move || store.word(Word::HeldThing)}</th>
                                <th scope="col" class="number">{move || store.word(Word::HeldShare)}</th>
                            </tr>
                        </thead>
                        <tbody>{move || rows(&parallel.get(), store)}</tbody>
                    </table>
                </div>
                <p class="hint">{move || store.word(Word::MeshHelp)}</p>
                <Ranks />
            </section>
        </Show>
    }
}

/// Replicas or shards from top to bottom, stages from left to right, and in each the GPUs that split its layers. A GPU that is not drawn is
/// marked by the last one that is.
fn squares(parallel: &Parallel, own_stage: u64, more: &'static str) -> impl IntoView + use<> {
    let (mesh, data) = (parallel.mesh, parallel.data_ways());
    let group = mesh.tensor.get().saturating_mul(mesh.context.get());
    let stages = mesh.pipeline.get();
    let stage = own_stage.clamp(1, stages.clamp(1, SHOWN)) - 1;
    let row = if parallel.is_last_rank { data.min(SHOWN) - 1 } else { 0 };
    let square = move |at: u64, column: u64, of: u64| {
        let is_own = (at, column, of) == (row, stage, 0);
        view! { <i class:own=is_own></i> }
    };
    let all = move |count: u64| 0..count.min(SHOWN);
    let is_cut = [data, stages, group].into_iter().any(|count| count > SHOWN);
    view! {
        <div class="squares" aria-hidden="true">
            {all(data)
                .map(|at| {
                    view! {
                        <div>
                            {all(stages)
                                .map(|column| {
                                    view! { <span>{all(group).map(|of| square(at, column, of)).collect_view()}</span> }
                                })
                                .collect_view()}
                        </div>
                    }
                })
                .collect_view()}
            {is_cut.then(|| view! { <p class="hint">{format!("… {more}: {data} × {stages} × {group}")}</p> })}
        </div>
    }
}

fn rows(parallel: &Parallel, store: Store) -> impl IntoView + use<> {
    let divided = parallel.divided();
    let experts = (divided.experts > 1).then_some((Word::HeldExperts, divided.experts));
    [
        (Word::HeldLayers, divided.layers),
        (Word::HeldMatrices, divided.matrices),
        (Word::HeldSequence, divided.sequence),
        (Word::HeldWeights, divided.weights),
        (Word::HeldGradients, divided.gradients),
        (Word::HeldStates, divided.states),
    ]
    .into_iter()
    .chain(experts)
    .map(|(word, parts)| {
        let share = if parts == 1 { store.word(Word::Everything).to_owned() } else { format!("1/{parts}") };
        view! {
            <tr>
                <th scope="row">{store.word(word)}</th>
                <td class="number">{share}</td>
            </tr>
        }
    })
    .collect_view()
}

/// The kinds of rank of a pipeline, which need unequally much.
#[component]
fn Ranks() -> impl IntoView {
    let store = expect_context::<Store>();
    let all = Memo::new(move |_| store.with_scenario(|scenario| ranks(scenario).unwrap_or_default()));
    let row = move |rank: &Rank| {
        let mark = |is_held: bool| if is_held { "✓" } else { "–" };
        view! {
            <tr>
                <th scope="row">{rank.stage.to_string()}</th>
                <td class="number">{rank.stages.to_string()}</td>
                <td class="number">{rank.layers.to_string()}</td>
                <td class="number">{format!("{} {}", mark(rank.has_embedding), mark(rank.has_head))}</td>
                <td class="number">{format_bytes(rank.peak, store.unit())}</td>
            </tr>
        }
    };
    let heads = [Word::RankCount, Word::RankLayers, Word::RankEnds, Word::RankPeak];
    view! {
        <Show when=move || all.with(|all| !all.is_empty())>
            <div class="scroll" tabindex="0" role="group" aria-label=move || store.word(Word::RanksTitle)>
                <table id="ranks">
                    <caption>{move || store.word(Word::RanksTitle)}</caption>
                    <thead>
                        <tr>
                            <th scope="col">{move || store.word(Word::RankStage)}</th>
                            {heads
                                .map(|word| view! { <th scope="col" class="number">{move || store.word(word)}</th> })
                                .into_iter()
                                .collect_view()}
                        </tr>
                    </thead>
                    <tbody>{move || all.with(|all| all.iter().map(row).collect_view())}</tbody>
                </table>
            </div>
        </Show>
    }
}
