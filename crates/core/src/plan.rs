//! What this GPU runs: dimensions and dtypes of one pass through the model, from the scenario.

use crate::ledger::{Dim, Module, Name, Symbol};
use crate::model::{Architecture, Parameter, Tower};
use crate::parallel::{TensorParallel, local_architecture};
use crate::quantised::{self, Quantised};
use crate::scenario::{
    AdapterMethod, Attention, AutocastScope, Checkpointing, Compile, DataParallel, GradientSync, Held,
    Kernels, KvCache, LossKernel, Padding, Rotate, Scenario, Stack, Targets,
};
use crate::step;
use crate::tape::{GradientSum, Storage};
use crate::trained::Trained;
use crate::units::{Bytes, Count, Dtype};

/// LoRA's adapters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adapters {
    pub(crate) method: AdapterMethod,
    pub(crate) rank: Dim,
    pub(crate) targets: Targets,
    pub(crate) has_dropout: bool,
    /// Tokens of a soft prompt.
    pub(crate) prompt: Option<Dim>,
    pub(crate) dtype: Dtype,
}

impl Adapters {
    pub(crate) fn of(scenario: &Scenario) -> Option<Self> {
        let lora = scenario.lora;
        lora.is_on().then(|| Self {
            method: lora.method,
            rank: Dim::new(Symbol::Rank, lora.rank.map_or(1, Count::get)),
            targets: lora.targets,
            has_dropout: lora.dropout,
            prompt: (lora.method == AdapterMethod::Prompt).then(|| Dim::number(lora.tokens.get())),
            dtype: scenario.trained(),
        })
    }

    /// Whether the linear layers of a module have an adapter.
    pub(crate) fn target(&self, module: Module) -> bool {
        self.method.has_targets() && self.targets.contains(module)
    }
}

/// Tokens of a soft prompt.
fn prompt_length(scenario: &Scenario) -> u64 {
    if scenario.lora.method == AdapterMethod::Prompt { scenario.lora.tokens.get() } else { 0 }
}

/// Whether (IA)³ scales what a module reads, as it does in the MLP (`feedforward_modules`), and not what it makes.
pub(crate) const fn scales_input(module: Module) -> bool {
    matches!(module, Module::DownProj | Module::SharedDownProj)
}

/// How context-parallel ranks exchange keys and values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    pub(crate) ways: u64,
    /// All at once, instead of one rank's at a time.
    pub(crate) gathers: bool,
    /// Keys and values are repeated for each query head before.
    pub(crate) repeats_keys: bool,
}

impl Ring {
    fn of(scenario: &Scenario) -> Option<Self> {
        let (ways, mesh) = (scenario.ring(), &scenario.parallel.mesh);
        let gathers = mesh.rotate == Rotate::AllGather;
        (ways > 1).then_some(Self { ways, gathers, repeats_keys: mesh.repeats_keys })
    }
}

/// One pass of a model over a micro-batch.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of the pass, independent of the others")]
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    /// What the rank has of the model: with tensor parallelism a part of its heads, of the MLP's width and of the vocabulary.
    pub(crate) architecture: Architecture,
    /// How tensor-parallel ranks split it.
    pub(crate) tensor: Option<TensorParallel>,
    /// Sequences: the micro-batch, or twice as many for pairs.
    pub(crate) rows: u64,
    /// Tokens of a sequence, a soft prompt's too.
    pub(crate) sequence: u64,
    /// Dtype of the weights, and so of the residual stream: the embedding's output has it, and autocast casts no sum.
    pub(crate) weight: Dtype,
    /// Dtype of matrix products under autocast.
    pub(crate) autocast: Option<Dtype>,
    pub(crate) attention: Attention,
    /// The ranks among which each sequence is split, where it is.
    pub(crate) ring: Option<Ring>,
    /// Which of the model's own parameters are trained.
    pub(crate) trained: Trained,
    /// Every how many layers, or how many of the first, are checkpointed.
    pub(crate) checkpoint_layers: u64,
    /// Implementations of the loss, of norms, MLPs and rotary positions.
    pub(crate) kernels: Kernels,
    /// LoRA's adapters, where it is used: the weights are frozen.
    pub(crate) adapters: Option<Adapters>,
    /// How the weights of the frozen linear layers are held, where they are quantised.
    pub(crate) quantised: Option<Quantised>,
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
    /// Which layers are checkpointed: that keeps what is handed to them.
    pub(crate) checkpointing: Checkpointing,
    /// Whether gradients are views of data parallelism's buckets, which are never freed.
    pub(crate) grads_in_buckets: bool,
    /// Whether gradients are added into those of an earlier micro-batch.
    pub(crate) accumulates: bool,
    /// Where each tensor is updated inside backward: its weight, and what its update allocates.
    pub(crate) hooks: Vec<(Name, Bytes)>,
    /// Whether an update inside backward waits for the next gradient.
    pub(crate) updates_late: bool,
    /// What takes a gradient that meets an earlier one.
    pub(crate) sums: GradientSum,
    /// Whether linear layers hand weights' gradients on as whole tensors: those of ZeRO-3 are a function of DeepSpeed's
    /// (`LinearFunctionForZeroStage3`), PyTorch's own hand on transposed views.
    pub(crate) makes_whole_gradients: bool,
    /// Whether it is the frozen reference model's.
    pub(crate) is_reference: bool,
    /// The passes of what stands in front of the language model.
    pub(crate) front: Option<Box<Front>>,
}

/// What stands in front of a language model.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    pub(crate) of: Tower,
    /// The pass through the vision tower: a row an image.
    pub(crate) tower: Pass,
    /// The pass through the projector: what it reads of each image.
    pub(crate) features: Pass,
}

impl Pass {
    /// The trained model's pass.
    pub(crate) fn of_policy(scenario: &Scenario) -> Self {
        let pass = Self::of_text(scenario);
        let front = pass.architecture.tower.map(|tower| Box::new(Front::of(scenario, &pass, tower)));
        Self { front, ..pass }
    }

    fn of_text(scenario: &Scenario) -> Self {
        Self {
            architecture: local_architecture(scenario),
            tensor: TensorParallel::of(scenario),
            rows: scenario.sequences(),
            sequence: scenario.tokens_of_sequence().saturating_add(prompt_length(scenario)) / scenario.ring(),
            ring: Ring::of(scenario),
            weight: scenario.weight(),
            autocast: scenario.recipe.is_autocast().then(|| scenario.recipe.compute()),
            // scaled_dot_product_attention has no soft-capping (`sdpa_attention_forward` refuses it).
            attention: scenario.attention_that_runs(),
            trained: Trained::of(scenario),
            checkpoint_layers: scenario.checkpoint_layers.get(),
            kernels: scenario.kernels,
            adapters: Adapters::of(scenario),
            quantised: Quantised::of(scenario),
            padding: scenario.padding,
            // `use_cache` is switched off by transformers where layers are checkpointed.
            fills_cache: scenario.kv_cache == KvCache::Filled
                && !scenario.checkpointing.is_on()
                && !scenario.model.architecture.has_own_objective(),
            held: if scenario.objective.method.is_language_modelling() { scenario.held } else { Held::Loss },
            stack: scenario.stack,
            autocast_scope: scenario.autocast_scope,
            checkpointing: scenario.checkpointing,
            grads_in_buckets: grads_in_buckets(scenario),
            accumulates: (adds_to_gradients(scenario) || grads_in_buckets(scenario)) && scenario.calls() == 1,
            hooks: step::hooks(scenario),
            updates_late: scenario.optimizer.is_fused_with_backward(),
            sums: GradientSum::InPlace,
            makes_whole_gradients: scenario.zero_stage() == Some(3),
            is_reference: false,
            front: None,
        }
    }

    /// The reference model's pass: the same model with weights of its own dtype, in evaluation mode.
    pub(crate) fn of_reference(scenario: &Scenario, weight: Dtype) -> Self {
        let pass = Self {
            weight,
            is_reference: true,
            accumulates: false,
            grads_in_buckets: false,
            hooks: Vec::new(),
            updates_late: false,
            adapters: None,
            trained: Trained::NONE,
            // A reference model of its own is not quantised.
            quantised: Quantised::of(scenario)
                .filter(|_| scenario.objective.reference().place.on_gpu().is_none()),
            checkpointing: Checkpointing::Off,
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
        self.trained.is_below(index)
            || self.adapters.is_some_and(|adapters| index > 0 || adapters.prompt.is_some())
    }

    /// Whether a layer takes part in backward.
    pub(crate) fn trains_or_follows(&self, index: u64) -> bool {
        self.trained.is_layer(index) || self.adapters.is_some() || self.follows(index)
    }

    /// The tensors in which a parameter of the model is held.
    pub(crate) fn storages(&self, parameter: &Parameter) -> Vec<Storage> {
        match &self.quantised {
            Some(quantised) => quantised.storages(parameter),
            None => vec![quantised::whole(parameter, self.weight)],
        }
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

    /// Tokens of a soft prompt.
    pub(crate) fn prompt(&self) -> Option<Dim> {
        self.adapters.and_then(|adapters| adapters.prompt)
    }

    /// Tokens of a sequence as the batch has them.
    pub(crate) fn given(&self) -> Dim {
        let prompt = self.prompt().map_or(0, |prompt| prompt.value);
        Dim::new(Symbol::Sequence, self.sequence.saturating_sub(prompt))
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
        makes_whole
            || self.makes_whole_gradients
            || self.kernels.compile == Compile::Model
            || self.weight != self.compute()
    }

    /// Dtype of matrix products.
    pub(crate) fn compute(&self) -> Dtype {
        self.autocast.unwrap_or(self.weight)
    }

    /// Dtype of what layers hand to each other.
    pub(crate) fn stream_dtype(&self) -> Dtype {
        let is_wide = self.architecture.recurrent.is_some_and(|layer| layer.residual_fp32);
        if is_wide { Dtype::Fp32 } else { self.weight }
    }

    /// Batch and sequence: the dimensions of a row a token.
    pub(crate) const fn tokens(&self) -> [Dim; 2] {
        [self.batch(), self.sequence()]
    }

    /// The same of norms and residuals, which sequence parallelism splits.
    pub(crate) fn stream(&self) -> [Dim; 2] {
        let sequence = self.tensor.map_or(self.sequence, |split| split.stream(self.sequence));
        [self.batch(), Dim::new(Symbol::Sequence, sequence)]
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

    /// Dtype of cosines and sines.
    pub(crate) const fn rope_dtype(&self) -> Dtype {
        if self.architecture.family.has_fp32_tables() { Dtype::Fp32 } else { self.weight }
    }

    /// The rank's part of the vocabulary.
    pub(crate) const fn vocabulary(&self) -> Dim {
        Dim::new(Symbol::Vocabulary, self.architecture.vocabulary.get())
    }
}

impl Front {
    /// Whether nothing of the tower is trained.
    pub(crate) const fn is_frozen(&self) -> bool {
        !self.tower.trained.is_anything()
    }

    fn of(scenario: &Scenario, text: &Pass, tower: Tower) -> Self {
        let architecture = tower.architecture();
        let rows = text.rows.saturating_mul(scenario.vision.images.get());
        let features = Pass {
            architecture,
            rows,
            sequence: tower.tokens(),
            attention: scenario.attention,
            padding: Padding::None,
            ..text.clone()
        };
        let of_tower = Pass {
            sequence: tower.image.positions(),
            trained: if scenario.vision.frozen_tower { Trained::NONE } else { text.trained },
            ..features.clone()
        };
        Self { of: tower, tower: of_tower, features }
    }
}

/// Whether gradients are there from an earlier micro-batch. Where each is reduced to a shard at once, the next micro-batch makes new ones.
fn adds_to_gradients(scenario: &Scenario) -> bool {
    let parallel = &scenario.parallel;
    let is_sharded = parallel.scheme().is_some_and(DataParallel::shards_weights);
    // DeepSpeed's ZeRO-2 and -3 take each gradient out of its tensor as it comes.
    let is_taken = matches!(scenario.zero_stage(), Some(2 | 3));
    let is_reduced = is_sharded && parallel.sync == GradientSync::EveryMicroBatch || is_taken;
    scenario.gradient_accumulation.get() > 1 && !is_reduced
}

/// DDP copies each gradient into its bucket, of which `.grad` is a view (`gradient_as_bucket_view`); under `no_sync` gradients are
/// tensors beside the buckets. PARALLEL section 1.
fn grads_in_buckets(scenario: &Scenario) -> bool {
    let parallel = &scenario.parallel;
    let is_ddp =
        parallel.scheme().is_some_and(|data| !data.shards_weights()) && scenario.zero_stage().is_none();
    is_ddp && parallel.bucket_views && scenario.gradient_accumulation.get() == 1
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
