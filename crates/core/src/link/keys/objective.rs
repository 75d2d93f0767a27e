//! What is trained towards.

use super::{Key, always, count, is_set, none_for_zero, unknown, zero_for_none};
use crate::scenario::{
    Batching, Generation, GenerationCache, LogProbs, Method, Objective, Place, Scenario, limits,
};

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "objective",
        write: |s| s.objective.word().to_owned(),
        read: |s, field, text| {
            s.objective =
                s.objective.with_word(text).ok_or_else(|| unknown(field, text, Objective::WORDS))?;
            Ok(())
        },
        words: Objective::WORDS,
        matters: always,
        applies: always,
    },
    choice!("log_probs", LogProbs, |s| s.log_probs)
        .asked(|s| matches!(s.objective.method, Method::Dpo | Method::Ipo)),
    number!("labels", limits::LABELS, |s| s.objective.labels)
        .when(|s| s.objective.method == Method::SequenceClassification),
    choice!("reference", Place, |s| s.objective.reference.place)
        .when(says_reference)
        .asked(|s| s.objective.method.has_reference()),
    optional!("reference_millions", limits::MILLIONS, |s| s.objective.reference.millions)
        .when(|s| s.objective.method.has_reference() && s.objective.reference.millions.is_some())
        .asked(|s| s.objective.method.has_reference() && s.objective.reference.place.on_gpu().is_some()),
    choice!("reward_model", Place, |s| s.objective.reward.place).when(|s| s.objective.method.has_reward()),
    optional!("reward_millions", limits::MILLIONS, |s| s.objective.reward.millions)
        .when(|s| s.objective.method.has_reward() && s.objective.reward.millions.is_some())
        .asked(|s| s.objective.method.has_reward() && s.objective.reward.place.on_gpu().is_some()),
    choice!("teacher", Place, |s| s.objective.teacher.place)
        .when(|s| s.objective.method == Method::Distillation),
    optional!("teacher_millions", limits::MILLIONS, |s| s.objective.teacher.millions)
        .when(|s| s.objective.method == Method::Distillation)
        .asked(|s| {
            s.objective.method == Method::Distillation && s.objective.teacher.place.on_gpu().is_some()
        }),
    optional!("prompt", limits::SEQUENCE_LENGTH, |s| s.objective.lengths.prompt)
        .when(|s| s.objective.lengths.prompt.is_some() && s.objective.method.has_completions())
        .asked(|s| s.objective.method.has_completions()),
    optional!("completion", limits::SEQUENCE_LENGTH, |s| s.objective.lengths.completion)
        .when(|s| s.objective.lengths.completion.is_some() && s.objective.method.has_completions())
        .asked(|s| s.objective.method.has_completions()),
    optional!("rejected", limits::SEQUENCE_LENGTH, |s| s.objective.lengths.rejected)
        .when(|s| s.objective.lengths.rejected.is_some() && s.objective.method.has_completions())
        .asked(|s| s.objective.method.sequences_per_sample() > 1 && s.objective.lengths.completion.is_some()),
    choice!("batching", Batching, |s| s.objective.lengths.batching)
        .when(|s| s.objective.lengths.batching != Batching::Fixed)
        .asked(always),
    optional!("longest", limits::SEQUENCE_LENGTH, |s| s.objective.lengths.longest)
        .when(|s| s.objective.lengths.batching == Batching::Longest),
    optional!("mean", limits::SEQUENCE_LENGTH, |s| s.objective.lengths.mean)
        .when(|s| s.objective.lengths.batching == Batching::Mean),
    choice!("generation", Generation, |s| s.objective.rollout.generation).when(has_generation),
    choice!("generation_cache", GenerationCache, |s| s.objective.rollout.cache)
        .when(|s| s.objective.method.has_rollouts())
        .asked(|s| s.generation() == Generation::Policy),
    number!("vllm_share", limits::PERCENT, |s| s.objective.rollout.share)
        .when(has_generation)
        .asked(|s| matches!(s.generation(), Generation::Vllm | Generation::VllmSleep)),
    number!("group", limits::MICRO_BATCH, |s| s.objective.rollout.group).when(is_group_relative),
    number!("calls", limits::MICRO_BATCH, |s| s.objective.rollout.calls).when(is_group_relative),
    flag!("logits_to_keep", |s| s.objective.rollout.keeps_completion)
        .when(has_generation)
        .asked(is_group_relative),
    flag!("temperature", |s| s.objective.rollout.temperature).when(has_generation),
    flag!("entropy", |s| s.objective.rollout.entropy).when(has_generation).asked(is_group_relative),
];

/// Where the word of the objective doesn't say it.
fn says_reference(scenario: &Scenario) -> bool {
    let objective = &scenario.objective;
    let is_said =
        objective.method == Method::Dpo && !matches!(objective.reference.place, Place::Int8 | Place::Nf4);
    objective.method.has_reference() && !is_said
}

fn has_generation(scenario: &Scenario) -> bool {
    scenario.objective.method.has_rollouts() && scenario.objective.method != Method::Generate
}

fn is_group_relative(scenario: &Scenario) -> bool {
    scenario.objective.method.is_group_relative()
}
