//! What is trained towards, and what that needs beside the policy.

use leptos::prelude::*;
use vram_core::Scenario;
use vram_core::scenario::{Batching, Generation, GenerationCache, LogProbs, Method, Objective, Place};
use vram_text::{
    Lang, Word, batching, generation, generation_cache, log_probs, objective, objective_word, place,
};

use super::super::choice::{Choice, Select};
use super::super::number::NumberField;
use super::{Group, listed, short, switch};
use crate::state::Store;

fn objectives(lang: Lang) -> Vec<Choice> {
    Objective::WORDS.iter().map(|&word| (word, objective_word(word, lang).to_owned())).collect()
}

/// Controls that only matter to some scenarios.
#[component]
fn Where(is: fn(&Scenario) -> bool, children: ChildrenFn) -> impl IntoView {
    let store = expect_context::<Store>();
    let shows = Memo::new(move |_| store.with_scenario(is));
    view! { <Show when=move || shows.get()>{children()}</Show> }
}

/// A whole number with its label.
#[component]
fn Number(key: &'static str, label: Word) -> impl IntoView {
    let store = expect_context::<Store>();
    view! {
        <div class="control">
            <label for=key>{move || store.word(label)}</label>
            <NumberField key label is_main=true />
        </div>
    }
}

/// Objective, other models, lengths, rollouts.
#[component]
pub(super) fn ObjectiveGroup() -> impl IntoView {
    view! {
        <Group title=Word::ReferenceLabel value=|s, lang| short(objective(s.objective, lang))>
            <Select key="objective" label=Word::ObjectiveLabel choices=objectives />
            <Select key="log_probs" label=Word::LogProbsLabel choices=of!(LogProbs, log_probs) />
            <Where is=|s| s.objective.method == Method::SequenceClassification>
                <Number key="labels" label=Word::LabelsLabel />
            </Where>
            <OtherModels />
            <Lengths />
            <Where is=|s| s.objective.method.has_rollouts()>
                <Rollouts />
            </Where>
        </Group>
    }
}

#[component]
fn OtherModels() -> impl IntoView {
    view! {
        <Where is=|s| s.objective.method.has_reference()>
            <Select key="reference" label=Word::ReferenceLabel choices=of!(Place, place) />
            <Number key="reference_millions" label=Word::ReferenceMillions />
        </Where>
        <Where is=|s| s.objective.method.has_reward()>
            <Select key="reward_model" label=Word::RewardModelLabel choices=of!(Place, place) />
            <Number key="reward_millions" label=Word::RewardMillions />
        </Where>
        <Where is=|s| s.objective.method == Method::Distillation>
            <Select key="teacher" label=Word::TeacherLabel choices=of!(Place, place) />
            <Number key="teacher_millions" label=Word::TeacherMillions />
        </Where>
    }
}

#[component]
fn Lengths() -> impl IntoView {
    view! {
        <Where is=|s| s.objective.method.has_completions()>
            <Number key="prompt" label=Word::PromptLabel />
            <Number key="completion" label=Word::CompletionLabel />
        </Where>
        <Where is=|s| s.objective.method.sequences_per_sample() != 1>
            <Number key="rejected" label=Word::RejectedLabel />
        </Where>
        <Select key="batching" label=Word::BatchingLabel choices=of!(Batching, batching) />
        <Where is=|s| s.objective.lengths.batching == Batching::Longest>
            <Number key="longest" label=Word::LongestLabel />
        </Where>
        <Where is=|s| s.objective.lengths.batching == Batching::Mean>
            <Number key="mean" label=Word::MeanLabel />
        </Where>
    }
}

#[component]
fn Rollouts() -> impl IntoView {
    view! {
        <Where is=|s| s.objective.method != Method::Generate>
            <Select key="generation" label=Word::GenerationLabel choices=of!(Generation, generation) />
        </Where>
        <Where is=|s| s.generation() == Generation::Policy>
            <Select
                key="generation_cache"
                label=Word::GenerationCacheLabel
                choices=of!(GenerationCache, generation_cache)
            />
        </Where>
        <Where is=|s| matches!(s.generation(), Generation::Vllm | Generation::VllmSleep)>
            <Number key="vllm_share" label=Word::VllmShareLabel />
        </Where>
        <Where is=|s| s.objective.method.is_group_relative()>
            <Number key="group" label=Word::GroupLabel />
            <Number key="calls" label=Word::CallsLabel />
        </Where>
        <Where is=|s| s.objective.method != Method::Generate>
            <Select key="logits_to_keep" label=Word::LogitsToKeepLabel choices=switch />
            <Select key="temperature" label=Word::TemperatureLabel choices=switch />
            <Select key="entropy" label=Word::EntropyLabel choices=switch />
        </Where>
    }
}
