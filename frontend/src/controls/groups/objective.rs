//! What is trained towards, and what that needs beside the policy.

use leptos::prelude::*;
use vram_core::scenario::{Batching, Generation, GenerationCache, LogProbs, Objective, Place};
use vram_text::{
    Lang, Word, batching, generation, generation_cache, log_probs, objective, objective_word, place,
};

use super::super::choice::{Choice, Select};
use super::super::number::Number;
use super::{Group, listed, short, switch};

fn objectives(lang: Lang) -> Vec<Choice> {
    Objective::WORDS.iter().map(|&word| (word, objective_word(word, lang).to_owned())).collect()
}

/// Objective, other models, lengths, rollouts.
#[component]
pub(super) fn ObjectiveGroup() -> impl IntoView {
    view! {
        <Group title=Word::ObjectiveLabel value=|s, lang| short(objective(s.objective, lang))>
            <Select key="objective" label=Word::ObjectiveLabel choices=objectives />
            <Select key="log_probs" label=Word::LogProbsLabel choices=of!(LogProbs, log_probs) />
            <Number key="labels" label=Word::LabelsLabel />
            <OtherModels />
            <Lengths />
            <Rollouts />
        </Group>
    }
}

#[component]
fn OtherModels() -> impl IntoView {
    view! {
        <Select key="reference" label=Word::ReferenceLabel choices=of!(Place, place) />
        <Number key="reference_millions" label=Word::ReferenceMillions />
        <Select key="reward_model" label=Word::RewardModelLabel choices=of!(Place, place) />
        <Number key="reward_millions" label=Word::RewardMillions />
        <Select key="teacher" label=Word::TeacherLabel choices=of!(Place, place) />
        <Number key="teacher_millions" label=Word::TeacherMillions />
    }
}

#[component]
fn Lengths() -> impl IntoView {
    view! {
        <Number key="prompt" label=Word::PromptLabel />
        <Number key="completion" label=Word::CompletionLabel />
        <Number key="rejected" label=Word::RejectedLabel />
        <Select key="batching" label=Word::BatchingLabel choices=of!(Batching, batching) />
        <Number key="longest" label=Word::LongestLabel />
        <Number key="mean" label=Word::MeanLabel />
    }
}

#[component]
fn Rollouts() -> impl IntoView {
    view! {
        <Select key="generation" label=Word::GenerationLabel choices=of!(Generation, generation) />
        <Select
            key="generation_cache"
            label=Word::GenerationCacheLabel
            choices=of!(GenerationCache, generation_cache)
        />
        <Number key="vllm_share" label=Word::VllmShareLabel />
        <Number key="group" label=Word::GroupLabel />
        <Number key="calls" label=Word::CallsLabel />
        <Select key="logits_to_keep" label=Word::LogitsToKeepLabel choices=switch />
        <Select key="temperature" label=Word::TemperatureLabel choices=switch />
        <Select key="entropy" label=Word::EntropyLabel choices=switch />
    }
}
