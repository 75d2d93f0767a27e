//! The question a reader asks: model, batch, recipe, optimizer, kernels, hardware.

mod choices;
mod freezing;
mod objective;
mod trainer;

pub use choices::{
    AdapterDtype, Attention, AutocastScope, BaseDtype, Checkpointing, Held, KvCache, LogProbs, Lora,
    LoraTargets, Optimizer, Padding, Recipe, Stack, ZeroGrad,
};

pub use freezing::{Freezing, FrozenLayers, TrainedKinds};
pub use objective::{
    Batching, Generation, GenerationCache, Lengths, Method, Objective, OtherModel, Place, Rollout,
};
pub use trainer::Trainer;

use crate::error::{Error, Field};
use crate::gpu::Gpu;
use crate::model::{Activation, Architecture, Family, Model, SlidingWindow};
use crate::trained::Trained;
use crate::units::{Bytes, Count, Dtype};

/// One training run on one GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What is trained.
    pub model: Model,
    /// Samples in one forward pass.
    pub micro_batch: Count,
    /// Tokens of each sequence, padding included.
    pub sequence_length: Count,
    /// Micro-batches before an optimizer step.
    pub gradient_accumulation: Count,
    /// Dtypes.
    pub recipe: Recipe,
    /// Optimizer.
    pub optimizer: Optimizer,
    /// Attention's implementation.
    pub attention: Attention,
    /// Activation checkpointing.
    pub checkpointing: Checkpointing,
    /// When gradients are freed.
    pub zero_grad: ZeroGrad,
    /// Objective and reference model.
    pub objective: Objective,
    /// Which of the model's own parameters are frozen where there are no adapters.
    pub freezing: Freezing,
    /// LoRA.
    pub lora: Lora,
    /// How DPO gets its log-probabilities.
    pub log_probs: LogProbs,
    /// The attention mask of the batch.
    pub padding: Padding,
    /// What `torch.autocast` is entered around; recipes without autocast don't depend on it.
    pub autocast_scope: AutocastScope,
    /// What is held through backward.
    pub held: Held,
    /// Whether the forward pass fills a key-value cache.
    pub kv_cache: KvCache,
    /// The versions of torch and transformers.
    pub stack: Stack,
    /// The GPU that it should fit on. No byte of the ledger depends on it.
    pub gpu: Gpu,
}

impl Default for Scenario {
    /// The run of the hand calculation that this project began with: Phi-3-mini, bf16-mixed, AdamW, 2 × 256 tokens.
    fn default() -> Self {
        let architecture = Architecture {
            family: Family::Phi3,
            vocabulary: Count::new(32_064),
            hidden: Count::new(3072),
            layers: Count::new(32),
            heads: Count::new(32),
            kv_heads: Count::new(32),
            head_dim: Count::new(96),
            ffn: Count::new(8192),
            tied: false,
            positions: None,
            token_types: None,
            rotary: None,
            parallel_residual: false,
            qkv_bias: false,
            output_bias: false,
            mlp_bias: false,
            activation: Activation::OneKernel,
            window: Some(SlidingWindow { size: Count::new(2047), first: Count::new(0), full_every: None }),
            attention_softcap: false,
            logit_softcap: false,
            embedding_dropout: false,
            residual_dropout: false,
            attention_dropout: false,
            experts: None,
            latent: None,
            decoder: None,
            labels: None,
        };
        Self {
            model: Model { preset: Some("phi-3-mini-4k-instruct".to_owned()), architecture },
            micro_batch: Count::new(2),
            sequence_length: Count::new(256),
            gradient_accumulation: Count::ONE,
            recipe: Recipe::Bf16Mixed,
            optimizer: Optimizer::AdamWForeach,
            attention: Attention::Sdpa,
            checkpointing: Checkpointing::Off,
            zero_grad: ZeroGrad::AfterStep,
            freezing: Freezing::default(),
            objective: Objective::default(),
            lora: Lora::default(),
            log_probs: LogProbs::Selective,
            padding: Padding::None,
            autocast_scope: AutocastScope::Step,
            held: Held::Loss,
            kv_cache: KvCache::Off,
            stack: Stack::Current,
            gpu: Gpu { id: "h100-80gb".to_owned(), capacity: Bytes::mib(81_559) },
        }
    }
}

impl Scenario {
    /// Checks every number against its range, and what belongs together against each other.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::NotDivisible`]: the first that is found, by the key of the link.
    pub fn validate(&self) -> Result<(), Error> {
        let a = &self.model.architecture;
        let window = a.window.map(|window| window.size);
        let (experts, latent) = (a.experts, a.latent);
        let every = a.window.and_then(|window| window.full_every);
        let numbers = [
            ("b", Some(self.micro_batch), limits::MICRO_BATCH),
            ("s", Some(self.sequence_length), limits::SEQUENCE_LENGTH),
            ("accumulation", Some(self.gradient_accumulation), limits::GRADIENT_ACCUMULATION),
            ("freeze_count", Some(self.freezing.count), limits::LAYERS),
            ("labels", Some(self.objective.labels), limits::LABELS),
            ("prompt", self.objective.lengths.prompt, limits::SEQUENCE_LENGTH),
            ("completion", self.objective.lengths.completion, limits::SEQUENCE_LENGTH),
            ("rejected", self.objective.lengths.rejected, limits::SEQUENCE_LENGTH),
            ("longest", self.objective.lengths.longest, limits::SEQUENCE_LENGTH),
            ("mean", self.objective.lengths.mean, limits::SEQUENCE_LENGTH),
            ("group", Some(self.objective.rollout.group), limits::MICRO_BATCH),
            ("calls", Some(self.objective.rollout.calls), limits::MICRO_BATCH),
            ("vllm_share", Some(self.objective.rollout.share), limits::PERCENT),
            ("lora_rank", self.lora.rank, limits::LORA_RANK),
            ("vocab", Some(a.vocabulary), limits::VOCABULARY),
            ("hidden", Some(a.hidden), limits::WIDTH),
            ("layers", Some(a.layers), limits::LAYERS),
            ("heads", Some(a.heads), limits::HEADS),
            ("kv_heads", Some(a.kv_heads), limits::HEADS),
            ("head_dim", Some(a.head_dim), limits::HEADS),
            ("ffn", Some(a.ffn), limits::WIDTH),
            ("positions", a.positions, limits::SEQUENCE_LENGTH),
            ("window", window, limits::SEQUENCE_LENGTH),
            ("window_full_every", every, limits::LAYERS),
            ("experts", experts.map(|experts| experts.count), limits::EXPERTS),
            ("experts_per_token", experts.map(|experts| experts.per_token), limits::EXPERTS),
            ("expert_ffn", experts.map(|experts| experts.ffn), limits::WIDTH),
            ("shared_ffn", experts.and_then(|experts| experts.shared_ffn), limits::WIDTH),
            ("sparse_every", experts.map(|experts| experts.every), limits::LAYERS),
            ("decoder_layers", a.decoder.map(|decoder| decoder.layers), limits::LAYERS),
            ("latent", latent.map(|latent| latent.rank), limits::WIDTH),
            ("query_latent", latent.and_then(|latent| latent.query_rank), limits::WIDTH),
            ("value_dim", latent.map(|latent| latent.value), limits::HEADS),
        ];
        for (key, count, (min, max)) in numbers {
            if let Some(count) =
                count.filter(|count| !(u64::from(min)..=u64::from(max)).contains(&count.get()))
            {
                return Err(Error::OutOfRange {
                    field: Field::new(key),
                    given: count.to_string(),
                    min: min.into(),
                    max: max.into(),
                });
            }
        }
        if let Some(longest) = a.longest_sequence().filter(|&longest| self.tokens_of_sequence() > longest) {
            return Err(Error::OutOfRange {
                field: Field::new("s"),
                given: self.tokens_of_sequence().to_string(),
                min: limits::SEQUENCE_LENGTH.0.into(),
                max: longest,
            });
        }
        if !a.heads.get().is_multiple_of(a.kv_heads.get()) {
            return Err(Error::NotDivisible {
                field: Field::new("heads"),
                given: a.heads.get(),
                by: Field::new("kv_heads"),
                divisor: a.kv_heads.get(),
            });
        }
        self.check_objective()?;
        if let Some(experts) = experts.filter(|experts| experts.per_token > experts.count) {
            return Err(Error::OutOfRange {
                field: Field::new("experts_per_token"),
                given: experts.per_token.to_string(),
                min: limits::EXPERTS.0.into(),
                max: experts.count.get(),
            });
        }
        self.check_what_libraries_lack()
    }

    /// What can be asked for, but no library does or no run has shown.
    fn check_what_libraries_lack(&self) -> Result<(), Error> {
        let a = &self.model.architecture;
        // transformers 4.51 has no DeepSeek-V2, and its experts run in a loop whose tensors depend on the tokens.
        if self.stack == Stack::Torch26 && (a.experts.is_some() || a.latent.is_some()) {
            return Err(unsupported("stack", self.stack.key(), &["current"]));
        }
        if a.family.is_masked() || a.family == Family::T5 {
            self.check_encoder()?;
        }
        if a.decoder.is_some() {
            self.check_encoder_decoder()?;
        }
        if self.lora.rank.is_none() {
            self.freezing.check(&Trained::of(self), a.decoder.is_some())?;
        }
        // PEFT multiplies adapters of all experts into a whole weight.
        if self.lora.rank.is_some() && a.experts.is_some() && self.lora.targets == LoraTargets::AllLinear {
            return Err(unsupported("lora_targets", self.lora.targets.key(), &["q_v", "attention"]));
        }
        let has_query = a.latent.is_none_or(|latent| latent.query_rank.is_none());
        if self.lora.rank.is_some() && !has_query && self.lora.targets == LoraTargets::QueryValue {
            return Err(unsupported("lora_targets", self.lora.targets.key(), &["attention"]));
        }
        Ok(())
    }

    /// Dtype of the weights that the forward pass reads from.
    pub fn weight(&self) -> Dtype {
        match (self.lora.rank, self.lora.base) {
            (Some(_), BaseDtype::Bf16) => Dtype::Bf16,
            _ => self.recipe.weight(),
        }
    }

    /// Dtype of what is trained, of its gradients and, but for master weights, of the optimizer's states.
    pub fn trained(&self) -> Dtype {
        match (self.lora.rank, self.lora.adapters) {
            (Some(_), AdapterDtype::Fp32) => Dtype::Fp32,
            _ => self.weight(),
        }
    }

    /// Dtype of what the optimizer updates: that of what is trained, or fp32 where a recipe has master weights.
    pub fn optimizer_dtype(&self) -> Dtype {
        if self.lora.rank.is_some() { self.trained() } else { self.recipe.optimizer() }
    }

    /// Whether eager attention runs although SDPA was asked for: soft-capped scores need it.
    pub fn attention_that_runs(&self) -> Attention {
        if self.model.architecture.attention_softcap { Attention::Eager } else { self.attention }
    }
}

impl Scenario {
    /// An encoder is trained with masked language modelling; with adapters, pairs or on the older stack no run has shown it.
    fn check_encoder(&self) -> Result<(), Error> {
        if self.stack != Stack::Current {
            return Err(unsupported("stack", self.stack.key(), &["current"]));
        }
        if !self.objective.method.fits_encoder() {
            return Err(unsupported("objective", self.objective.word(), &["causal_lm", "masked_lm"]));
        }
        match self.lora.rank {
            Some(rank) => Err(unsupported("lora_rank", &rank.to_string(), &["0"])),
            None => Ok(()),
        }
    }

    /// What the decoder's layers share with each other is followed in a plain pass alone.
    fn check_encoder_decoder(&self) -> Result<(), Error> {
        if self.attention != Attention::Sdpa {
            return Err(unsupported("attention", self.attention.key(), &["sdpa"]));
        }
        if self.checkpointing != Checkpointing::Off {
            return Err(unsupported("checkpointing", self.checkpointing.key(), &["off"]));
        }
        if self.padding == Padding::Padded {
            return Err(unsupported("padding", self.padding.key(), &["none", "ones"]));
        }
        if self.kv_cache != KvCache::Off {
            return Err(unsupported("kv_cache", self.kv_cache.key(), &["off"]));
        }
        Ok(())
    }
}

fn unsupported(key: &'static str, given: &str, accepted: &[&'static str]) -> Error {
    Error::Unsupported { field: Field::new(key), given: given.to_owned(), accepted: accepted.to_vec() }
}

/// Ranges of the numbers of a [`Scenario`].
pub mod limits {
    /// Samples in a micro-batch.
    pub const MICRO_BATCH: (u32, u32) = (1, 65_536);
    /// Tokens of a sequence.
    pub const SEQUENCE_LENGTH: (u32, u32) = (1, 16_777_216);
    /// Micro-batches before a step.
    pub const GRADIENT_ACCUMULATION: (u32, u32) = (1, 65_536);
    /// Decoder layers.
    pub const LAYERS: (u32, u32) = (1, 10_000);
    /// Attention heads, key-value heads, a head's width.
    pub const HEADS: (u32, u32) = (1, 65_536);
    /// Labels of a classifier.
    pub const LABELS: (u32, u32) = (1, 1_048_576);
    /// A share in percent.
    pub const PERCENT: (u32, u32) = (1, 100);
    /// Parameters of another model, in millions.
    pub const MILLIONS: (u32, u32) = (0, 4_000_000);
    /// Experts in a layer.
    pub const EXPERTS: (u32, u32) = (1, 65_536);
    /// Hidden width, MLP width.
    pub const WIDTH: (u32, u32) = (1, 4_194_304);
    /// Rank of LoRA's adapters.
    pub const LORA_RANK: (u32, u32) = (1, 65_536);
    /// Rows of an embedding.
    pub const VOCABULARY: (u32, u32) = (1, 16_777_216);
    /// A GPU's memory in MiB.
    pub const CAPACITY_MIB: (u32, u32) = (1, 16_777_216);
}
