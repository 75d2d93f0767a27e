//! What this GPU runs: dimensions and dtypes of one pass through the model, from the scenario.

mod adapters;
mod dimensions;
mod front;

use crate::ledger::Name;
use crate::model::{Architecture, Parameter, Speech};
use crate::parallel::{TensorParallel, local_architecture};
use crate::quantised::{self, Quantised};
use crate::scenario::{
    Attention, AutocastScope, Checkpointing, Compile, DataParallel, GradientSync, Held, Kernels, KvCache,
    LossKernel, Padding, Rotate, Scenario, Stack,
};
use crate::step;
use crate::tape::{GradientSum, Storage};
use crate::trained::Trained;
use crate::units::{Bytes, Dtype};
use adapters::prompt_length;
pub(crate) use adapters::{Adapters, Prefix, scales_input};
pub(crate) use dimensions::rotary_dim;
pub(crate) use front::Front;

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
    /// The pass through the encoder of sound whose decoder the layers are.
    pub(crate) encoder: Option<Box<Self>>,
}

impl Pass {
    /// The trained model's pass.
    pub(crate) fn of_policy(scenario: &Scenario) -> Self {
        let pass = Self::of_text(scenario);
        let pass = if scenario.optimizer.needs_no_gradients() {
            // In evaluation and inference mode (`zo_forward`), in which autocast keeps no casts.
            Self { trained: Trained::NONE, ..pass.without_dropout() }
        } else {
            pass
        };
        let front = pass.architecture.tower.map(|tower| Box::new(Front::of(scenario, &pass, tower)));
        let encoder = pass.architecture.speech.map(|speech| Box::new(pass.of_encoder(&speech)));
        Self { front, encoder, ..pass }
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
            encoder: None,
        }
    }

    /// The pass through the encoder of sound in front of this one's layers, which reads as much of every sample.
    fn of_encoder(&self, speech: &Speech) -> Self {
        let architecture = speech.architecture(&self.architecture);
        Self { architecture, sequence: speech.positions.get(), padding: Padding::None, ..self.clone() }
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

    /// The same of a first micro-batch, whose gradients meet none.
    pub(crate) fn of_first_micro_batch(mut self) -> Self {
        self.accumulates = false;
        if let Some(encoder) = &mut self.encoder {
            encoder.accumulates = false;
        }
        if let Some(front) = &mut self.front {
            (front.tower.accumulates, front.features.accumulates) = (false, false);
        }
        self
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

    /// Dtype of cosines and sines.
    pub(crate) const fn rope_dtype(&self) -> Dtype {
        if self.architecture.family.has_fp32_tables() { Dtype::Fp32 } else { self.weight }
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
