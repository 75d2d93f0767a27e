//! What is trained towards, and the further models that it needs.

use leptos::prelude::*;
use vram_core::scenario::{LogProbs, Objective};
use vram_text::{Word, log_probs, objective};

use super::super::choice::Select;
use super::{Group, listed, short};

/// Objective and reference model.
#[component]
pub(super) fn ObjectiveGroup() -> impl IntoView {
    view! {
        <Group title=Word::ReferenceLabel value=|s, lang| short(objective(s.objective, lang))>
            <Select key="objective" label=Word::ObjectiveLabel choices=of!(Objective, objective) />
            <Select key="log_probs" label=Word::LogProbsLabel choices=of!(LogProbs, log_probs) />
        </Group>
    }
}
