//! What is chosen from: methods, places of other models, batches, generation.

use super::super::choices::choices;
use crate::units::Dtype;

choices! {
    /// What is trained towards.
    Method {
        /// Next-token prediction; BERT and T5 with their own language-model loss.
        CausalLm = "causal_lm",
        /// The tokens that a mask hides, of an encoder.
        MaskedLm = "masked_lm",
        /// A class of each sequence, from its last token (`*ForSequenceClassification`).
        SequenceClassification = "sequence_classification",
        /// A reward for the better of two sequences (TRL's `RewardTrainer`).
        Reward = "reward",
        /// Direct preference optimisation.
        Dpo = "dpo",
        /// IPO: DPO's tensors, with a squared loss.
        Ipo = "ipo",
        /// KTO: single completions, and a forward pass without a graph over mismatched ones.
        Kto = "kto",
        /// ORPO: no reference model, but the chosen sequences' own loss.
        Orpo = "orpo",
        /// SimPO: mean log-probabilities, no reference model.
        SimPo = "simpo",
        /// CPO: SimPO's tensors with the chosen sequences' own loss.
        Cpo = "cpo",
        /// PPO with a trained value model beside the policy.
        Ppo = "ppo",
        /// GRPO.
        Grpo = "grpo",
        /// RLOO: GRPO's tensors, with a leave-one-out baseline.
        Rloo = "rloo",
        /// DAPO: GRPO's tensors, with another clipping and no reference model.
        Dapo = "dapo",
        /// Dr. GRPO: GRPO's tensors, with another normalisation.
        DrGrpo = "dr_grpo",
        /// GSPO: GRPO's tensors, with one ratio for a sequence.
        Gspo = "gspo",
        /// Distillation: the divergence of a teacher's tokens (TRL's `GKDTrainer`).
        Distillation = "distillation",
        /// Nothing is trained: tokens are generated.
        Generate = "generate",
    }
}

impl Method {
    /// Sequences that one sample puts into a forward pass: chosen and rejected of a pair.
    pub const fn sequences_per_sample(self) -> u64 {
        match self {
            Self::Reward | Self::Dpo | Self::Ipo | Self::Orpo | Self::SimPo | Self::Cpo => 2,
            _ => 1,
        }
    }

    /// Whether it follows a policy's own completions.
    pub const fn has_rollouts(self) -> bool {
        matches!(
            self,
            Self::Ppo | Self::Grpo | Self::Rloo | Self::Dapo | Self::DrGrpo | Self::Gspo | Self::Generate
        )
    }

    /// Whether it is GRPO or one of its kin, which need the same tensors.
    pub const fn is_group_relative(self) -> bool {
        matches!(self, Self::Grpo | Self::Rloo | Self::Dapo | Self::DrGrpo | Self::Gspo)
    }

    /// Whether a reference model may stand beside the trained one.
    pub const fn has_reference(self) -> bool {
        matches!(self, Self::Dpo | Self::Ipo | Self::Kto | Self::Ppo) || self.is_group_relative()
    }

    /// Whether a reward model may score completions.
    pub const fn has_reward(self) -> bool {
        matches!(self, Self::Ppo) || self.is_group_relative()
    }

    /// Whether a head over labels stands in place of the one over the vocabulary.
    pub const fn has_labels(self) -> bool {
        matches!(self, Self::SequenceClassification | Self::Reward)
    }

    /// Whether prompt and completion have lengths of their own.
    pub const fn has_completions(self) -> bool {
        self.has_rollouts()
            || matches!(
                self,
                Self::Reward
                    | Self::Dpo
                    | Self::Ipo
                    | Self::Kto
                    | Self::Orpo
                    | Self::SimPo
                    | Self::Cpo
                    | Self::Distillation
            )
    }

    /// Whether the loss is that of language modelling, made within the model's forward.
    pub const fn is_language_modelling(self) -> bool {
        matches!(self, Self::CausalLm | Self::MaskedLm)
    }

    /// Whether a run of BERT or T5 has shown it.
    pub(crate) const fn fits_encoder(self) -> bool {
        self.is_language_modelling()
    }
}

choices! {
    /// Where another model stands while the policy trains.
    Place {
        /// Nowhere: there is none, or what it says was computed beforehand.
        None = "none",
        /// On the GPU, in fp32.
        Fp32 = "fp32",
        /// On the GPU, in bf16.
        Bf16 = "bf16",
        /// On the GPU, a byte a parameter.
        Int8 = "int8",
        /// On the GPU, half a byte a parameter (NF4, double quantisation).
        Nf4 = "nf4",
        /// In the host's memory.
        Cpu = "cpu",
        /// The policy itself without its LoRA adapters.
        Adapter = "adapter",
    }
}

impl Place {
    /// Dtype of its weights outside of quantised matrices, where they are on the GPU.
    pub const fn on_gpu(self) -> Option<Dtype> {
        match self {
            Self::Fp32 => Some(Dtype::Fp32),
            Self::Bf16 | Self::Int8 | Self::Nf4 => Some(Dtype::Bf16),
            Self::None | Self::Cpu | Self::Adapter => None,
        }
    }
}

choices! {
    /// How samples of different lengths become a batch.
    Batching {
        /// Every sequence has the given length.
        Fixed = "fixed",
        /// Sequences are padded to the longest sample, which is what the peak of a run depends on.
        Longest = "longest",
        /// As if every sample had the mean length: what a run needs most of the time.
        Mean = "mean",
        /// Samples are packed into sequences of the given length.
        Packed = "packed",
    }
}

choices! {
    /// Where completions are generated.
    Generation {
        /// On other GPUs, or beforehand.
        Elsewhere = "elsewhere",
        /// By the policy itself, in this process (`model.generate`).
        Policy = "policy",
        /// By vLLM in this process, which keeps a copy of the weights and its cache.
        Vllm = "vllm",
        /// The same, asleep while the policy trains (`sleep`).
        VllmSleep = "vllm_sleep",
    }
}

choices! {
    /// The key-value cache of generation.
    GenerationCache {
        /// It grows by a token at a time, a layer's keys and values copied each time.
        Dynamic = "dynamic",
        /// All of it from the start.
        Static = "static",
    }
}
