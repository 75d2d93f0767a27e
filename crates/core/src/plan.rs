//! What this GPU runs: dimensions and dtypes of one pass through the model, from the scenario.

use crate::ledger::{Dim, Module, Symbol};
use crate::model::Architecture;
use crate::scenario::{
    Attention, AutocastScope, Checkpointing, Compile, Held, Kernels, KvCache, LoraTargets, LossKernel,
    Objective, Padding, Scenario, Stack,
};
use crate::trained::Trained;
use crate::units::Dtype;

/// LoRA's adapters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adapters {
    pub(crate) rank: Dim,
    pub(crate) targets: LoraTargets,
    pub(crate) has_dropout: bool,
    pub(crate) dtype: Dtype,
}

impl Adapters {
    pub(crate) fn of(scenario: &Scenario) -> Option<Self> {
        let lora = scenario.lora;
        Some(Self {
            rank: Dim::new(Symbol::Rank, lora.rank?.get()),
            targets: lora.targets,
            has_dropout: lora.dropout,
            dtype: scenario.trained(),
        })
    }

    /// Whether the linear layers of a module have an adapter.
    pub(crate) fn target(&self, module: Module) -> bool {
        let is_attention =
            matches!(module, Module::QProj | Module::KProj | Module::VProj | Module::QkvProj | Module::OProj);
        // Router and experts are no `torch.nn.Linear`.
        let is_linear =
            !matches!(module, Module::LmHead | Module::Router | Module::ExpertsUp | Module::ExpertsDown);
        match self.targets {
            LoraTargets::QueryValue => matches!(module, Module::QProj | Module::VProj | Module::QkvProj),
            LoraTargets::Attention => is_attention,
            LoraTargets::AllLinear => is_linear,
        }
    }
}

/// One pass of a model over a micro-batch.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    pub(crate) architecture: Architecture,
    /// Sequences: the micro-batch, or twice as many for pairs.
    pub(crate) rows: u64,
    /// Tokens of a sequence.
    pub(crate) sequence: u64,
    /// Dtype of the weights, and so of the residual stream: the embedding's output has it, and autocast casts no sum.
    pub(crate) weight: Dtype,
    /// Dtype of matrix products under autocast.
    pub(crate) autocast: Option<Dtype>,
    pub(crate) attention: Attention,
    /// Which of the model's own parameters are trained.
    pub(crate) trained: Trained,
    /// LoRA's adapters, where it is used.
    /// What is recomputed in backward.
    pub(crate) checkpointing: Checkpointing,
    /// Every how many layers, or how many of the first, are checkpointed.
    pub(crate) checkpoint_layers: u64,
    /// Implementations of the loss, of norms, MLPs and rotary positions.
    pub(crate) kernels: Kernels,
    /// LoRA's adapters, where it is used: the weights are frozen.
    pub(crate) adapters: Option<Adapters>,
    /// The attention mask of the batch.
    pub(crate) padding: Padding,
    /// Whether keys and values go through a cache.
    pub(crate) fills_cache: bool,
    /// What the training loop holds through backward.
    pub(crate) held: Held,
    /// The versions of torch and transformers.
    pub(crate) stack: Stack,
    /// What autocast is entered around.
    pub(crate) autocast_scope: AutocastScope,
    /// Whether gradients are added into those of an earlier micro-batch.
    pub(crate) accumulates: bool,
    /// Whether it is the frozen reference model's.
    pub(crate) is_reference: bool,
}

impl Pass {
    /// The trained model's pass.
    pub(crate) fn of_policy(scenario: &Scenario) -> Self {
        Self {
            architecture: scenario.model.architecture,
            rows: scenario.micro_batch.get().saturating_mul(scenario.objective.sequences_per_sample()),
            sequence: scenario.sequence_length.get(),
            weight: scenario.weight(),
            autocast: scenario.recipe.is_autocast().then(|| scenario.recipe.compute()),
            // scaled_dot_product_attention has no soft-capping (`sdpa_attention_forward` refuses it).
            attention: scenario.attention_that_runs(),
            trained: Trained::of(scenario),
            checkpointing: scenario.checkpointing,
            checkpoint_layers: scenario.checkpoint_layers.get(),
            kernels: scenario.kernels,
            adapters: Adapters::of(scenario),
            padding: scenario.padding,
            // `use_cache` is switched off by transformers where layers are checkpointed.
            fills_cache: scenario.kv_cache == KvCache::Filled
                && !scenario.checkpointing.is_on()
                && !scenario.model.architecture.family.is_masked(),
            held: if scenario.objective == Objective::CausalLm { scenario.held } else { Held::Loss },
            stack: scenario.stack,
            autocast_scope: scenario.autocast_scope,
            accumulates: scenario.gradient_accumulation.get() > 1,
            is_reference: false,
        }
    }

    /// The reference model's pass: the same model with weights of its own dtype, in evaluation mode.
    pub(crate) fn of_reference(scenario: &Scenario, weight: Dtype) -> Self {
        let mut pass = Self {
            weight,
            is_reference: true,
            accumulates: false,
            adapters: None,
            trained: Trained::NONE,
            checkpointing: Checkpointing::Off,
            ..Self::of_policy(scenario)
        };
        pass.architecture.embedding_dropout = false;
        pass.architecture.residual_dropout = false;
        pass.architecture.attention_dropout = false;
        pass
    }

    /// Whether autograd follows the input of a layer, or, for the number of layers, that of the head: something below it is trained.
    pub(crate) fn follows(&self, index: u64) -> bool {
        self.trained.is_below(index) || (index > 0 && self.adapters.is_some())
    }

    /// Whether a layer takes part in backward.
    pub(crate) fn trains_or_follows(&self, index: u64) -> bool {
        self.trained.is_layer(index) || self.adapters.is_some() || self.follows(index)
    }

    /// Whether a layer is checkpointed: torchtitan counts from 1 (`_count % ac_freq == 0`), Megatron's `recompute_method=block` takes
    /// the first ones.
    pub(crate) fn recomputes(&self, index: u64) -> bool {
        match self.checkpointing {
            Checkpointing::Off => false,
            Checkpointing::EveryKth => index.saturating_add(1).is_multiple_of(self.checkpoint_layers.max(1)),
            Checkpointing::FirstK => index < self.checkpoint_layers,
            _ => true,
        }
    }

    /// Whether attention gets a mask that hides padding.
    pub(crate) fn is_padded(&self) -> bool {
        self.padding == Padding::Padded
    }

    /// Whether autocast is left before the loss.
    pub(crate) fn leaves_autocast_early(&self) -> bool {
        self.autocast.is_some() && self.autocast_scope == AutocastScope::Model
    }

    /// Whether the head's gradient that waits for a tied embedding's is a whole tensor, into which that one is summed in place. A
    /// transposed view can't take the sum (`InputBuffer::accumulate`).
    pub(crate) fn head_takes_sums(&self) -> bool {
        let makes_whole = match self.kernels.loss {
            LossKernel::Chunked | LossKernel::ChunkedCompiled => {
                self.kernels.loss_chunks.get().min(self.sequence) > 1
            }
            LossKernel::RecomputedChunks => {
                self.rows.saturating_mul(self.sequence) > self.kernels.loss_chunk_tokens.get()
            }
            LossKernel::TrlTiles | LossKernel::LigerFusedLinear | LossKernel::CutCrossEntropy => true,
            _ => false,
        };
        makes_whole || self.kernels.compile == Compile::Model || self.weight != self.compute()
    }

    /// Dtype of matrix products.
    pub(crate) fn compute(&self) -> Dtype {
        self.autocast.unwrap_or(self.weight)
    }

    /// Batch and sequence: the dimensions of a row a token.
    pub(crate) const fn tokens(&self) -> [Dim; 2] {
        [self.batch(), self.sequence()]
    }

    pub(crate) const fn batch(&self) -> Dim {
        Dim::new(Symbol::Batch, self.rows)
    }

    pub(crate) const fn sequence(&self) -> Dim {
        Dim::new(Symbol::Sequence, self.sequence)
    }

    pub(crate) const fn hidden(&self) -> Dim {
        Dim::new(Symbol::Hidden, self.architecture.hidden.get())
    }

    pub(crate) const fn ffn(&self) -> Dim {
        Dim::new(Symbol::Ffn, self.architecture.ffn.get())
    }

    pub(crate) const fn heads(&self) -> Dim {
        Dim::new(Symbol::Heads, self.architecture.heads.get())
    }

    pub(crate) const fn kv_heads(&self) -> Dim {
        Dim::new(Symbol::KvHeads, self.architecture.kv_heads.get())
    }

    pub(crate) const fn qkv_heads(&self) -> Dim {
        let a = &self.architecture;
        Dim::new(Symbol::QkvHeads, a.heads.get() + 2 * a.kv_heads.get())
    }

    pub(crate) const fn head_dim(&self) -> Dim {
        Dim::new(Symbol::HeadDim, self.architecture.head_dim.get())
    }

    /// Width of a value head.
    pub(crate) fn value_dim(&self) -> Dim {
        let a = &self.architecture;
        if a.latent.is_some() { Dim::new(Symbol::ValueDim, a.value_dim().get()) } else { self.head_dim() }
    }

    /// What RoPE rotates of a head.
    pub(crate) fn rotary_dim(&self) -> Dim {
        rotary_dim(&self.architecture)
    }

    pub(crate) const fn vocabulary(&self) -> Dim {
        Dim::new(Symbol::Vocabulary, self.architecture.vocabulary.get())
    }
}

/// What RoPE rotates of a head.
pub(crate) fn rotary_dim(architecture: &Architecture) -> Dim {
    let rotary = architecture.rotary_dim();
    if rotary == architecture.head_dim {
        Dim::new(Symbol::HeadDim, rotary.get())
    } else {
        Dim::number(rotary.get())
    }
}
