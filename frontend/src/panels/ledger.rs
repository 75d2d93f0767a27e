//! The ledger: every entry that is alive at a moment, by category; each opens its formula, lifetime and source.

use leptos::prelude::*;
use vram_core::ledger::{Category, Entry, Instant, Symbol, largest_first};
use vram_core::units::Bytes;
use vram_text::{Lang, Word, category, format_bytes, format_count, instant, lifetime, name, source};

use crate::state::Store;

/// What tells an entry from the others, whatever the scenario: its name, dtype and shape in symbols.
fn identity(entry: &Entry) -> String {
    format!("{} {} {}", entry.name.key(), entry.formula(), entry.category.key())
}

#[component]
pub(crate) fn Ledger() -> impl IntoView {
    let store = expect_context::<Store>();
    let moment = Memo::new(move |_| {
        store
            .moment
            .get()
            .or_else(|| store.with(|_, estimate| Some(estimate.peak)))
            .unwrap_or(Instant::OptimizerStep)
    });
    let opened = RwSignal::new(None::<String>);
    view! {
        <section aria-labelledby="ledger-title">
            <h2 id="ledger-title">{move || store.word(Word::Ledger)}</h2>
            <p class="hint">{move || store.word(Word::LedgerIntro)}</p>
            <Moment moment />
            <table id="ledger">
                <thead>
                    <tr>
                        <th scope="col">{move || store.word(Word::Entry)}</th>
                        <th scope="col" class="formula">{move || store.word(Word::Formula)}</th>
                        <th scope="col" class="number">{move || store.word(Word::Size)}</th>
                    </tr>
                </thead>
                {Category::ALL.map(|of| view! { <Group of moment opened /> }).into_iter().collect_view()}
            </table>
            <Symbols />
        </section>
    }
}

/// The choice of the moment.
#[component]
fn Moment(moment: Memo<Instant>) -> impl IntoView {
    let store = expect_context::<Store>();
    let choose = move |event| {
        let word = event_target_value(&event);
        let at = Instant::ALL.into_iter().find(|at| at.key() == word);
        let is_peak = at.is_some_and(|at| store.with(|_, estimate| estimate.peak == at));
        store.moment.set(at.filter(|_| !is_peak));
    };
    view! {
        <div class="control moment">
            <label for="moment">{move || store.word(Word::Moment)}</label>
            <select id="moment" on:change=choose prop:value=move || moment.get().key()>
                {move || {
                    let peak = store.with(|_, estimate| Some(estimate.peak));
                    Instant::ALL
                        .map(|at| {
                            let mark = if Some(at) == peak { format!(" ({})", store.word(Word::Peak)) } else { String::new() };
                            view! {
                                <option value=at.key() selected=move || moment.get() == at>
                                    {format!("{}{mark}", instant(at, store.lang()))}
                                </option>
                            }
                        })
                        .into_iter()
                        .collect_view()
                }}
            </select>
        </div>
    }
}

/// The entries of one category, largest first.
#[component]
fn Group(of: Category, moment: Memo<Instant>, opened: RwSignal<Option<String>>) -> impl IntoView {
    let store = expect_context::<Store>();
    let entries = Memo::new(move |_| {
        let at = moment.get();
        store.with(|_, estimate| {
            let mut entries: Vec<Entry> =
                estimate.alive(at).filter(|entry| entry.category == of).copied().collect();
            largest_first(&mut entries);
            entries
        })
    });
    // Rows are made once and then hidden or shown: making one costs more than a whole estimate.
    let most =
        Memo::new(move |most: Option<&usize>| entries.with(Vec::len).max(most.copied().unwrap_or_default()));
    let total = move || entries.with(|entries| entries.iter().map(Entry::bytes).sum::<Bytes>());
    view! {
        <tbody hidden=move || entries.with(Vec::is_empty)>
            <tr class="group">
                <th scope="rowgroup" colspan="2">
                    <i class="dot" data-category=of.key()></i>
                    {move || category(of, store.lang())}
                </th>
                <td class="number">{move || format_bytes(total(), store.unit())}</td>
            </tr>
            <For
                each=move || 0..most.get()
                key=|index| *index
                children=move |index| {
                    let entry = Memo::new(move |_| entries.with(|entries| entries.get(index).copied()));
                    view! { <Row entry opened /> }
                }
            />
        </tbody>
    }
}

/// One entry, and beneath it, once opened, what there is to know of it.
#[component]
fn Row(entry: Memo<Option<Entry>>, opened: RwSignal<Option<String>>) -> impl IntoView {
    let store = expect_context::<Store>();
    let read = move |read: fn(&Entry, Lang) -> String| entry.get().map(|entry| read(&entry, store.lang()));
    let key = Memo::new(move |_| entry.get().as_ref().map(identity));
    let is_open = Memo::new(move |_| opened.with(|opened| opened.is_some() && *opened == key.get()));
    let toggle = move |_| opened.set(if is_open.get_untracked() { None } else { key.get_untracked() });
    view! {
        <tr
            hidden=move || entry.with(Option::is_none)
            data-name=move || entry.get().map(|entry| entry.name.key())
            data-bytes=move || entry.get().map(|entry| entry.bytes().get().to_string())
        >
            <th scope="row">
                <button type="button" class="open" aria-expanded=move || is_open.get().to_string() on:click=toggle>
                    {move || read(|entry, lang| name(entry.name, lang))}
                </button>
            </th>
            <td class="formula">{move || read(|entry, _| entry.formula())}</td>
            <td class="number">{move || entry.get().map(|entry| format_bytes(entry.bytes(), store.unit()))}</td>
        </tr>
        <Show when=move || is_open.get()>
            <tr class="opened">
                <td colspan="3">
                    <dl>
                        <dt>{move || store.word(Word::Formula)}</dt>
                        <dd><code>{move || read(|entry, _| entry.formula())}</code></dd>
                        <dt>{move || store.word(Word::InNumbers)}</dt>
                        <dd>
                            <code>
                                {move || read(|entry, _| {
                                    format!("{} = {} B", entry.substituted(), format_count(entry.bytes().get()))
                                })}
                            </code>
                            " "
                            {move || read(|entry, _| entry.dtype.torch_name().to_owned())}
                        </dd>
                        <dt>{move || store.word(Word::Lifetime)}</dt>
                        <dd>{move || read(|entry, lang| lifetime(entry.instants, lang))}</dd>
                        <dt>{move || store.word(Word::Source)}</dt>
                        <dd>{move || read(|entry, _| source(entry).to_owned())}</dd>
                    </dl>
                </td>
            </tr>
        </Show>
    }
}

/// The letters of the formulas with their meanings.
const SYMBOLS: [(Symbol, Word); 17] = [
    (Symbol::Batch, Word::SymbolBatch),
    (Symbol::Sequence, Word::SymbolSequence),
    (Symbol::Hidden, Word::SymbolHidden),
    (Symbol::Ffn, Word::SymbolFfn),
    (Symbol::Heads, Word::SymbolHeads),
    (Symbol::KvHeads, Word::SymbolKvHeads),
    (Symbol::HeadDim, Word::SymbolHeadDim),
    (Symbol::Vocabulary, Word::SymbolVocabulary),
    (Symbol::Layers, Word::SymbolLayers),
    (Symbol::Rank, Word::SymbolRank),
    (Symbol::Experts, Word::SymbolExperts),
    (Symbol::ExpertsPerToken, Word::SymbolExpertsPerToken),
    (Symbol::ExpertFfn, Word::SymbolExpertFfn),
    (Symbol::LatentRank, Word::SymbolLatent),
    (Symbol::ValueDim, Word::SymbolValueDim),
    (Symbol::Parameters, Word::SymbolParameters),
    (Symbol::PaddedSequence, Word::SymbolPadded),
];

/// The letters of the formulas.
#[component]
fn Symbols() -> impl IntoView {
    let store = expect_context::<Store>();
    view! {
        <details class="symbols">
            <summary>{move || store.word(Word::Symbols)}</summary>
            <dl>
                {SYMBOLS
                    .map(|(symbol, word)| {
                        let letter = match symbol {
                            Symbol::PaddedSequence => "s′, d′",
                            Symbol::ExpertFfn => "m, m′",
                            Symbol::LatentRank => "c, q",
                            other => other.letter(),
                        };
                        view! {
                            <div>
                                <dt><code>{letter}</code></dt>
                                <dd>{move || store.word(word)}</dd>
                            </div>
                        }
                    })
                    .into_iter()
                    .collect_view()}
            </dl>
        </details>
    }
}
