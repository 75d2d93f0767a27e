//! What an objective makes of a scenario: the model as it is trained, sequences and tokens of a pass, rollouts.

use super::super::{LogProbs, Scenario, divides, unsupported};
use super::{Batching, Generation, Method, Place};
use crate::error::Error;
use crate::model::Architecture;
use crate::units::{Bytes, Count};

impl Scenario {
    /// The model as it is trained: with the rows that are added to its vocabulary, and with a head over labels where the objective has one.
    pub fn architecture(&self) -> Architecture {
        let objective = &self.objective;
        let labels = match objective.method {
            Method::SequenceClassification => Some(objective.labels),
            Method::Reward => Some(Count::ONE),
            _ => None,
        };
        let architecture = self.vocabulary.padded(&self.model.architecture);
        // The last stage of a pipeline has a table of its own.
        let tied = architecture.tied && labels.is_none() && !self.is_pipelined();
        Architecture { tied, labels, ..architecture }
    }

    /// The value model that PPO trains: the policy's body with a head over one label.
    pub fn value_architecture(&self) -> Architecture {
        Architecture { labels: Some(Count::ONE), tied: false, ..self.architecture() }
    }

    /// Sequences of one forward pass.
    pub fn sequences(&self) -> u64 {
        let rows = self.micro_batch.get().saturating_mul(self.objective.method.sequences_per_sample());
        rows / self.calls()
    }

    /// Calls of the policy that share a backward.
    pub fn calls(&self) -> u64 {
        let calls =
            if self.objective.method.is_group_relative() { self.objective.rollout.calls.get() } else { 1 };
        calls.clamp(1, self.micro_batch.get())
    }

    /// Tokens of a sequence, padding included.
    pub fn tokens_of_sequence(&self) -> u64 {
        let lengths = &self.objective.lengths;
        let given = self.sequence_length.get();
        if let Some(image) = self.model.architecture.image {
            return image.positions();
        }
        if self.objective.method.has_completions()
            && let (Some(prompt), Some(completion)) = (lengths.prompt, lengths.completion)
        {
            return prompt.get().saturating_add(self.longest_completion(completion));
        }
        match lengths.batching {
            Batching::Longest => lengths.longest.map_or(given, |longest| longest.get().min(given)),
            Batching::Mean => lengths.mean.map_or(given, |mean| mean.get().min(given)),
            Batching::Fixed | Batching::Packed => given,
        }
    }

    /// Of a pair both are padded to the longer one (`concatenated_inputs`, `pad`).
    fn longest_completion(&self, completion: Count) -> u64 {
        let rejected =
            self.objective.lengths.rejected.filter(|_| self.objective.method.sequences_per_sample() > 1);
        completion.max(rejected.unwrap_or(completion)).get()
    }

    /// Tokens of the completion; half of the sequence where it isn't said.
    pub fn tokens_of_completion(&self) -> u64 {
        let sequence = self.tokens_of_sequence();
        let longest = sequence.saturating_sub(1).max(1);
        let completion = self.objective.lengths.completion;
        completion.map_or(sequence / 2, |completion| self.longest_completion(completion)).clamp(1, longest)
    }

    /// Completions that are generated at a time: those of a step, in whole groups.
    pub fn completions_at_once(&self) -> u64 {
        if self.objective.method == Method::Generate {
            return self.micro_batch.get();
        }
        let of_step = self.micro_batch.get().saturating_mul(self.gradient_accumulation.get());
        let group =
            if self.objective.method.is_group_relative() { self.objective.rollout.group.get() } else { 1 };
        of_step.max(1).next_multiple_of(group.max(1))
    }

    /// Where completions are generated, if any are.
    pub const fn generation(&self) -> Generation {
        match self.objective.method {
            Method::Generate => Generation::Policy,
            method if method.has_rollouts() => self.objective.rollout.generation,
            _ => Generation::Elsewhere,
        }
    }

    /// What vLLM takes: its share of the whole GPU, weights and cache together.
    pub fn engine(&self) -> Bytes {
        let hundredth = self.gpu.capacity.get() / 100;
        Bytes::new(hundredth.saturating_mul(self.objective.rollout.share.get()))
    }

    /// What no library does, or no rule says yet.
    pub(crate) fn check_objective(&self) -> Result<(), Error> {
        let (objective, a) = (&self.objective, &self.model.architecture);
        let method = objective.method;
        let refused = |accepted: &[&'static str]| Err(unsupported("objective", objective.word(), accepted));
        if method == Method::MaskedLm && !a.family.is_masked() && a.decoder.is_none() {
            return refused(&["causal_lm"]);
        }
        if !method.is_language_modelling() && (a.image.is_some() || a.tower.is_some()) {
            return refused(&["causal_lm"]);
        }
        // A gradient of several calls is whole when the last of them has been visited, which no hook's run has shown.
        if method != Method::CausalLm && self.updates_in_backward() {
            return refused(&["causal_lm"]);
        }
        for (key, model) in [
            ("reference", objective.reference()),
            ("reward_model", objective.reward()),
            ("teacher", objective.teacher()),
        ] {
            if model.place == Place::Adapter
                && (key != "reference" || self.lora.rank.is_none() && method != Method::Dpo)
            {
                return Err(unsupported(
                    key,
                    model.place.key(),
                    &["none", "fp32", "bf16", "int8", "nf4", "cpu"],
                ));
            }
        }
        if method.is_group_relative() {
            divides("b", self.micro_batch.get(), "calls", self.calls())?;
        }
        Ok(())
    }

    /// How log-probabilities are made: TRL's newer objectives have one way.
    pub const fn log_probs_way(&self) -> LogProbs {
        match self.objective.method {
            Method::Dpo | Method::Ipo => self.log_probs,
            _ => LogProbs::Selective,
        }
    }
}
