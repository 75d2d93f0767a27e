//! The question a reader asks: model, batch, recipe, optimizer, kernels, hardware.

mod adapters;
mod choices;
mod freezing;
mod kernels;
mod methods;
mod objective;
mod optimizer;
mod optimizer_settings;
mod parallel;
mod quantisation;
mod recurrent;
mod trainer;
mod vision;
mod vocabulary;

pub use choices::{
    AdapterDtype, Attention, AutocastScope, BaseDtype, Checkpointing, Held, KvCache, LogProbs, Lora,
    LoraTargets, Padding, Recipe, Stack, ZeroGrad,
};

pub use adapters::{AdapterMethod, ModuleSet, ModulesToSave, Targets};
pub use freezing::{Freezing, FrozenLayers, TrainedKinds};
pub use kernels::{Compile, Fused, Kernels, LossKernel};
pub use objective::{
    Batching, Generation, GenerationCache, Lengths, Method, Objective, OtherModel, Place, Rollout,
};
pub use optimizer::{Evidence, Library, Optimizer};
pub use optimizer_settings::{Ema, OptimizerSettings};
pub use parallel::{
    DataParallel, DeepSpeed, Divided, GradientSync, Mesh, Parallel, ReduceDtype, Reshard, Rotate, Schedule,
    Spread,
};
pub use quantisation::{Quantisation, QuantisedBase};
pub use trainer::Trainer;
pub use vision::Vision;
pub use vocabulary::Vocabulary;

use crate::error::{Error, Field};
use crate::gpu::Gpu;
use crate::model::{Activation, Architecture, Family, Mixer, Model, Pattern, Tower};
use crate::trained::Trained;
use crate::units::{Bytes, Count, Dtype};

/// One training run on one GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What is trained.
    pub model: Model,
    /// Rows that are added to its vocabulary.
    pub vocabulary: Vocabulary,
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
    /// What the optimizer has to be told.
    pub optimizer_settings: OptimizerSettings,
    /// Attention's implementation.
    pub attention: Attention,
    /// Implementations of the loss, of norms, MLPs and rotary positions.
    pub kernels: Kernels,
    /// Activation checkpointing.
    pub checkpointing: Checkpointing,
    /// The number of layers that some ways of checkpointing ask for: every how many, or the first how many.
    pub checkpoint_layers: Count,
    /// When gradients are freed.
    pub zero_grad: ZeroGrad,
    /// Objective and reference model.
    pub objective: Objective,
    /// Which of the model's own parameters are frozen where there are no adapters.
    pub freezing: Freezing,
    /// LoRA.
    pub lora: Lora,
    /// How the frozen base below the adapters is held.
    pub quantisation: Quantisation,
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
    /// Images of a sample, and how a vision tower is trained.
    pub vision: Vision,
    /// The versions of torch and transformers.
    pub stack: Stack,
    /// How it is spread over several GPUs.
    pub parallel: Parallel,
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
            has_qk_norm: true,
            qkv_bias: false,
            output_bias: false,
            mlp_bias: false,
            activation: Activation::OneKernel,
            window: Some(Count::new(2047)),
            pattern: Pattern::all(Mixer::Window),
            attention_softcap: false,
            logit_softcap: false,
            embedding_dropout: false,
            residual_dropout: false,
            attention_dropout: false,
            experts: None,
            latent: None,
            recurrent: None,
            decoder: None,
            image: None,
            tower: None,
            labels: None,
        };
        Self {
            model: Model { preset: Some("phi-3-mini-4k-instruct".to_owned()), architecture },
            vocabulary: Vocabulary::default(),
            micro_batch: Count::new(2),
            sequence_length: Count::new(256),
            gradient_accumulation: Count::ONE,
            recipe: Recipe::Bf16Mixed,
            optimizer: Optimizer::AdamWForeach,
            optimizer_settings: OptimizerSettings::default(),
            attention: Attention::Sdpa,
            kernels: Kernels::default(),
            checkpointing: Checkpointing::Off,
            checkpoint_layers: Count::new(2),
            zero_grad: ZeroGrad::AfterStep,
            freezing: Freezing::default(),
            objective: Objective::default(),
            lora: Lora::default(),
            quantisation: Quantisation::default(),
            log_probs: LogProbs::Selective,
            padding: Padding::None,
            autocast_scope: AutocastScope::Step,
            held: Held::Loss,
            kv_cache: KvCache::Off,
            vision: Vision::default(),
            stack: Stack::Current,
            parallel: Parallel::default(),
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
        let (experts, latent) = (a.experts, a.latent);
        let image = a.image.or(a.tower.map(|tower| tower.image));
        let numbers = [
            ("b", Some(self.micro_batch), limits::MICRO_BATCH),
            ("s", Some(self.sequence_length), limits::SEQUENCE_LENGTH),
            ("accumulation", Some(self.gradient_accumulation), limits::GRADIENT_ACCUMULATION),
            ("freeze_count", Some(self.freezing.count), limits::LAYERS),
            ("optimizer_rank", Some(self.optimizer_settings.rank), limits::OPTIMIZER_RANK),
            ("lbfgs_history", Some(self.optimizer_settings.history), limits::HISTORY),
            ("shampoo_block", Some(self.optimizer_settings.shampoo_block), limits::PRECONDITIONED),
            ("soap_widest", Some(self.optimizer_settings.soap_widest), limits::PRECONDITIONED),
            ("loss_chunks", Some(self.kernels.loss_chunks), limits::SEQUENCE_LENGTH),
            ("loss_chunk_tokens", Some(self.kernels.loss_chunk_tokens), limits::SEQUENCE_LENGTH),
            ("loss_last_tokens", Some(self.kernels.loss_last_tokens), limits::SEQUENCE_LENGTH),
            ("checkpoint_layers", Some(self.checkpoint_layers), limits::LAYERS),
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
            ("peft_tokens", Some(self.lora.tokens), limits::SEQUENCE_LENGTH),
            ("quant_group", Some(self.quantisation.group_size), limits::QUANT_GROUP),
            ("vocab", Some(a.vocabulary), limits::VOCABULARY),
            ("vocab_multiple", self.vocabulary.multiple_of, limits::VOCABULARY),
            ("hidden", Some(a.hidden), limits::WIDTH),
            ("layers", Some(a.layers), limits::LAYERS),
            ("heads", Some(a.heads), limits::HEADS),
            ("kv_heads", Some(a.kv_heads), limits::HEADS),
            ("head_dim", Some(a.head_dim), limits::HEADS),
            ("ffn", Some(a.ffn), limits::WIDTH),
            ("positions", a.positions, limits::SEQUENCE_LENGTH),
            ("window", a.window, limits::SEQUENCE_LENGTH),
            ("experts", experts.map(|experts| experts.count), limits::EXPERTS),
            ("experts_per_token", experts.map(|experts| experts.per_token), limits::EXPERTS),
            ("expert_ffn", experts.map(|experts| experts.ffn), limits::WIDTH),
            ("shared_ffn", experts.and_then(|experts| experts.shared_ffn), limits::WIDTH),
            ("sparse_every", experts.map(|experts| experts.every), limits::LAYERS),
            ("key_heads", a.recurrent.map(|layer| layer.key_heads), limits::HEADS),
            ("key_dim", a.recurrent.map(|layer| layer.key_dim), limits::HEADS),
            ("value_heads", a.recurrent.map(|layer| layer.value_heads), limits::HEADS),
            ("value_head_dim", a.recurrent.map(|layer| layer.value_dim), limits::HEADS),
            ("conv_kernel", a.recurrent.map(|layer| layer.kernel), limits::KERNEL),
            ("chunk", a.recurrent.map(|layer| layer.chunk), limits::WIDTH),
            ("decoder_layers", a.decoder.map(|decoder| decoder.layers), limits::LAYERS),
            ("image_size", image.map(|image| image.size), limits::IMAGE_SIZE),
            ("patch_size", image.map(|image| image.patch), limits::IMAGE_SIZE),
            ("channels", image.map(|image| image.channels), limits::CHANNELS),
            ("tower_hidden", a.tower.map(|tower| tower.hidden), limits::WIDTH),
            ("tower_layers", a.tower.map(|tower| tower.layers), limits::LAYERS),
            ("tower_heads", a.tower.map(|tower| tower.heads), limits::HEADS),
            ("tower_ffn", a.tower.map(|tower| tower.ffn), limits::WIDTH),
            ("tower_used", a.tower.map(|tower| tower.used), limits::LAYERS),
            ("images", Some(self.vision.images), limits::IMAGES),
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
        self.check_parallel()?;
        self.check_what_libraries_lack()?;
        self.check_checkpointing()?;
        self.check_kernels()
    }

    /// What can be asked for, but no library does or no run has shown.
    fn check_what_libraries_lack(&self) -> Result<(), Error> {
        let a = &self.model.architecture;
        // transformers 4.51 has no DeepSeek-V2, and its experts run in a loop whose tensors depend on the tokens.
        if self.stack == Stack::Torch26 && (a.experts.is_some() || a.latent.is_some()) {
            return Err(unsupported("stack", self.stack.key(), &["current"]));
        }
        if a.has_own_objective() {
            self.check_encoder()?;
        }
        if a.decoder.is_some() {
            self.check_encoder_decoder()?;
        }
        match (a.image.is_some(), a.family == Family::Vit) {
            (false, true) => return Err(Error::Missing { field: Field::new("image_size") }),
            (true, false) => return Err(unsupported("family", a.family.key(), &["vit"])),
            _ => {}
        }
        self.check_recurrent()?;
        self.check_quantised_base()?;
        self.optimizer_settings.check(self)?;
        self.check_methods()?;
        // `Adam_mini.step` takes matrices of two dimensions, and queries and keys of whole heads.
        let is_beyond_adam_mini = a.experts.is_some() || self.lora.is_on();
        if self.optimizer == Optimizer::AdamMini && is_beyond_adam_mini {
            return Err(unsupported("optimizer", self.optimizer.key(), &["adamw_foreach", "came"]));
        }
        if a.image.is_some() && self.padding != Padding::None {
            return Err(unsupported("padding", self.padding.key(), &["none"]));
        }
        if let Some(tower) = a.tower {
            self.check_tower(&tower)?;
        }
        if !self.lora.is_on() {
            self.freezing.check(&Trained::of(self), a.decoder.is_some() || a.tower.is_some())?;
        }
        let has_query = a.latent.is_none_or(|latent| latent.query_rank.is_none());
        if self.lora.is_on() && !has_query && self.lora.targets == Targets::Word(LoraTargets::QueryValue) {
            return Err(unsupported("lora_targets", &self.lora.targets.key(), &["attention"]));
        }
        self.check_prompt()?;
        self.lora.check(a, self.weight() == self.trained())
    }

    /// A soft prompt is read by a decoder beside a sequence that its positions have room for; pairs and caches no run has shown.
    fn check_prompt(&self) -> Result<(), Error> {
        if self.lora.method != AdapterMethod::Prompt {
            return Ok(());
        }
        let a = &self.model.architecture;
        if a.family.is_masked() || a.decoder.is_some() || a.image.is_some() || a.tower.is_some() {
            return Err(unsupported("peft", self.lora.method.key(), &["lora"]));
        }
        if self.objective.method != Method::CausalLm {
            return Err(unsupported("objective", self.objective.word(), &["causal_lm"]));
        }
        if self.kv_cache != KvCache::Off {
            return Err(unsupported("kv_cache", self.kv_cache.key(), &["off"]));
        }
        let length = self.sequence_length.get().saturating_add(self.lora.tokens.get());
        if let Some(rows) = a.positions.filter(|rows| length > rows.get()) {
            return Err(Error::OutOfRange {
                field: Field::new("peft_tokens"),
                given: self.lora.tokens.to_string(),
                min: limits::SEQUENCE_LENGTH.0.into(),
                max: rows.get(),
            });
        }
        Ok(())
    }

    /// Dtype of the weights that the forward pass reads from; of a quantised base, of those that are not quantised.
    pub fn weight(&self) -> Dtype {
        if self.is_cast_to_fp32() { Dtype::Fp32 } else { self.loaded() }
    }

    /// Dtype in which a rank holds what is trained between steps: FSDP's mixed precision gathers 16-bit copies of fp32 shards.
    pub fn stored(&self) -> Dtype {
        if self.recipe == Recipe::FsdpMixed && !self.lora.is_on() { Dtype::Fp32 } else { self.weight() }
    }

    /// Dtype of what is trained, of its gradients and, but for master weights, of the optimizer's states.
    pub fn trained(&self) -> Dtype {
        match (self.lora.is_on(), self.lora.adapters) {
            // PEFT makes soft prompts in fp32, whatever the model's dtype.
            _ if self.lora.method == AdapterMethod::Prompt => Dtype::Fp32,
            (true, AdapterDtype::Fp32) => Dtype::Fp32,
            (true, AdapterDtype::Bf16) => Dtype::Bf16,
            _ => self.stored(),
        }
    }

    /// Dtype of what the optimizer updates: that of what is trained, or fp32 where a recipe has master weights.
    pub fn optimizer_dtype(&self) -> Dtype {
        if self.lora.is_on() { self.trained() } else { self.recipe.optimizer() }
    }

    /// Whether eager attention runs although SDPA was asked for: soft-capped scores need it.
    pub fn attention_that_runs(&self) -> Attention {
        let a = &self.model.architecture;
        if a.attention_softcap || a.family.needs_eager_attention() {
            Attention::Eager
        } else {
            self.attention
        }
    }
}

impl Scenario {
    /// An encoder is trained with masked language modelling; pairs or the older stack no run has shown, nor adapters on models of several
    /// stacks of layers.
    fn check_encoder(&self) -> Result<(), Error> {
        if self.stack != Stack::Current {
            return Err(unsupported("stack", self.stack.key(), &["current"]));
        }
        if !self.objective.method.fits_encoder() {
            return Err(unsupported("objective", self.objective.word(), &["causal_lm", "masked_lm"]));
        }
        let is_masked = self.model.architecture.family.is_masked();
        match self.lora.rank {
            _ if !self.lora.is_on() => Ok(()),
            Some(_) if is_masked && self.lora.method == AdapterMethod::Lora => Ok(()),
            Some(rank) if !is_masked => Err(unsupported("lora_rank", &rank.to_string(), &["0"])),
            _ => Err(unsupported("peft", self.lora.method.key(), &["off"])),
        }
    }

    /// Images have to fit among the tokens of a sample.
    fn check_tower(&self, tower: &Tower) -> Result<(), Error> {
        if !tower.hidden.get().is_multiple_of(tower.heads.get()) {
            return Err(Error::NotDivisible {
                field: Field::new("tower_hidden"),
                given: tower.hidden.get(),
                by: Field::new("tower_heads"),
                divisor: tower.heads.get(),
            });
        }
        if tower.used > tower.layers {
            return Err(Error::OutOfRange {
                field: Field::new("tower_used"),
                given: tower.used.to_string(),
                min: 1,
                max: tower.layers.get(),
            });
        }
        let tokens = tower.tokens().saturating_mul(self.vision.images.get());
        if self.sequence_length.get() < tokens {
            return Err(Error::OutOfRange {
                field: Field::new("s"),
                given: self.sequence_length.to_string(),
                min: tokens,
                max: limits::SEQUENCE_LENGTH.1.into(),
            });
        }
        if self.padding == Padding::Padded {
            return Err(unsupported("padding", self.padding.key(), &["none", "ones"]));
        }
        if self.kv_cache != KvCache::Off {
            return Err(unsupported("kv_cache", self.kv_cache.key(), &["off"]));
        }
        Ok(())
    }

    /// What the decoder's layers share with each other is followed in a plain pass alone.
    fn check_encoder_decoder(&self) -> Result<(), Error> {
        if self.attention != Attention::Sdpa {
            return Err(unsupported("attention", self.attention.key(), &["sdpa"]));
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

pub(super) fn unsupported(key: &'static str, given: &str, accepted: &[&'static str]) -> Error {
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
    /// Tokens that a convolution sees.
    pub const KERNEL: (u32, u32) = (1, 64);
    /// Experts in a layer.
    pub const EXPERTS: (u32, u32) = (1, 65_536);
    /// Hidden width, MLP width.
    pub const WIDTH: (u32, u32) = (1, 4_194_304);
    /// Pixels of an image's side, or of a patch's.
    pub const IMAGE_SIZE: (u32, u32) = (1, 65_536);
    /// Colours of an image.
    pub const CHANNELS: (u32, u32) = (1, 1024);
    /// Images of a sample.
    pub const IMAGES: (u32, u32) = (1, 4096);
    /// Rank of LoRA's adapters.
    pub const LORA_RANK: (u32, u32) = (1, 65_536);
    /// Rows of a GPTQ or AWQ group.
    pub const QUANT_GROUP: (u32, u32) = (8, 65_536);
    /// Rows of an embedding.
    pub const VOCABULARY: (u32, u32) = (1, 16_777_216);
    /// GPUs of a run.
    pub const GPUS: (u32, u32) = (1, 1_048_576);
    /// Elements of a buffer.
    pub const ELEMENTS: (u32, u32) = (1_000, 4_000_000_000);
    /// The same, where there may be none.
    pub const ELEMENTS_OR_NONE: (u32, u32) = (0, 4_000_000_000);
    /// Rank of projected gradients.
    pub const OPTIMIZER_RANK: (u32, u32) = (1, 65_536);
    /// Steps that an optimizer remembers.
    pub const HISTORY: (u32, u32) = (1, 10_000);
    /// Width of a preconditioned block or dimension.
    pub const PRECONDITIONED: (u32, u32) = (1, 1_048_576);
    /// A GPU's memory in MiB.
    pub const CAPACITY_MIB: (u32, u32) = (1, 16_777_216);
}
