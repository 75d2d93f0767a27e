//! Which implementations run: of the loss, and of norms, MLPs and rotary positions.

use super::choices::choices;
use super::{
    AdapterMethod, Attention, AutocastScope, Checkpointing, Held, KvCache, Method, ModulesToSave, Padding,
    Recipe, Scenario, Stack, all_followed, unsupported,
};
use crate::error::Error;
use crate::ledger::Module;
use crate::model::Family;
use crate::units::Count;

choices! {
    /// How logits and cross entropy are computed.
    LossKernel {
        /// transformers' `ForCausalLMLoss`: all logits, converted to fp32.
        Eager = "eager",
        /// All logits, in the dtype in which they are.
        NoUpcast = "no_upcast",
        /// torchtune's `CEWithChunkedOutputLoss`: a chunk of the logits at a time is converted to fp32.
        Chunked = "chunked",
        /// The same with the loss of a chunk compiled.
        ChunkedCompiled = "chunked_compiled",
        /// Head and loss of a chunk of tokens at a time, each of them checkpointed.
        RecomputedChunks = "recomputed_chunks",
        /// Cross entropy compiled by `torch.compile`.
        Compiled = "compiled",
        /// Head and cross entropy compiled together.
        CompiledLinear = "compiled_linear",
        /// TRL's `ChunkedLogProbFunction`: tiles of logits, made again in backward.
        TrlTiles = "trl_tiles",
        /// Liger's cross entropy, which writes the gradient over the logits.
        Liger = "liger",
        /// Transformer Engine's cross entropy, which does so too (Megatron's `--cross-entropy-fusion-impl te`).
        TransformerEngine = "te",
        /// Liger's head and cross entropy in one, which makes gradients in forward.
        LigerFusedLinear = "liger_fused_linear",
        /// Apple's cut cross-entropy, which never has the logits in memory.
        CutCrossEntropy = "cut_cross_entropy",
        /// Logits of the last tokens of each sequence alone.
        LastTokens = "last_tokens",
    }
}

choices! {
    /// A kernel of a module, or the module as its model writes it.
    Fused {
        /// The model's own code.
        Model = "model",
        /// Liger's.
        Liger = "liger",
    }
}

choices! {
    /// What is moved by one so that each token meets the next one's label.
    Shift {
        /// The labels, as transformers does since 4.49.
        Labels = "labels",
        /// The logits: a copy of all but the last (`logits[..., :-1, :].contiguous()`), as transformers 4.46 to 4.48 did and many loops do.
        Logits = "logits",
        /// The same of logits that have been fp32 since the head made them (transformers before 4.46).
        WideLogits = "fp32_logits",
    }
}

choices! {
    /// What `torch.compile` compiles.
    Compile {
        /// Nothing.
        Off = "off",
        /// Each decoder layer.
        Layers = "layers",
        /// The whole model with its loss.
        Model = "model",
    }
}

/// Implementations of what attention is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels {
    /// The loss.
    pub loss: LossKernel,
    /// What of logits and labels is moved.
    pub shift: Shift,
    /// How many chunks torchtune's loss makes of a sequence.
    pub loss_chunks: Count,
    /// Tokens in a checkpointed chunk of head and loss.
    pub loss_chunk_tokens: Count,
    /// Tokens at the end of each sequence that have logits.
    pub loss_last_tokens: Count,
    /// Norms.
    pub norm: Fused,
    /// MLPs.
    pub mlp: Fused,
    /// Rotary positions.
    pub rope: Fused,
    /// `torch.compile`.
    pub compile: Compile,
}

impl Default for Kernels {
    /// The model's own code.
    fn default() -> Self {
        Self {
            loss: LossKernel::Eager,
            shift: Shift::Labels,
            loss_chunks: Count::new(8),
            loss_chunk_tokens: Count::new(256),
            loss_last_tokens: Count::new(128),
            norm: Fused::Model,
            mlp: Fused::Model,
            rope: Fused::Model,
            compile: Compile::Off,
        }
    }
}

impl LossKernel {
    /// Whether it reads all logits as the head has made them.
    pub(crate) const fn reads_logits(self) -> bool {
        matches!(self, Self::Eager | Self::NoUpcast | Self::Liger)
    }

    /// Whether the model's forward computes the loss and returns no logits that accelerate could convert to fp32
    /// (`convert_outputs_to_fp32`).
    fn returns_no_logits(self) -> bool {
        matches!(self, Self::LigerFusedLinear | Self::CutCrossEntropy)
    }
}

impl Kernels {
    /// Whether any of the modules is not the model's own code.
    pub(crate) fn are_fused(&self) -> bool {
        [self.norm, self.mlp, self.rope].contains(&Fused::Liger)
    }
}

impl Scenario {
    /// Ways of checkpointing that are followed for some models alone.
    pub(super) fn check_checkpointing(&self) -> Result<(), Error> {
        let a = &self.model.architecture;
        let is_plain =
            a.experts.is_none() && a.latent.is_none() && !a.family.is_masked() && a.family != Family::T5;
        let selects = self.checkpointing.is_selective();
        let is_refused = selects
            && !self.is_megatron()
            && (!is_plain || self.lora.rank.is_some() || self.attention_that_runs() == Attention::Eager);
        if is_refused || selects && self.stack != Stack::Current {
            return Err(unsupported(
                "checkpointing",
                self.checkpointing.key(),
                &["off", "layers", "layers_reentrant"],
            ));
        }
        Ok(())
    }

    /// Which kernels are there for which models and objectives.
    pub(super) fn check_kernels(&self) -> Result<(), Error> {
        let (kernels, a) = (self.kernels, &self.model.architecture);
        if kernels.loss != LossKernel::Eager {
            self.check_loss(kernels.loss)?;
        }
        if kernels.shift != Shift::Labels {
            self.check_shift()?;
        }
        if kernels.compile != Compile::Off {
            self.check_compile()?;
        }
        if !kernels.are_fused() {
            return Ok(());
        }
        let is_covered = matches!(
            a.family,
            Family::Llama
                | Family::Mistral
                | Family::Qwen2
                | Family::Qwen3
                | Family::Gemma2
                | Family::Gemma3Text
        );
        let fused =
            [("norm_kernel", kernels.norm), ("mlp_kernel", kernels.mlp), ("rope_kernel", kernels.rope)];
        for (key, of) in fused {
            if of != Fused::Model && (!is_covered || self.stack != Stack::Current) {
                return Err(unsupported(key, of.key(), &[Fused::Model.key()]));
            }
        }
        Ok(())
    }

    /// `torch.compile` is followed where runs have shown what Inductor keeps: Llama's layers and those like them, full fine-tuning,
    /// fused attention without a mask.
    fn check_compile(&self) -> Result<(), Error> {
        let (kernels, a) = (self.kernels, &self.model.architecture);
        let is_plain = matches!(a.family, Family::Llama | Family::Mistral | Family::Qwen2 | Family::Qwen3)
            && self.attention == Attention::Sdpa
            && self.padding != Padding::Padded
            && self.objective.method == Method::CausalLm
            && !self.lora.is_on()
            && !self.updates_in_backward()
            && self.parallel.shards() == 1
            && self.recipe != Recipe::FsdpMixed
            && a.window.is_none_or(|window| self.sequence_length < window)
            && !self.freezing.is_on()
            && self.stack == Stack::Current
            && self.kv_cache == KvCache::Off
            && !self.checkpointing.is_selective()
            && !kernels.are_fused();
        let has_own_loss = kernels.loss == LossKernel::Eager && self.held == Held::Loss;
        let is_whole =
            kernels.compile == Compile::Layers || has_own_loss && self.checkpointing == Checkpointing::Off;
        if is_plain && is_whole {
            return Ok(());
        }
        Err(unsupported("compile", kernels.compile.key(), &[Compile::Off.key()]))
    }

    /// Whether no adapter, copy or soft prompt changes what the head does.
    fn is_head_plain(&self) -> bool {
        let lora = &self.lora;
        let has_adapter = lora.method.has_targets() && lora.targets.contains(Module::LmHead);
        !lora.is_on()
            || !has_adapter && lora.saves == ModulesToSave::None && lora.method != AdapterMethod::Prompt
    }

    /// Losses other than transformers' own are followed for next-token prediction with a plain head.
    /// Losses that read all logits, and nothing that reads them otherwise.
    fn check_shift(&self) -> Result<(), Error> {
        let loss = self.kernels.loss;
        let mesh = &self.parallel.mesh;
        let is_split = self.parallel.is_on() && mesh.model_ways() > 1 || self.is_megatron();
        let is_followed = self.objective.method == Method::CausalLm
            && !self.model.architecture.has_own_objective()
            && self.kernels.compile != Compile::Model
            && !is_split;
        all_followed(&[
            (loss.reads_logits(), "loss", loss.key(), &["eager", "no_upcast", "liger"]),
            (is_followed, "shift", self.kernels.shift.key(), &["labels"]),
        ])
    }

    fn check_loss(&self, loss: LossKernel) -> Result<(), Error> {
        let is_megatron = self.is_megatron();
        if is_megatron != (loss == LossKernel::TransformerEngine) {
            let accepted = if is_megatron { &["eager", "te"][..] } else { &["eager", "liger"] };
            return Err(unsupported("loss", loss.key(), accepted));
        }
        let a = &self.model.architecture;
        let is_plain = self.objective.method == Method::CausalLm
            && !a.has_own_objective()
            && !a.has_head_bias()
            && !a.family.scales_logits()
            && !self.updates_in_backward()
            && !self.is_prepared()
            && self.is_head_plain()
            && !a.logit_softcap
            && !a.family.scales_residuals()
            && self.stack == Stack::Current
            && !self.freezing.is_on()
            && (self.autocast_scope == AutocastScope::Step || loss.returns_no_logits())
            && self.held == Held::Loss;
        if is_plain { Ok(()) } else { Err(unsupported("loss", loss.key(), &[LossKernel::Eager.key()])) }
    }
}
