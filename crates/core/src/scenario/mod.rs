//! The question a reader asks: model, batch, recipe, optimizer, kernels, hardware.

mod adapters;
mod choices;
mod freezing;
mod kernels;
mod libraries;
pub mod limits;
mod methods;
mod objective;
mod optimizer;
mod optimizer_settings;
mod parallel;
mod quantisation;
mod ranges;
mod recurrent;
mod refusals;
mod routing;
mod speech;
mod trainer;
mod vision;
mod vocabulary;

pub use choices::{
    AdapterDtype, Attention, AutocastScope, BaseDtype, Checkpointing, Held, KvCache, LogProbs, Lora,
    LoraTargets, Padding, Recipe, Stack, ZeroGrad,
};

pub use adapters::{AdapterMethod, ExpertTargets, ModuleSet, ModulesToSave, Targets};
pub use freezing::{Freezing, FrozenLayers, TrainedKinds};
pub use kernels::{Compile, Fused, Kernels, LossKernel, Shift};
pub use objective::{
    Batching, Generation, GenerationCache, Lengths, Method, Objective, OtherModel, Place, Rollout,
};
pub use optimizer::{Evidence, Library, Optimizer};
pub use optimizer_settings::{Ema, OptimizerSettings};
pub(crate) use parallel::GPUS_OF_A_NODE;
pub use parallel::{
    DataParallel, DeepSpeed, Divided, GradientSync, Mesh, Parallel, ReduceDtype, Reshard, Rotate, Schedule,
    Spread,
};
pub use quantisation::{Quantisation, QuantisedBase};
pub use routing::ExpertLoad;
pub use trainer::Trainer;
pub use vision::Vision;
pub use vocabulary::Vocabulary;

use refusals::{all_followed, divides, in_range, none_refused, splittable, unsupported};

use crate::error::{Error, Field};
use crate::gpu::Gpu;
use crate::model::{Architecture, Family, Mixer, Model, Pattern};
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
    /// How evenly tokens are dealt out among ranks with experts.
    pub expert_load: ExpertLoad,
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
            window: Some(Count::new(2047)),
            pattern: Pattern::all(Mixer::Window),
            ..Architecture::PLAIN
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
            expert_load: ExpertLoad::default(),
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
        self.check_ranges()?;
        if let Some(longest) = a.longest_sequence().filter(|&longest| self.tokens_of_sequence() > longest) {
            return Err(Error::OutOfRange {
                field: Field::new("s"),
                given: self.tokens_of_sequence().to_string(),
                min: limits::SEQUENCE_LENGTH.0.into(),
                max: longest,
            });
        }
        divides("heads", a.heads.get(), "kv_heads", a.kv_heads.get())?;
        self.check_objective()?;
        if let Some(experts) = a.experts.filter(|experts| experts.per_token > experts.count) {
            return Err(Error::OutOfRange {
                field: Field::new("experts_per_token"),
                given: experts.per_token.to_string(),
                min: limits::EXPERTS.0.into(),
                max: experts.count.get(),
            });
        }
        self.check_parallel()?;
        self.check_expert_load()?;
        self.check_what_libraries_lack()?;
        self.check_checkpointing()?;
        self.check_kernels()
    }

    /// Dtype of the weights that the forward pass reads from; of a quantised base, of those that are not quantised.
    pub fn weight(&self) -> Dtype {
        if self.is_cast_to_fp32() { Dtype::Fp32 } else { self.loaded() }
    }

    /// Dtype in which a rank holds the model between steps: FSDP's mixed precision gathers 16-bit copies of fp32 shards.
    pub fn stored(&self) -> Dtype {
        let is_loaded_as_16_bit = self.lora.is_on() && self.lora.base == BaseDtype::Bf16;
        if self.recipe == Recipe::FsdpMixed && !is_loaded_as_16_bit { Dtype::Fp32 } else { self.weight() }
    }

    /// Dtype of what is trained while it is used, and of its gradients until they are reduced: FSDP's mixed precision casts adapters too.
    pub(crate) fn gathered(&self) -> Dtype {
        if self.recipe == Recipe::FsdpMixed { self.weight() } else { self.trained() }
    }

    /// Dtype of what is trained, of its gradients and, but for master weights, of the optimizer's states.
    pub fn trained(&self) -> Dtype {
        match (self.lora.is_on(), self.lora.adapters) {
            _ if self.lora.method.has_tokens() => Dtype::Fp32,
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
