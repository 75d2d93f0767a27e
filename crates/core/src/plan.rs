//! What this GPU runs: dimensions and dtypes of one pass through the model, from the scenario.

use crate::ledger::{Dim, Module, Symbol};
use crate::model::Architecture;
use crate::scenario::{Attention, AutocastScope, Held, KvCache, LoraTargets, Padding, Scenario, Stack};
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

/// What takes the sum of two gradients of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GradientSum {
    /// The one that is there.
    InPlace,
    /// A third tensor: the first one is a view, of a call that backward visited before (`InputBuffer::accumulate`).
    NewTensor,
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
    /// What takes a gradient that meets an earlier one.
    pub(crate) sums: GradientSum,
    /// Whether it is the frozen reference model's.
    pub(crate) is_reference: bool,
}

impl Pass {
    /// The trained model's pass.
    pub(crate) fn of_policy(scenario: &Scenario) -> Self {
        Self {
            architecture: scenario.architecture(),
            rows: scenario.sequences(),
            sequence: scenario.tokens_of_sequence(),
            weight: scenario.weight(),
            autocast: scenario.recipe.is_autocast().then(|| scenario.recipe.compute()),
            // scaled_dot_product_attention has no soft-capping (`sdpa_attention_forward` refuses it).
            attention: scenario.attention_that_runs(),
            trained: Trained::of(scenario),
            adapters: Adapters::of(scenario),
            padding: scenario.padding,
            // `use_cache` is switched off by transformers where layers are checkpointed.
            fills_cache: scenario.kv_cache == KvCache::Filled
                && !scenario.checkpointing.is_on()
                && !scenario.model.architecture.family.is_masked(),
            held: if scenario.objective.method.is_language_modelling() { scenario.held } else { Held::Loss },
            stack: scenario.stack,
            autocast_scope: scenario.autocast_scope,
            accumulates: scenario.gradient_accumulation.get() > 1 && scenario.calls() == 1,
            sums: GradientSum::InPlace,
            is_reference: false,
        }
    }

    /// The reference model's pass: the same model with weights of its own dtype, in evaluation mode.
    pub(crate) fn of_reference(scenario: &Scenario, weight: Dtype) -> Self {
        let pass = Self {
            weight,
            is_reference: true,
            accumulates: false,
            adapters: None,
            trained: Trained::NONE,
            ..Self::of_policy(scenario)
        };
        pass.without_dropout()
    }

    /// The same in evaluation mode.
    pub(crate) fn without_dropout(mut self) -> Self {
        let pass = &mut self;
        pass.architecture.embedding_dropout = false;
        pass.architecture.residual_dropout = false;
        pass.architecture.attention_dropout = false;
        self
    }

    /// Whether autograd follows the input of a layer, or, for the number of layers, that of the head: something below it is trained.
    pub(crate) fn follows(&self, index: u64) -> bool {
        self.trained.is_below(index) || (index > 0 && self.adapters.is_some())
    }

    /// Whether a layer takes part in backward.
    pub(crate) fn trains_or_follows(&self, index: u64) -> bool {
        self.trained.is_layer(index) || self.adapters.is_some() || self.follows(index)
    }

    /// Whether attention gets a mask that hides padding.
    pub(crate) fn is_padded(&self) -> bool {
        self.padding == Padding::Padded
    }

    /// Whether autocast is left before the loss.
    pub(crate) fn leaves_autocast_early(&self) -> bool {
        self.autocast.is_some() && self.autocast_scope == AutocastScope::Model
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
