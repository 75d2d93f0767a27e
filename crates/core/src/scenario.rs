//! The question a reader asks: model, batch, recipe, optimizer, kernels, hardware.

use crate::error::{Error, Field};
use crate::gpu::Gpu;
use crate::model::{Activation, Architecture, Family, Model, SlidingWindow};
use crate::units::{Bytes, Count, Dtype};

/// Defines an enum of choices with the word that links, flags and scenario files use for each.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $key:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every choice, in the order in which they are listed to readers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// The words of all choices, in the same order.
            pub const KEYS: &'static [&'static str] = &[$($key,)+];

            /// The word that links, flags and scenario files use.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$variant => $key,)+
                }
            }

            /// The choice that a word names.
            pub fn from_key(key: &str) -> Option<Self> {
                match key {
                    $($key => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

choices! {
    /// Which dtype each copy of the weights has, and in which one computes.
    Recipe {
        /// Everything in fp32.
        Fp32 = "fp32",
        /// Weights, gradients, optimizer states and compute in bf16.
        Bf16 = "bf16",
        /// `torch.autocast(bfloat16)` over fp32 weights ("bf16-mixed").
        Bf16Mixed = "bf16-mixed",
        /// `torch.autocast(float16)` over fp32 weights with a `GradScaler` ("fp16-mixed").
        Fp16Mixed = "fp16-mixed",
        /// bf16 weights and gradients, with an fp32 master copy that the optimizer updates.
        Bf16Master = "bf16-master",
    }
}

impl Recipe {
    /// Dtype of the weights that the forward pass reads from.
    pub const fn weight(self) -> Dtype {
        match self {
            Self::Fp32 | Self::Bf16Mixed | Self::Fp16Mixed => Dtype::Fp32,
            Self::Bf16 | Self::Bf16Master => Dtype::Bf16,
        }
    }

    /// Dtype in which matrices are multiplied.
    pub const fn compute(self) -> Dtype {
        match self {
            Self::Fp32 => Dtype::Fp32,
            Self::Bf16 | Self::Bf16Mixed | Self::Bf16Master => Dtype::Bf16,
            Self::Fp16Mixed => Dtype::Fp16,
        }
    }

    /// Whether `torch.autocast` casts weights and inputs at each matrix product.
    pub const fn is_autocast(self) -> bool {
        matches!(self, Self::Bf16Mixed | Self::Fp16Mixed)
    }

    /// Dtype of the parameters that the optimizer updates, and of its states.
    pub const fn optimizer(self) -> Dtype {
        match self {
            Self::Bf16Master => Dtype::Fp32,
            _ => self.weight(),
        }
    }
}

choices! {
    /// The optimizer and its implementation, since implementations differ in what `step()` allocates.
    Optimizer {
        /// `torch.optim.AdamW`, PyTorch's default on CUDA (`foreach`).
        AdamWForeach = "adamw_foreach",
        /// `torch.optim.AdamW(fused=True)`.
        AdamWFused = "adamw_fused",
        /// `torch.optim.AdamW(foreach=False)`: one parameter after another.
        AdamWForLoop = "adamw_forloop",
        /// `torch.optim.AdamW(amsgrad=True)`.
        AdamAmsgrad = "adam_amsgrad",
        /// bitsandbytes' `AdamW8bit`: states in 8 bits, in blocks of 256.
        AdamW8bit = "adamw_8bit",
        /// `torch.optim.NAdam`.
        NAdam = "nadam",
        /// `torch.optim.RAdam`.
        RAdam = "radam",
        /// `torch.optim.Adamax`.
        Adamax = "adamax",
        /// `torch.optim.SGD`.
        Sgd = "sgd",
        /// `torch.optim.SGD(momentum=…)`.
        SgdMomentum = "sgd_momentum",
        /// `torch.optim.SGD(momentum=…, nesterov=True, weight_decay=…)`.
        SgdNesterov = "sgd_nesterov_wd",
        /// `torch.optim.RMSprop`.
        RmsProp = "rmsprop",
        /// `torch.optim.Adagrad`.
        Adagrad = "adagrad",
        /// `torch.optim.Adadelta`.
        Adadelta = "adadelta",
        /// `torch.optim.Adafactor`: rows and columns of the second moment.
        AdafactorTorch = "adafactor_torch",
        /// `transformers.optimization.Adafactor`.
        AdafactorHf = "adafactor_hf",
        /// Lion as its authors' plain Python loop.
        Lion = "lion",
        /// `torch.optim.Muon` for the layers' matrices, AdamW for the rest.
        Muon = "muon",
    }
}

choices! {
    /// How attention is computed.
    Attention {
        /// `torch.nn.functional.scaled_dot_product_attention`: flash or memory-efficient, as PyTorch picks.
        Sdpa = "sdpa",
        /// Written out: scores, softmax, dropout and product as tensors of their own.
        Eager = "eager",
    }
}

choices! {
    /// Activation checkpointing.
    Checkpointing {
        /// Every activation is kept for backward.
        Off = "off",
        /// Each decoder layer keeps its input and is recomputed in backward.
        Layers = "layers",
    }
}

choices! {
    /// When gradients are set to none.
    ZeroGrad {
        /// Right after `optimizer.step()`: the plain loop, Hugging Face Trainer.
        AfterStep = "after_step",
        /// Between forward and backward of the next step: PyTorch Lightning's order.
        BeforeBackward = "before_backward",
    }
}

choices! {
    /// The attention mask of the batch.
    Padding {
        /// No mask: sequences are packed or equally long.
        None = "none",
        /// A mask of ones: transformers sees that it hides nothing and drops it.
        Ones = "ones",
        /// A mask that hides padding.
        Padded = "padded",
    }
}

choices! {
    /// What `torch.autocast` is entered around.
    AutocastScope {
        /// Forward and loss: the plain loop, PyTorch Lightning.
        Step = "step",
        /// The model's forward alone, whose logits are then converted to fp32: accelerate, Hugging Face Trainer, TRL.
        Model = "model",
    }
}

choices! {
    /// How DPO gets the log-probabilities of the chosen tokens.
    LogProbs {
        /// TRL's `selective_log_softmax` on the logits as they are.
        Selective = "selective",
        /// The same on logits converted to fp32.
        SelectiveFp32 = "selective_fp32",
        /// `log_softmax` of all logits at once: DPO's original code.
        LogSoftmax = "log_softmax",
    }
}

choices! {
    /// The key-value cache of generation (`use_cache`).
    KvCache {
        /// None.
        Off = "off",
        /// The forward pass fills one, as transformers does unless told otherwise. Checkpointing switches it off.
        Filled = "filled",
    }
}

choices! {
    /// What the training loop still holds while backward runs.
    Held {
        /// Only the loss.
        Loss = "loss",
        /// The model's output, and with it the logits.
        Outputs = "outputs",
    }
}

choices! {
    /// What is trained towards, and where a frozen reference model stays.
    Objective {
        /// Next-token prediction; no reference model.
        CausalLm = "causal_lm",
        /// DPO whose reference log-probabilities were computed beforehand.
        DpoNoReference = "dpo",
        /// DPO with a frozen reference model on the GPU in fp32.
        DpoReferenceFp32 = "dpo_ref_fp32",
        /// DPO with a frozen reference model on the GPU in bf16.
        DpoReferenceBf16 = "dpo_ref_bf16",
        /// DPO with a frozen reference model on the CPU.
        DpoReferenceCpu = "dpo_ref_cpu",
    }
}

impl Objective {
    /// Sequences that one sample puts into a forward pass: chosen and rejected for DPO.
    pub const fn sequences_per_sample(self) -> u64 {
        match self {
            Self::CausalLm => 1,
            _ => 2,
        }
    }

    /// Dtype of the reference model's weights on the GPU, where there is one.
    pub const fn reference_on_gpu(self) -> Option<Dtype> {
        match self {
            Self::DpoReferenceFp32 => Some(Dtype::Fp32),
            Self::DpoReferenceBf16 => Some(Dtype::Bf16),
            _ => None,
        }
    }
}

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
            objective: Objective::CausalLm,
            log_probs: LogProbs::Selective,
            padding: Padding::None,
            autocast_scope: AutocastScope::Step,
            held: Held::Loss,
            kv_cache: KvCache::Off,
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
        let every = a.window.and_then(|window| window.full_every);
        let numbers = [
            ("b", Some(self.micro_batch), limits::MICRO_BATCH),
            ("s", Some(self.sequence_length), limits::SEQUENCE_LENGTH),
            ("accumulation", Some(self.gradient_accumulation), limits::GRADIENT_ACCUMULATION),
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
        if let Some(rows) = a.positions.filter(|rows| self.sequence_length > *rows) {
            return Err(Error::OutOfRange {
                field: Field::new("s"),
                given: self.sequence_length.to_string(),
                min: limits::SEQUENCE_LENGTH.0.into(),
                max: rows.get(),
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
        Ok(())
    }

    /// Whether eager attention runs although SDPA was asked for: soft-capped scores need it.
    pub fn attention_that_runs(&self) -> Attention {
        if self.model.architecture.attention_softcap { Attention::Eager } else { self.attention }
    }
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
    /// Hidden width, MLP width.
    pub const WIDTH: (u32, u32) = (1, 4_194_304);
    /// Rows of an embedding.
    pub const VOCABULARY: (u32, u32) = (1, 16_777_216);
    /// A GPU's memory in MiB.
    pub const CAPACITY_MIB: (u32, u32) = (1, 16_777_216);
}
