//! Optimizers, by library, and what some of them have to be told.

use leptos::prelude::*;
use vram_core::link;
use vram_core::scenario::{Library, Optimizer};
use vram_text::{Lang, Word, ema, library, optimizer};

use super::super::choice::{Grouped, Select};
use super::super::number::Number;
use super::{Group, short};
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
    let has_any =
        Memo::new(move |_| store.with_scenario(|s| DETAILS.iter().any(|(key, _)| link::applies(s, key))));
    view! {
        <Show when=move || has_any.get()>
            <Group title=Word::OptimizerSettingsLabel value=|s, lang| short(optimizer(s.optimizer, lang))>
                {DETAILS.iter().map(|&(key, label)| view! { <Number key label /> }).collect_view()}
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
            <Select key="in_backward" label=Word::InBackwardLabel />
            <Select key="ema" label=Word::EmaLabel />
        </Group>
    }
}

/// Links' keys, and what they are called.
const DETAILS: &[(&str, Word)] = &[
    ("optimizer_rank", Word::OptimizerRankLabel),
    ("lbfgs_history", Word::HistoryLabel),
    ("shampoo_block", Word::ShampooBlockLabel),
    ("soap_widest", Word::SoapWidestLabel),
    ("state_bytes", Word::StateBytesLabel),
    ("step_bytes", Word::StepBytesLabel),
];
