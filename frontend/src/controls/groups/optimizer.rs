//! Optimizers, by library, and what some of them have to be told.

use leptos::prelude::*;
use vram_core::Scenario;
use vram_core::scenario::{Ema, Library, Optimizer};
use vram_text::{Lang, Word, ema, library, optimizer};

use super::super::choice::{Grouped, Select};
use super::super::number::NumberField;
use super::{Group, listed, short, switch};
use crate::state::Store;

/// Every optimizer under the heading of its library.
pub(super) fn by_library(lang: Lang) -> Grouped {
    let of = |of: Library| {
        let of_it = Optimizer::ALL.iter().filter(move |optimizer| optimizer.library() == of);
        of_it.map(|&choice| (choice.key(), optimizer(choice, lang).to_owned())).collect()
    };
    Library::ALL.iter().map(|&heading| (library(heading, lang), of(heading))).collect()
}

/// The numbers that the chosen optimizer needs; nothing where it needs none.
#[component]
pub(super) fn OptimizerDetails() -> impl IntoView {
    let store = expect_context::<Store>();
    let has_any = move || store.with_scenario(|s| DETAILS.iter().any(|(_, _, is_needed)| is_needed(s)));
    view! {
        <Show when=has_any>
            <Group title=Word::OptimizerSettingsLabel value=|s, lang| short(optimizer(s.optimizer, lang))>
                {DETAILS
                    .iter()
                    .map(|&(key, label, is_needed)| {
                        view! {
                            <Show when=move || store.with_scenario(is_needed)>
                                <div class="control">
                                    <label for=key>{move || store.word(label)}</label>
                                    <NumberField key label is_main=true />
                                </div>
                            </Show>
                        }
                    })
                    .collect_view()}
            </Group>
        </Show>
    }
}

/// How any optimizer is used.
#[component]
pub(super) fn OptimizerUse() -> impl IntoView {
    view! {
        <Group
            title=Word::OptimizerUseLabel
            value=|s, lang| {
                if s.optimizer_settings.in_backward {
                    Word::InBackwardLabel.in_lang(lang).to_owned()
                } else {
                    short(ema(s.optimizer_settings.ema, lang))
                }
            }
        >
            <Select key="in_backward" label=Word::InBackwardLabel choices=switch />
            <Select key="ema" label=Word::EmaLabel choices=of!(Ema, ema) />
        </Group>
    }
}

/// A link's key, what it is called, and which scenarios need it.
type Detail = (&'static str, Word, fn(&Scenario) -> bool);

const DETAILS: &[Detail] = &[
    ("optimizer_rank", Word::OptimizerRankLabel, |s| s.optimizer.has_rank()),
    ("lbfgs_history", Word::HistoryLabel, |s| s.optimizer == Optimizer::Lbfgs),
    ("shampoo_block", Word::ShampooBlockLabel, |s| s.optimizer == Optimizer::Shampoo),
    ("soap_widest", Word::SoapWidestLabel, |s| s.optimizer == Optimizer::Soap),
    ("state_bytes", Word::StateBytesLabel, |s| s.optimizer == Optimizer::Custom),
    ("step_bytes", Word::StepBytesLabel, |s| s.optimizer == Optimizer::Custom),
];
