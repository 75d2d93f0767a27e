//! Random scenarios: any model of the presets, trained in any way that is followed.

mod parallel;

use parallel::{spread, with_mesh_that_fits};
use proptest::prelude::*;
use vram_core::scenario::{
    AdapterDtype, AdapterMethod, Attention, AutocastScope, BaseDtype, Checkpointing, Compile, Ema,
    ExpertTargets, Freezing, FrozenLayers, Fused, Generation, GenerationCache, Held, Kernels, KvCache,
    LogProbs, Lora, LoraTargets, LossKernel, Method, ModuleSet, ModulesToSave, Objective, Optimizer,
    OptimizerSettings, Padding, Place, Quantisation, QuantisedBase, Recipe, Shift, Stack, Targets,
    TrainedKinds, ZeroGrad,
};
use vram_core::units::{Count, PerParameter};
use vram_core::{Scenario, link, presets};

/// Any scenario over the presets, within what somebody might train.
pub(crate) fn scenarios() -> impl Strategy<Value = Scenario> {
    let model = proptest::sample::select(presets::all());
    let choices = (
        proptest::sample::select(Recipe::ALL),
        proptest::sample::select(Optimizer::ALL),
        proptest::sample::select(Attention::ALL),
        proptest::sample::select(Checkpointing::ALL),
        proptest::sample::select(ZeroGrad::ALL),
        objectives(),
    );
    let loops = (
        proptest::sample::select(LogProbs::ALL),
        proptest::sample::select(Padding::ALL),
        proptest::sample::select(AutocastScope::ALL),
        proptest::sample::select(Held::ALL),
        proptest::sample::select(KvCache::ALL),
        proptest::sample::select(Stack::ALL),
        (adapters(), freezing(), quantisation()),
        kernels(),
    );
    let numbers = (1_u32..600, 0_u32..20_000);
    (model, 1_u32..16, 1_u32..1024, 1_u32..4, choices, loops, numbers, spread())
        .prop_map(|(model, b, s, accumulation, choices, loops, (rank, bytes), spread)| Scenario {
            model: model.model().unwrap(),
            micro_batch: Count::new(b),
            sequence_length: Count::new(s),
            gradient_accumulation: Count::new(accumulation),
            recipe: choices.0,
            optimizer: choices.1,
            optimizer_settings: optimizer_settings(choices.1, rank, bytes),
            attention: choices.2,
            checkpointing: choices.3,
            checkpoint_layers: if choices.3.counts_layers() { Count::new(s % 7 + 1) } else { Count::new(2) },
            zero_grad: choices.4,
            objective: choices.5,
            log_probs: loops.0,
            padding: loops.1,
            autocast_scope: loops.2,
            held: loops.3,
            kv_cache: loops.4,
            stack: loops.5,
            lora: loops.6.0,
            freezing: loops.6.1,
            parallel: spread,
            quantisation: loops.6.2,
            kernels: loops.7,
            ..Scenario::default()
        })
        .prop_map(with_mesh_that_fits)
        .prop_map(with_kernels_that_fit)
        .prop_filter("what libraries have", |scenario| scenario.validate().is_ok())
        // What belongs to a method that is not used is not said.
        .prop_map(|scenario| link::read(&link::write(&scenario)).scenario)
}

/// The model's own kernels where others are not covered, so that not too many scenarios are thrown away.
fn with_kernels_that_fit(scenario: Scenario) -> Scenario {
    let own = Scenario { kernels: Kernels::default(), ..scenario.clone() };
    if scenario.validate().is_err() && own.validate().is_ok() { own } else { scenario }
}

/// Any loss, chunk and fused module; what a loss doesn't read is as it was.
fn kernels() -> impl Strategy<Value = Kernels> {
    let fused = || proptest::sample::select(Fused::ALL);
    let compile = proptest::sample::select(Compile::ALL);
    (proptest::sample::select(LossKernel::ALL), 1_u32..600, fused(), fused(), fused(), compile).prop_map(
        |(loss, count, norm, mlp, rope, compile)| {
            let compiles = count % 3 == 0;
            let mut kernels = if compiles {
                Kernels { compile, ..Kernels::default() }
            } else {
                Kernels { loss, norm, mlp, rope, ..Kernels::default() }
            };
            let loss = kernels.loss;
            match loss {
                LossKernel::Chunked | LossKernel::ChunkedCompiled => kernels.loss_chunks = Count::new(count),
                LossKernel::RecomputedChunks => kernels.loss_chunk_tokens = Count::new(count),
                LossKernel::LastTokens => kernels.loss_last_tokens = Count::new(count),
                LossKernel::Eager | LossKernel::NoUpcast | LossKernel::Liger => {
                    kernels.shift = Shift::ALL[count as usize % Shift::ALL.len()];
                }
                _ => {}
            }
            kernels
        },
    )
}

/// Any objective that trains, with other models and rollouts.
fn objectives() -> impl Strategy<Value = Objective> {
    let words: Vec<&'static str> =
        Objective::WORDS.iter().copied().filter(|word| !matches!(*word, "generate")).collect();
    let others = (
        proptest::sample::select(Place::ALL),
        proptest::sample::select(Place::ALL),
        proptest::sample::select(Place::ALL),
    );
    let rollouts = (
        proptest::sample::select(Generation::ALL),
        proptest::sample::select(GenerationCache::ALL),
        1_u32..9,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    let lengths = prop_oneof![Just(None), (1_u32..700).prop_map(|tokens| Some(Count::new(tokens)))];
    (proptest::sample::select(words), others, rollouts, lengths).prop_map(
        |(word, others, rollouts, completion)| {
            let mut objective = Objective::default().with_word(word).unwrap();
            let method = objective.method;
            if method.has_reference() && method != Method::Dpo {
                objective.reference.place = others.0;
            }
            if method.has_reward() {
                objective.reward.place = others.1;
            }
            if method == Method::Distillation {
                objective.teacher.place = others.2;
            }
            if method.has_completions() {
                objective.lengths.completion = completion;
            }
            if method.has_rollouts() {
                let rollout = &mut objective.rollout;
                (rollout.generation, rollout.cache) = (rollouts.0, rollouts.1);
                (rollout.keeps_completion, rollout.temperature, rollout.entropy) =
                    (rollouts.3, rollouts.4, rollouts.5);
                if method.is_group_relative() {
                    rollout.group = Count::new(rollouts.2);
                }
            }
            objective
        },
    )
}

/// Full fine-tuning, or LoRA in any of its forms.
fn adapters() -> impl Strategy<Value = Lora> {
    let rank = prop_oneof![Just(None), (1_u32..300).prop_map(|rank| Some(Count::new(rank)))];
    let word = proptest::sample::select(LoraTargets::ALL).prop_map(Targets::Word);
    let names =
        proptest::collection::vec(proptest::sample::select(ModuleSet::ALL), 1..5).prop_map(|modules| {
            Targets::Modules(
                modules.into_iter().fold(ModuleSet::default(), |set, module| set.with(module, true)),
            )
        });
    let targets = prop_oneof![word, names];
    let method = prop_oneof![Just(AdapterMethod::Lora), proptest::sample::select(AdapterMethod::ALL)];
    let dtypes = (proptest::sample::select(AdapterDtype::ALL), proptest::sample::select(BaseDtype::ALL));
    let saves =
        prop_oneof![3 => Just(ModulesToSave::None), 1 => proptest::sample::select(ModulesToSave::ALL)];
    (rank, (targets, method, 1_u32..100, saves), any::<bool>(), dtypes).prop_map(
        |(rank, (targets, method, tokens, saves), dropout, (adapters, base))| Lora {
            rank: if method.has_rank() { rank } else { None },
            method,
            tokens: Count::new(tokens),
            prefix_projection: (dropout && method == AdapterMethod::Prefix).then(|| Count::new(tokens * 8)),
            saves,
            experts: if tokens % 4 == 0 { ExpertTargets::Both } else { ExpertTargets::None },
            targets,
            dropout,
            adapters,
            base,
        },
    )
}

/// Nothing frozen, or any part, layers and kinds.
fn freezing() -> impl Strategy<Value = Freezing> {
    let layers = (proptest::sample::select(FrozenLayers::ALL), 1_u32..40);
    let kinds = proptest::sample::select(TrainedKinds::ALL);
    let frozen = (any::<bool>(), layers, any::<bool>(), kinds).prop_map(
        |(embedding, (layers, count), head, kinds)| Freezing {
            embedding,
            layers,
            count: if layers.has_count() { Count::new(count) } else { Count::ONE },
            head,
            kinds,
        },
    );
    prop_oneof![2 => Just(Freezing::default()), 1 => frozen]
}

/// Any base below adapters.
fn quantisation() -> impl Strategy<Value = Quantisation> {
    let base = proptest::sample::select(QuantisedBase::ALL);
    (base, any::<bool>(), 8_u32..1024, any::<bool>()).prop_map(|(base, double, group_size, prepared)| {
        Quantisation { base, double, group_size: Count::new(group_size), prepared }
    })
}

/// Numbers for the optimizers that need any.
fn optimizer_settings(optimizer: Optimizer, rank: u32, bytes: u32) -> OptimizerSettings {
    let ema = Ema::ALL.get(rank as usize % 8).copied().unwrap_or(Ema::Off);
    let in_backward = bytes.is_multiple_of(4);
    let mut settings = OptimizerSettings { ema, in_backward, ..OptimizerSettings::default() };
    match optimizer {
        Optimizer::GaLore | Optimizer::GaLore8bit | Optimizer::QGaLore | Optimizer::Apollo => {
            settings.rank = Count::new(rank);
        }
        Optimizer::Lbfgs => settings.history = Count::new(rank),
        Optimizer::Shampoo => settings.shampoo_block = Count::new(rank),
        Optimizer::Soap => settings.soap_widest = Count::new(16 * rank),
        Optimizer::Custom => {
            settings.state_bytes = PerParameter::thousandths(bytes);
            settings.step_bytes = PerParameter::thousandths(bytes / 3);
        }
        _ => {}
    }
    settings
}
