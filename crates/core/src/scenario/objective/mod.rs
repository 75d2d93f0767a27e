//! What is trained towards, and what that needs beside the trained model: pairs, other models, rollouts.

mod batch;
mod method;

pub use method::{Batching, Generation, GenerationCache, Method, Place};

use crate::units::Count;

/// Another model beside the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherModel {
    /// Where it stands.
    pub place: Place,
    /// Its parameters in millions; none: it has the policy's dimensions.
    pub millions: Option<Count>,
}

impl OtherModel {
    /// None.
    pub const NONE: Self = Self { place: Place::None, millions: None };
}

/// Lengths of samples, in tokens; none where they are not told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// The prompt.
    pub prompt: Option<Count>,
    /// The completion, or the chosen one of two.
    pub completion: Option<Count>,
    /// The rejected completion.
    pub rejected: Option<Count>,
    /// How samples become a batch.
    pub batching: Batching,
    /// The longest sample.
    pub longest: Option<Count>,
    /// The mean sample.
    pub mean: Option<Count>,
}

/// How completions come about and are trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Where they are generated.
    pub generation: Generation,
    /// The cache of [`Generation::Policy`].
    pub cache: GenerationCache,
    /// Completions of one prompt, which are generated together.
    pub group: Count,
    /// Calls of the policy, each with an equal part of the micro-batch, whose graphs one backward goes through.
    pub calls: Count,
    /// Whether the head runs on the completion's tokens alone (`logits_to_keep`).
    pub keeps_completion: bool,
    /// Whether the logits are divided by a temperature.
    pub temperature: bool,
    /// Whether the entropy of the tokens is computed.
    pub entropy: bool,
    /// vLLM's share of the GPU in percent (`gpu_memory_utilization`).
    pub share: Count,
}

/// The objective with the choices that belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objective {
    /// What is trained towards.
    pub method: Method,
    /// Classes of [`Method::SequenceClassification`].
    pub labels: Count,
    /// The frozen model that the policy is held near to.
    pub reference: OtherModel,
    /// The frozen model that scores completions.
    pub reward: OtherModel,
    /// The frozen model that is distilled.
    pub teacher: OtherModel,
    /// Lengths of samples.
    pub lengths: Lengths,
    /// Completions of the policy's own.
    pub rollout: Rollout,
}

impl Default for Objective {
    /// Next-token prediction over sequences of one length; TRL's defaults for the rest.
    fn default() -> Self {
        Self {
            method: Method::CausalLm,
            labels: Count::new(2),
            reference: OtherModel::NONE,
            reward: OtherModel::NONE,
            teacher: OtherModel { place: Place::Bf16, millions: None },
            lengths: Lengths {
                prompt: None,
                completion: None,
                rejected: None,
                batching: Batching::Fixed,
                longest: None,
                mean: None,
            },
            rollout: Rollout {
                generation: Generation::Elsewhere,
                cache: GenerationCache::Dynamic,
                group: Count::new(8),
                calls: Count::ONE,
                keeps_completion: true,
                temperature: true,
                entropy: false,
                share: Count::new(30),
            },
        }
    }
}

impl Objective {
    /// The words of links: those of the methods, and of DPO with its reference model, in which old links say both.
    pub const WORDS: &'static [&'static str] = &[
        "causal_lm",
        "masked_lm",
        "sequence_classification",
        "reward",
        "dpo",
        "dpo_ref_fp32",
        "dpo_ref_bf16",
        "dpo_ref_adapter",
        "dpo_ref_cpu",
        "ipo",
        "kto",
        "orpo",
        "simpo",
        "cpo",
        "ppo",
        "grpo",
        "rloo",
        "dapo",
        "dr_grpo",
        "gspo",
        "distillation",
        "generate",
    ];

    /// DPO with a reference model of the policy's size.
    pub fn dpo(place: Place) -> Self {
        let reference = OtherModel { place, millions: None };
        Self { method: Method::Dpo, reference, ..Self::default() }
    }

    /// The word of links.
    pub const fn word(&self) -> &'static str {
        match (self.method, self.reference.place) {
            (Method::Dpo, Place::Fp32) => "dpo_ref_fp32",
            (Method::Dpo, Place::Bf16) => "dpo_ref_bf16",
            (Method::Dpo, Place::Adapter) => "dpo_ref_adapter",
            (Method::Dpo, Place::Cpu) => "dpo_ref_cpu",
            (method, _) => method.key(),
        }
    }

    /// Takes a word of links. Plain `dpo` has its reference computed beforehand.
    #[must_use]
    pub fn with_word(self, word: &str) -> Option<Self> {
        let (method, place) = match word {
            "dpo" => (Method::Dpo, Place::None),
            "dpo_ref_fp32" => (Method::Dpo, Place::Fp32),
            "dpo_ref_bf16" => (Method::Dpo, Place::Bf16),
            "dpo_ref_adapter" => (Method::Dpo, Place::Adapter),
            "dpo_ref_cpu" => (Method::Dpo, Place::Cpu),
            other => (Method::from_key(other)?, self.reference.place),
        };
        Some(Self { method, reference: OtherModel { place, ..self.reference }, ..self })
    }

    /// The reference model, where the method has one.
    pub const fn reference(&self) -> OtherModel {
        if self.method.has_reference() { self.reference } else { OtherModel::NONE }
    }

    /// The reward model, where the method has one.
    pub const fn reward(&self) -> OtherModel {
        if self.method.has_reward() { self.reward } else { OtherModel::NONE }
    }

    /// The teacher, where there is one.
    pub const fn teacher(&self) -> OtherModel {
        if matches!(self.method, Method::Distillation) { self.teacher } else { OtherModel::NONE }
    }

    /// The frozen models beside the policy.
    pub const fn others(&self) -> [OtherModel; 3] {
        [self.reference(), self.reward(), self.teacher()]
    }
}
