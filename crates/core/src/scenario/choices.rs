//! What a reader chooses from.

use super::adapters::{AdapterMethod, ExpertTargets, ModulesToSave, Targets};
use crate::units::{Count, Dtype};

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
pub(super) use choices;

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
        /// fp32 shards of which FSDP gathers bf16 copies to compute with (`MixedPrecisionPolicy(param_dtype=torch.bfloat16)`).
        FsdpMixed = "fsdp-mp",
    }
}

impl Recipe {
    /// Dtype of the weights that the forward pass reads from.
    pub const fn weight(self) -> Dtype {
        match self {
            Self::Fp32 | Self::Bf16Mixed | Self::Fp16Mixed => Dtype::Fp32,
            Self::Bf16 | Self::Bf16Master | Self::FsdpMixed => Dtype::Bf16,
        }
    }

    /// Dtype in which matrices are multiplied.
    pub const fn compute(self) -> Dtype {
        match self {
            Self::Fp32 => Dtype::Fp32,
            Self::Bf16 | Self::Bf16Mixed | Self::Bf16Master | Self::FsdpMixed => Dtype::Bf16,
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
            Self::Bf16Master | Self::FsdpMixed => Dtype::Fp32,
            _ => self.weight(),
        }
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
        /// Each layer keeps its input and is recomputed in backward, as far as backward needs it (`use_reentrant=False`).
        Layers = "layers",
        /// The same by the older way, which recomputes the whole layer before its backward begins (`use_reentrant=True`).
        LayersReentrant = "layers_reentrant",
        /// Every k-th layer is checkpointed: the k-th, the 2k-th and so on.
        EveryKth = "every_kth",
        /// The first k layers are checkpointed.
        FirstK = "first_k",
        /// Each layer keeps outputs of attention and of every second matrix product beside its input and recomputes the rest (PyTorch's
        /// selective activation checkpointing as torchtitan used it).
        SelectiveOps = "selective_ops",
        /// Each layer keeps outputs of attention beside its input.
        SelectiveAttention = "selective_attention",
        /// Each layer's input is kept in the host's memory, and the layer is recomputed (Unsloth; `save_on_cpu` around checkpoints).
        OffloadedInputs = "offloaded_inputs",
    }
}

impl Checkpointing {
    /// Whether layers are checkpointed.
    pub const fn is_on(self) -> bool {
        !matches!(self, Self::Off)
    }

    /// Whether layers keep more than their input.
    pub const fn is_selective(self) -> bool {
        matches!(self, Self::SelectiveOps | Self::SelectiveAttention)
    }

    /// Whether it is done to some of the layers, by a number.
    pub const fn counts_layers(self) -> bool {
        matches!(self, Self::EveryKth | Self::FirstK)
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
    /// Which linear layers get a LoRA adapter (PEFT's `target_modules`).
    LoraTargets {
        /// Queries and values; the fused projection where there is one.
        QueryValue = "q_v",
        /// Every projection of attention.
        Attention = "attention",
        /// Every linear layer but the head (`all-linear`).
        AllLinear = "all_linear",
    }
}

choices! {
    /// Dtype of LoRA's adapters.
    AdapterDtype {
        /// fp32 over 16-bit weights: PEFT's default (`autocast_adapter_dtype`).
        Fp32 = "fp32",
        /// bf16: TRL's cast of the adapters over a quantised base (`trl/trainer/sft_trainer.py`).
        Bf16 = "bf16",
        /// That of the weights.
        Base = "base",
    }
}

choices! {
    /// Dtype of the frozen weights below LoRA's adapters.
    BaseDtype {
        /// That of the precision recipe.
        Recipe = "recipe",
        /// bf16, also under autocast.
        Bf16 = "bf16",
    }
}

/// LoRA and its kin: the weights are frozen, and something small beside them is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lora {
    /// Rank of the adapters; none: full fine-tuning, but for the methods that have no rank.
    pub rank: Option<Count>,
    /// Which of PEFT's methods it is.
    pub method: AdapterMethod,
    /// Which linear layers have an adapter.
    pub targets: Targets,
    /// Which matrices of all experts have adapters.
    pub experts: ExpertTargets,
    /// Whether the adapters' input goes through dropout.
    pub dropout: bool,
    /// Whether copies of the embedding and of the projection to the vocabulary are trained too.
    pub saves: ModulesToSave,
    /// Tokens of a soft prompt or of a prefix.
    pub tokens: Count,
    /// The inner width of the MLP that makes a prefix (`prefix_projection`, `encoder_hidden_size`); none: it is trained as it is.
    pub prefix_projection: Option<Count>,
    /// Dtype of the adapters.
    pub adapters: AdapterDtype,
    /// Dtype of the frozen weights.
    pub base: BaseDtype,
}

impl Default for Lora {
    /// None; PEFT's defaults where it is switched on, with `all-linear` as in the QLoRA paper.
    fn default() -> Self {
        Self {
            rank: None,
            method: AdapterMethod::Lora,
            targets: Targets::Word(LoraTargets::AllLinear),
            experts: ExpertTargets::None,
            dropout: false,
            saves: ModulesToSave::None,
            tokens: Count::new(20),
            prefix_projection: None,
            adapters: AdapterDtype::Fp32,
            base: BaseDtype::Recipe,
        }
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
    /// The versions of torch and transformers, by which attention keeps other tensors. FINDINGS section 12.
    Stack {
        /// torch 2.15, transformers 5.23.
        Current = "current",
        /// torch 2.6, transformers 4.51.
        Torch26 = "torch_2.6",
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
