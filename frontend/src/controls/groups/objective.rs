//! What is trained towards, and what that needs beside the policy.

use leptos::prelude::*;
use vram_text::{Word, objective};

use super::super::choice::Select;
use super::super::number::Number;
use super::{Group, short};

/// Objective, other models, lengths, rollouts.
#[component]
pub(super) fn ObjectiveGroup() -> impl IntoView {
    view! {
        <Group title=Word::ObjectiveLabel value=|s, lang| short(objective(s.objective, lang))>
            <Select key="objective" label=Word::ObjectiveLabel />
            <Select key="log_probs" label=Word::LogProbsLabel />
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
        <Select key="reference" label=Word::ReferenceLabel />
        <Number key="reference_millions" label=Word::ReferenceMillions />
        <Select key="reward_model" label=Word::RewardModelLabel />
        <Number key="reward_millions" label=Word::RewardMillions />
        <Select key="teacher" label=Word::TeacherLabel />
        <Number key="teacher_millions" label=Word::TeacherMillions />
    }
}

#[component]
fn Lengths() -> impl IntoView {
    view! {
        <Number key="prompt" label=Word::PromptLabel />
        <Number key="completion" label=Word::CompletionLabel />
        <Number key="rejected" label=Word::RejectedLabel />
        <Select key="batching" label=Word::BatchingLabel />
        <Number key="longest" label=Word::LongestLabel />
        <Number key="mean" label=Word::MeanLabel />
    }
}

#[component]
fn Rollouts() -> impl IntoView {
    view! {
        <Select key="generation" label=Word::GenerationLabel />
        <Select
            key="generation_cache"
            label=Word::GenerationCacheLabel
        />
        <Number key="vllm_share" label=Word::VllmShareLabel />
        <Number key="group" label=Word::GroupLabel />
        <Number key="calls" label=Word::CallsLabel />
        <Select key="logits_to_keep" label=Word::LogitsToKeepLabel />
        <Select key="temperature" label=Word::TemperatureLabel />
        <Select key="entropy" label=Word::EntropyLabel />
    }
}
