//! The optimizers: their keys, whose code it is that was read or run, and where.

/// Whose implementation of an optimizer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Library {
    /// `torch.optim`, of torch 2.15.
    Torch,
    /// `bitsandbytes.optim` 0.50.
    Bitsandbytes,
    /// `transformers` 5.23.
    Transformers,
    /// `torchao.optim` 0.18.
    TorchAo,
    /// `schedulefree` 1.4.
    ScheduleFree,
    /// `pytorch_optimizer` 4.1.
    PytorchOptimizer,
    /// The package that a method's authors have published.
    Authors,
    /// No library: what a reader says of an optimizer.
    Own,
}

impl Library {
    /// Every library, in the order in which optimizers are listed.
    pub const ALL: &'static [Self] = &[
        Self::Torch,
        Self::Bitsandbytes,
        Self::Transformers,
        Self::TorchAo,
        Self::ScheduleFree,
        Self::PytorchOptimizer,
        Self::Authors,
        Self::Own,
    ];
}

/// How a rule is backed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// Runs of the code itself agree with it.
    Golden,
    /// Read from the code; no run has shown it.
    Derived,
}

/// Defines the optimizers, one a line: variant, key, library, evidence and the code that the rule was read from.
macro_rules! optimizers {
    ($($(#[$doc:meta])* $variant:ident = $key:literal, $library:ident, $evidence:ident, $source:literal;)+) => {
        /// The optimizer and its implementation, since implementations differ in what `step()` allocates.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Optimizer {
            $($(#[$doc])* $variant,)+
        }

        impl Optimizer {
            /// Every choice: library after library, and in each the most used ones first.
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

            /// Whose implementation it is.
            pub const fn library(self) -> Library {
                match self {
                    $(Self::$variant => Library::$library,)+
                }
            }

            /// How its rule is backed.
            pub const fn evidence(self) -> Evidence {
                match self {
                    $(Self::$variant => Evidence::$evidence,)+
                }
            }

            /// File and function of the library that the rule was read from.
            pub const fn source(self) -> &'static str {
                match self {
                    $(Self::$variant => $source,)+
                }
            }
        }
    };
}

optimizers! {
    /// `torch.optim.AdamW` (or `Adam`), PyTorch's default on CUDA (`foreach`).
    AdamWForeach = "adamw_foreach", Torch, Golden, "optim/adam.py, _multi_tensor_adam";
    /// `torch.optim.AdamW(fused=True)`.
    AdamWFused = "adamw_fused", Torch, Golden, "optim/adam.py, _fused_adam";
    /// `torch.optim.AdamW(foreach=False)`: one parameter after another.
    AdamWForLoop = "adamw_forloop", Torch, Golden, "optim/adam.py, _single_tensor_adam";
    /// `torch.optim.AdamW(capturable=True)`: counts its steps on the GPU, for CUDA graphs.
    AdamWCapturable = "adamw_capturable", Torch, Golden, "optim/adam.py, _multi_tensor_adam";
    /// `torch.optim.AdamW(amsgrad=True)`.
    AdamAmsgrad = "adam_amsgrad", Torch, Golden, "optim/adam.py, _multi_tensor_adam";
    /// `torch.optim.AdamW(amsgrad=True, fused=True)`.
    AmsgradFused = "amsgrad_fused", Torch, Golden, "optim/adam.py, _fused_adam";
    /// `torch.optim.AdamW(amsgrad=True, foreach=False)`.
    AmsgradForLoop = "amsgrad_forloop", Torch, Golden, "optim/adam.py, _single_tensor_adam";
    /// `torch.optim.SGD`.
    Sgd = "sgd", Torch, Golden, "optim/sgd.py, _multi_tensor_sgd";
    /// `torch.optim.SGD(momentum=…)`.
    SgdMomentum = "sgd_momentum", Torch, Golden, "optim/sgd.py, _multi_tensor_sgd";
    /// `torch.optim.SGD(momentum=…, nesterov=True, weight_decay=…)`.
    SgdNesterov = "sgd_nesterov_wd", Torch, Golden, "optim/sgd.py, _multi_tensor_sgd";
    /// `torch.optim.Muon` for the layers' matrices, AdamW for the rest.
    Muon = "muon", Torch, Golden, "optim/_muon.py, _zeropower_via_newtonschulz";
    /// `torch.optim.Adafactor`: rows and columns of the second moment.
    AdafactorTorch = "adafactor_torch", Torch, Golden, "optim/_adafactor.py, _single_tensor_adafactor";
    /// `torch.optim.NAdam`.
    NAdam = "nadam", Torch, Golden, "optim/nadam.py, _multi_tensor_nadam";
    /// `torch.optim.RAdam`.
    RAdam = "radam", Torch, Golden, "optim/radam.py, _multi_tensor_radam";
    /// `torch.optim.Adamax`.
    Adamax = "adamax", Torch, Golden, "optim/adamax.py, _multi_tensor_adamax";
    /// `torch.optim.RMSprop`.
    RmsProp = "rmsprop", Torch, Golden, "optim/rmsprop.py, _multi_tensor_rmsprop";
    /// `torch.optim.RMSprop(centered=True, momentum=…)`.
    RmsPropCentered = "rmsprop_centered", Torch, Golden, "optim/rmsprop.py, _multi_tensor_rmsprop";
    /// `torch.optim.Adagrad`.
    Adagrad = "adagrad", Torch, Golden, "optim/adagrad.py, _multi_tensor_adagrad";
    /// `torch.optim.Adadelta`.
    Adadelta = "adadelta", Torch, Golden, "optim/adadelta.py, _multi_tensor_adadelta";
    /// `torch.optim.ASGD`.
    Asgd = "asgd", Torch, Golden, "optim/asgd.py, _multi_tensor_asgd";
    /// `torch.optim.Rprop`.
    Rprop = "rprop", Torch, Golden, "optim/rprop.py, _multi_tensor_rprop";
    /// `torch.optim.LBFGS` without a line search.
    Lbfgs = "lbfgs", Torch, Derived, "optim/lbfgs.py, LBFGS.step";
    /// `bnb.optim.AdamW8bit` (or `Adam8bit`): states in 8 bits, in blocks of 256.
    AdamW8bit = "adamw_8bit", Bitsandbytes, Golden, "optim/optimizer.py, Optimizer2State";
    /// `bnb.optim.PagedAdamW8bit`: the same in unified memory.
    PagedAdamW8bit = "paged_adamw_8bit", Bitsandbytes, Golden, "optim/optimizer.py, get_state_buffer";
    /// `bnb.optim.AdamW`: states in fp32, whatever the weights' dtype.
    AdamW32bit = "adamw_32bit", Bitsandbytes, Golden, "optim/optimizer.py, Optimizer2State";
    /// `bnb.optim.PagedAdamW`.
    PagedAdamW32bit = "paged_adamw_32bit", Bitsandbytes, Golden, "optim/optimizer.py, get_state_buffer";
    /// `bnb.optim.Lion8bit`.
    Lion8bit = "lion_8bit", Bitsandbytes, Golden, "optim/optimizer.py, Optimizer1State";
    /// `bnb.optim.PagedLion8bit`.
    PagedLion8bit = "paged_lion_8bit", Bitsandbytes, Golden, "optim/optimizer.py, get_state_buffer";
    /// `bnb.optim.Lion`.
    Lion32bit = "lion_32bit", Bitsandbytes, Golden, "optim/optimizer.py, Optimizer1State";
    /// `bnb.optim.PagedLion`.
    PagedLion32bit = "paged_lion_32bit", Bitsandbytes, Derived, "optim/optimizer.py, get_state_buffer";
    /// `bnb.optim.AdEMAMix8bit`: two first moments.
    AdEmaMix8bit = "ademamix_8bit", Bitsandbytes, Golden, "optim/ademamix.py, AdEMAMix.init_state";
    /// `bnb.optim.PagedAdEMAMix8bit`.
    PagedAdEmaMix8bit = "paged_ademamix_8bit", Bitsandbytes, Golden, "optim/ademamix.py, _get_state_double_buffer";
    /// `bnb.optim.AdEMAMix`.
    AdEmaMix32bit = "ademamix_32bit", Bitsandbytes, Golden, "optim/ademamix.py, AdEMAMix.init_state";
    /// `bnb.optim.PagedAdEMAMix`.
    PagedAdEmaMix32bit = "paged_ademamix_32bit", Bitsandbytes, Derived, "optim/ademamix.py, _get_state_double_buffer";
    /// `bnb.optim.SGD8bit(momentum=…)`.
    Sgd8bit = "sgd_8bit", Bitsandbytes, Golden, "optim/optimizer.py, Optimizer1State";
    /// `bnb.optim.RMSprop8bit`.
    RmsProp8bit = "rmsprop_8bit", Bitsandbytes, Golden, "optim/optimizer.py, Optimizer1State";
    /// `bnb.optim.Adagrad8bit`.
    Adagrad8bit = "adagrad_8bit", Bitsandbytes, Golden, "optim/optimizer.py, Optimizer1State";
    /// `bnb.optim.SGD(momentum=…)`.
    Sgd32bit = "sgd_32bit", Bitsandbytes, Golden, "optim/optimizer.py, Optimizer1State";
    /// `bnb.optim.RMSprop`.
    RmsProp32bit = "rmsprop_32bit", Bitsandbytes, Golden, "optim/optimizer.py, Optimizer1State";
    /// `bnb.optim.Adagrad`.
    Adagrad32bit = "adagrad_32bit", Bitsandbytes, Golden, "optim/optimizer.py, Optimizer1State";
    /// `bnb.optim.LAMB`; its 8-bit form has no kernel in bitsandbytes 0.50.
    Lamb32bit = "lamb_32bit", Bitsandbytes, Golden, "optim/lamb.py; functional.py, optimizer_update_32bit";
    /// `bnb.optim.LARS(momentum=…)`; its 8-bit form has no kernel in bitsandbytes 0.50.
    Lars32bit = "lars_32bit", Bitsandbytes, Golden, "optim/lars.py; functional.py, optimizer_update_32bit";
    /// `transformers.optimization.Adafactor`.
    AdafactorHf = "adafactor_hf", Transformers, Golden, "optimization.py, Adafactor.step";
    /// `torchao.optim.AdamW8bit`.
    AoAdamW8bit = "ao_adamw_8bit", TorchAo, Golden, "optim/subclass_8bit.py, OptimState8bit";
    /// `torchao.optim.AdamW4bit`.
    AoAdamW4bit = "ao_adamw_4bit", TorchAo, Golden, "optim/subclass_4bit.py, OptimState4bit";
    /// `torchao.optim.AdamWFp8`.
    AoAdamWFp8 = "ao_adamw_fp8", TorchAo, Golden, "optim/subclass_fp8.py, OptimStateFp8";
    /// `schedulefree.AdamWScheduleFree`.
    ScheduleFreeAdamW = "schedulefree_adamw", ScheduleFree, Golden, "adamw_schedulefree.py, AdamWScheduleFree.step";
    /// `schedulefree.SGDScheduleFree`.
    ScheduleFreeSgd = "schedulefree_sgd", ScheduleFree, Golden, "sgd_schedulefree.py, SGDScheduleFree.step";
    /// `pytorch_optimizer.Lion`.
    LionForeach = "lion_foreach", PytorchOptimizer, Golden, "optimizer/lion.py, Lion._step_foreach";
    /// `pytorch_optimizer.Lamb`.
    Lamb = "lamb", PytorchOptimizer, Golden, "optimizer/lamb.py, Lamb._step_foreach";
    /// `pytorch_optimizer.Adan`.
    Adan = "adan", PytorchOptimizer, Golden, "optimizer/adan.py, Adan._step_foreach";
    /// `pytorch_optimizer.AdEMAMix`.
    AdEmaMix = "ademamix", PytorchOptimizer, Golden, "optimizer/ademamix.py, AdEMAMix.step";
    /// `pytorch_optimizer.ScalableShampoo`: preconditioners of blocks, in fp32.
    Shampoo = "shampoo", PytorchOptimizer, Golden, "optimizer/utils/preconditioner.py, PreConditioner";
    /// `pytorch_optimizer.SOAP`: Adam in the eigenbases of Shampoo's preconditioners.
    Soap = "soap", PytorchOptimizer, Golden, "optimizer/soap.py, SOAP.step";
    /// Lion as its authors' plain Python loop.
    Lion = "lion", Authors, Golden, "google/automl, lion/lion_pytorch.py";
    /// Sophia-G with a diagonal Hessian.
    Sophia = "sophia", Authors, Golden, "sophia-optimizer, sophia.py, _single_tensor_sophiag";
    /// Adam-mini: one second moment a head or a row.
    AdamMini = "adam_mini", Authors, Golden, "adam-mini, adam_mini.py, Adam_mini.step";
    /// CAME: factored second moment and confidence.
    Came = "came", Authors, Golden, "came-pytorch, CAME.py, CAME.step";
    /// LOMO: SGD inside backward, each gradient applied when the next one is there.
    Lomo = "lomo", Authors, Golden, "lomo-optim, lomo.py, Lomo.fuse_update";
    /// AdaLOMO: the same with a factored second moment.
    AdaLomo = "adalomo", Authors, Golden, "lomo-optim, adalomo.py, AdaLomo.fuse_update";
    /// BAdam: AdamW on one layer at a time, whose fp32 copy and states are made anew for the next one.
    BAdam = "badam", Authors, Golden, "badam, block_optim.py, BlockOptimizer.step_single_gpu";
    /// MeZO: two forwards without a graph, at weights moved along a random direction and against it.
    MeZo = "mezo", Authors, Golden, "princeton-nlp/MeZO, large_models/trainer.py, zo_perturb_parameters, zo_update";
    /// GaLore: AdamW on gradients that are projected to a low rank.
    GaLore = "galore_adamw", Authors, Golden, "galore-torch, adamw.py; galore_projector.py";
    /// GaLore with bitsandbytes' 8-bit states.
    GaLore8bit = "galore_adamw_8bit", Authors, Golden, "galore-torch, adamw8bit.py; galore_projector.py";
    /// Q-GaLore: 8-bit states and 8-bit projections.
    QGaLore = "q_galore_adamw_8bit", Authors, Derived, "q-galore-torch, q_galore_adamw8bit.py; q_galore_projector.py";
    /// APOLLO: learning rates of channels from a random projection.
    Apollo = "apollo", Authors, Golden, "apollo-torch, apollo.py, AdamW.step";
    /// APOLLO-Mini: rank 1, one learning rate a tensor.
    ApolloMini = "apollo_mini", Authors, Golden, "apollo-torch, apollo.py, AdamW.step";
    /// Any other, by the bytes per parameter that its states and its step take.
    Custom = "custom", Own, Derived, "bytes per parameter that were given";
}

impl Optimizer {
    /// Whether states of large tensors are in unified memory.
    pub const fn is_paged(self) -> bool {
        matches!(
            self,
            Self::PagedAdamW8bit
                | Self::PagedAdamW32bit
                | Self::PagedLion8bit
                | Self::PagedLion32bit
                | Self::PagedAdEmaMix8bit
                | Self::PagedAdEmaMix32bit
        )
    }

    /// Whether it has no step of its own: backward's hooks update each tensor when the next gradient is there.
    pub const fn is_fused_with_backward(self) -> bool {
        matches!(self, Self::Lomo | Self::AdaLomo)
    }

    /// Whether it asks for losses alone: no backward runs.
    pub const fn needs_no_gradients(self) -> bool {
        matches!(self, Self::MeZo)
    }

    /// Whether it projects gradients to a rank that is chosen.
    pub const fn has_rank(self) -> bool {
        matches!(self, Self::GaLore | Self::GaLore8bit | Self::QGaLore | Self::Apollo)
    }
}
