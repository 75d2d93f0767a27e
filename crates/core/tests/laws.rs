//! Laws that hold for every scenario.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

#[path = "fuzz/mod.rs"]
mod fuzz;

use proptest::prelude::*;
use vram_core::ledger::{Category, Instant};
use vram_core::scenario::{
    AdapterDtype, AdapterMethod, Attention, AutocastScope, BaseDtype, Checkpointing, Compile, DataParallel,
    DeepSpeed, Ema, Freezing, FrozenLayers, Fused, Generation, GenerationCache, GradientSync, Held, Kernels,
    KvCache, Library, LogProbs, Lora, LoraTargets, LossKernel, Mesh, Method, ModuleSet, ModulesToSave,
    Objective, Optimizer, OptimizerSettings, Padding, Parallel, Place, Quantisation, QuantisedBase, Recipe,
    ReduceDtype, Reshard, Stack, Targets, TrainedKinds, Trainer, ZeroGrad,
};
use vram_core::timeline::{Moment, Point, StepNumber, alive_at};
use vram_core::units::{Bytes, Count, PerParameter};
use vram_core::{Error, Scenario, estimate, estimate_with_replay, link, presets};

/// Any scenario over the presets, within what somebody might train.
fn scenarios() -> impl Strategy<Value = Scenario> {
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
        .prop_map(with_split_that_fits)
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
            saves,
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

/// One GPU, or several in any way.
fn spread() -> impl Strategy<Value = Parallel> {
    let switches = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let choices = (
        proptest::sample::select(DataParallel::ALL),
        proptest::sample::select(Reshard::ALL),
        proptest::sample::select(ReduceDtype::ALL),
        proptest::sample::select(GradientSync::ALL),
    );
    let many =
        (2_u32..100, choices, switches, tensor()).prop_map(|(gpus, choices, switches, mesh)| Parallel {
            gpus: Count::new(gpus * u32::try_from(mesh.tensor.get()).unwrap()),
            data: choices.0,
            reshard: choices.1,
            reduce: choices.2,
            sync: choices.3,
            bucket_views: switches.0,
            stays_gathered: switches.1,
            cpu_offload: switches.2,
            is_last_rank: switches.3,
            deepspeed: DeepSpeed {
                overlap: switches.0,
                max_live: Count::new(gpus * 1_000_000),
                max_reuse: Count::new(gpus * 300_000),
                offload_optimizer: switches.1,
                offload_weights: switches.2 && choices.0 == DataParallel::Zero3,
                ..DeepSpeed::default()
            },
            shard_group: None,
            mesh,
        });
    prop_oneof![Just(Parallel::default()), many]
}

/// Tensor parallelism in any way, or none.
fn tensor() -> impl Strategy<Value = Mesh> {
    let ways = prop_oneof![2 => Just(1_u32), 1 => Just(2), 1 => Just(4)];
    (ways, any::<bool>(), any::<bool>()).prop_map(|(ways, sequence_parallel, loss_parallel)| Mesh {
        tensor: Count::new(ways),
        sequence_parallel,
        loss_parallel,
        ..Mesh::default()
    })
}

/// Where tensor parallelism isn't followed with what was drawn, the same with what it goes with, or without it.
fn with_split_that_fits(scenario: Scenario) -> Scenario {
    if scenario.parallel.mesh.tensor == Count::ONE || scenario.validate().is_ok() {
        return scenario;
    }
    let fits = Scenario {
        model: scenario.model.clone(),
        micro_batch: scenario.micro_batch,
        sequence_length: Count::new(
            u32::try_from(scenario.sequence_length.get()).unwrap().next_multiple_of(4),
        ),
        gradient_accumulation: scenario.gradient_accumulation,
        zero_grad: scenario.zero_grad,
        optimizer: Optimizer::AdamWFused,
        attention: scenario.attention,
        parallel: Parallel { data: DataParallel::Fsdp2, ..scenario.parallel },
        ..Scenario::default()
    };
    let alone = Parallel { mesh: Mesh::default(), ..scenario.parallel };
    if fits.validate().is_ok() { fits } else { Scenario { parallel: alone, ..scenario } }
}

/// Any base below adapters.
fn quantisation() -> impl Strategy<Value = Quantisation> {
    let base = proptest::sample::select(QuantisedBase::ALL);
    (base, any::<bool>(), 8_u32..1024, any::<bool>()).prop_map(|(base, double, group_size, prepared)| {
        Quantisation { base, double, group_size: Count::new(group_size), prepared }
    })
}

/// Whether so few tokens meet 4-bit weights that the kernel, and with it the dequantised weight, depends on their number.
fn chooses_kernel_by_tokens(scenario: &Scenario) -> bool {
    let tokens = scenario.micro_batch.get() * scenario.sequence_length.get();
    match scenario.quantised_base() {
        QuantisedBase::Nf4 | QuantisedBase::Fp4 => tokens <= 1536,
        QuantisedBase::Awq => tokens < 1024,
        _ => false,
    }
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

/// Whether more parameters never need less: small tensors or those of an odd size have larger states in some quantised optimizers, and
/// wide ones have none of Shampoo's.
fn grows(optimizer: Optimizer) -> bool {
    use Optimizer::{AoAdamW4bit, AoAdamW8bit, AoAdamWFp8, GaLore8bit, QGaLore, Shampoo, Soap};
    let is_odd =
        matches!(optimizer, AoAdamW8bit | AoAdamW4bit | AoAdamWFp8 | GaLore8bit | QGaLore | Shampoo | Soap);
    optimizer.library() != Library::Bitsandbytes && !is_odd
}

fn peak(scenario: &Scenario) -> Bytes {
    estimate(scenario).unwrap().at_peak().requested
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn entries_sum_to_every_instants_total_and_the_peak_is_the_largest(scenario in scenarios()) {
        let estimate = estimate(&scenario).unwrap();
        for instant in Instant::ALL {
            let total = estimate.at(instant);
            let sum: Bytes = estimate.alive(instant).map(vram_core::ledger::Entry::bytes).sum();
            prop_assert_eq!(sum, total.requested);
            let by_category: Bytes = Category::ALL.iter().map(|&category| total.category(category)).sum();
            prop_assert_eq!(by_category, total.requested);
            prop_assert!(total.requested <= estimate.at_peak().requested);
            prop_assert!(total.allocated >= total.requested);
        }
        prop_assert!(estimate.reserved.low <= estimate.reserved.likely);
        prop_assert!(estimate.reserved.likely <= estimate.reserved.high);
        prop_assert!(estimate.device.low > estimate.reserved.low);
    }

    #[test]
    fn a_trainer_that_is_chosen_is_recognised_and_choosing_it_again_changes_nothing(scenario in scenarios()) {
        for &trainer in Trainer::ALL {
            let mut chosen = scenario.clone();
            trainer.apply(&mut chosen);
            let mut again = chosen.clone();
            trainer.apply(&mut again);
            prop_assert_eq!(&again, &chosen);
            prop_assert!(Trainer::of(&chosen).is_some());
            // A loop that goes with nothing else that was chosen is refused by name.
            if estimate(&chosen).is_ok() {
                prop_assert_eq!(&link::read(&link::write(&chosen)).scenario, &chosen);
            }
        }
    }

    #[test]
    fn the_timeline_agrees_with_the_instants(scenario in scenarios()) {
        let estimate = estimate(&scenario).unwrap();
        let later = || estimate.timeline.iter().filter(|point| point.step == StepNumber::Later);
        let most = |which: fn(Moment) -> bool| {
            later().filter(|point| which(point.moment)).map(Point::total).max().unwrap()
        };
        prop_assert_eq!(later().map(Point::total).max().unwrap(), estimate.at_peak().requested);
        let forward = most(|moment| matches!(moment, Moment::Forward(_)));
        prop_assert_eq!(forward, estimate.at(Instant::Forward).requested);
        let backward = most(|moment| matches!(moment, Moment::Backward(_)));
        let visited = [Instant::BackwardFirstVisited, Instant::BackwardLastVisited];
        prop_assert_eq!(backward, visited.map(|instant| estimate.at(instant).requested).into_iter().max().unwrap());
        for first in estimate.timeline.iter().filter(|point| point.step == StepNumber::First) {
            let later = later().find(|point| point.moment == first.moment);
            prop_assert!(later.is_none_or(|later| later.total() >= first.total()));
        }
    }

    #[test]
    fn what_is_alive_at_a_moment_sums_to_the_timeline(scenario in scenarios(), at in any::<proptest::sample::Index>()) {
        let estimate = estimate(&scenario).unwrap();
        let point = at.get(&estimate.timeline);
        if point.step == StepNumber::Later || point.moment == Moment::Load {
            let alive = alive_at(&scenario, point.moment).unwrap();
            let sum: Bytes = alive.iter().map(vram_core::ledger::Entry::bytes).sum();
            prop_assert_eq!(sum, point.total(), "{:?}", point.moment);
        }
    }

    #[test]
    fn a_replay_counts_no_less_than_what_is_requested_and_reserves_no_less_than_it_counts(scenario in scenarios()) {
        let estimate = estimate_with_replay(&scenario).unwrap();
        prop_assert!(estimate.reserved.likely >= estimate.allocated);
        prop_assert!(estimate.device.low > estimate.reserved.low);
        let (allocated, requested) = (estimate.allocated.get(), estimate.at_peak().requested.get());
        // The ledger looks at one layer of a kind, the replay at all; tensors of a few bytes are left out.
        prop_assert!(allocated + allocated / 100 >= requested, "{} {}", allocated, requested);
    }

    #[test]
    fn a_formula_multiplies_to_the_bytes_that_are_summed(scenario in scenarios()) {
        for entry in estimate(&scenario).unwrap().entries {
            let product: u64 = entry
                .substituted()
                .trim_end_matches(" B")
                .split(" · ")
                .map(|factor| factor.parse::<u64>().unwrap())
                .product();
            prop_assert_eq!(product, entry.bytes().get());
        }
    }

    #[test]
    fn more_samples_or_tokens_never_need_less(scenario in scenarios()) {
        let more = |b: u64, s: u64| Scenario {
            micro_batch: Count::new(u32::try_from(scenario.micro_batch.get() + b).unwrap()),
            sequence_length: Count::new(u32::try_from(scenario.sequence_length.get() + s).unwrap()),
            ..scenario.clone()
        };
        prop_assume!(!chooses_kernel_by_tokens(&scenario));
        prop_assert!(peak(&more(1, 0)) >= peak(&scenario));
        if scenario.sequence_length.get() < 1000 && !scenario.parallel.mesh.sequence_parallel {
            prop_assert!(peak(&more(0, 1)) >= peak(&scenario));
        }
    }

    #[test]
    fn more_layers_width_or_vocabulary_never_need_less(scenario in scenarios()) {
        // Whole parameters that are dealt out fall to other ranks; the last rank has what the others leave.
        prop_assume!(scenario.parallel.data != DataParallel::DdpZero1 && !scenario.parallel.is_last_rank);
        prop_assume!(!chooses_kernel_by_tokens(&scenario));
        prop_assume!(grows(scenario.optimizer));
        let before = peak(&scenario);
        let plus = |count: Count, n: u32| Count::new(u32::try_from(count.get()).unwrap() + n);
        let mut deeper = scenario.clone();
        deeper.model.architecture.layers = plus(deeper.model.architecture.layers, 1);
        let mut wider = scenario.clone();
        wider.model.architecture.ffn = plus(wider.model.architecture.ffn, 64);
        let mut wordier = scenario.clone();
        wordier.model.architecture.vocabulary = plus(wordier.model.architecture.vocabulary, 64);
        for more in [deeper, wider, wordier] {
            prop_assert!(peak(&more) >= before);
        }
    }

    #[test]
    fn more_trained_parameters_never_need_less(scenario in scenarios(), rank in 1_u32..300) {
        prop_assume!(grows(scenario.optimizer));
        let with = |rank, targets| {
            let lora = Lora { rank: Some(Count::new(rank)), targets, ..scenario.lora };
            estimate(&Scenario { lora, ..scenario.clone() }).ok().map(|estimate| estimate.at_peak().requested)
        };
        // From few to many; not every model takes all of them.
        let targets = [LoraTargets::QueryValue, LoraTargets::Attention, LoraTargets::AllLinear].map(Targets::Word);
        let peaks: Vec<Bytes> = targets.into_iter().filter_map(|targets| with(rank, targets)).collect();
        prop_assert!(peaks.is_sorted());
        for targets in targets {
            prop_assert!(with(rank + 1, targets) >= with(rank, targets));
        }
    }

    #[test]
    fn checkpointing_never_adds_more_than_one_layers_working_set(mut scenario in scenarios()) {
        // Above frozen layers backward stops without checkpointing, but not with it, whose hook makes the embedding's output be followed.
        scenario.freezing = Freezing::default();
        let with = |checkpointing| Scenario { checkpointing, kv_cache: KvCache::Off, ..scenario.clone() };
        // Layers of an encoder-decoder are not checkpointed.
        prop_assume!(with(Checkpointing::Layers).validate().is_ok());
        let mut one_layer = with(Checkpointing::Off);
        one_layer.model.architecture.layers = Count::ONE;
        let working_set = estimate(&one_layer)
            .unwrap()
            .instants
            .iter()
            .map(|total| {
                [Category::Activations, Category::WeightCasts, Category::Temporaries]
                    .iter()
                    .map(|&category| total.category(category))
                    .sum::<Bytes>()
            })
            .max()
            .unwrap();
        prop_assert!(peak(&with(Checkpointing::Layers)) <= peak(&with(Checkpointing::Off)) + working_set);
    }

    #[test]
    fn fused_adamw_never_needs_more_than_foreach_beyond_its_step_counters(scenario in scenarios()) {
        let with = |optimizer| peak(&Scenario { optimizer, ..scenario.clone() });
        // No preset has more trained tensors: DoRA on every linear layer of 126 is 2,646.
        let counters = Bytes::new(4 * 4000);
        prop_assert!(with(Optimizer::AdamWFused) <= with(Optimizer::AdamWForeach) + counters);
    }

    #[test]
    fn a_link_decodes_to_what_it_encoded(scenario in scenarios()) {
        let reading = link::read(&link::write(&scenario));
        prop_assert_eq!(reading.problems, Vec::<Error>::new());
        prop_assert_eq!(reading.scenario, scenario);
    }

    #[test]
    fn no_link_panics_and_every_reading_has_an_estimate(text in any::<String>(), key in any::<prop::sample::Index>()) {
        let keys: Vec<_> = link::keys().collect();
        let key = keys[key.index(keys.len())];
        for link in [text.clone(), format!("?v=1&{text}"), format!("?{key}={text}")] {
            let reading = link::read(&link);
            prop_assert_eq!(reading.scenario.validate(), Ok(()));
        }
    }

    #[test]
    fn no_number_however_large_panics(key in any::<prop::sample::Index>(), number in any::<i128>()) {
        let keys: Vec<_> = link::keys().collect();
        let key = keys[key.index(keys.len())];
        let mut scenario = Scenario::default();
        if link::set(&mut scenario, key, &number.to_string()).is_ok() {
            let _ = estimate(&scenario);
        }
    }

    #[test]
    fn no_configuration_panics(text in any::<String>(), number in any::<i64>(), key in 0_usize..8) {
        const KEYS: [&str; 8] = ["hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size",
            "num_hidden_layers", "intermediate_size", "sliding_window"];
        let _ = vram_core::model::from_config(&text);
        for family in vram_core::model::Family::ALL {
            let config = format!("{{\"model_type\":\"{}\",\"{}\":{number}}}", family.key(), KEYS[key]);
            if let Ok(architecture) = vram_core::model::from_config(&config) {
                let mut scenario = Scenario::default();
                scenario.model.architecture = architecture;
                let _ = estimate(&scenario);
            }
        }
    }
}

#[test]
fn an_exbibyte_is_refused_and_never_overflows() {
    let mut scenario = Scenario {
        micro_batch: Count::new(65_536),
        sequence_length: Count::new(16_777_216),
        ..Scenario::default()
    };
    assert_eq!(estimate(&scenario), Err(Error::TooLarge));
    scenario.attention = Attention::Eager;
    assert_eq!(estimate(&scenario), Err(Error::TooLarge));
}

#[test]
fn one_layer_more_adds_that_layers_entries() {
    let at = |layers| {
        let mut scenario = Scenario::default();
        scenario.model.architecture.layers = Count::new(layers);
        estimate(&scenario).unwrap()
    };
    let difference =
        |a: u32, instant| at(a + 1).at(instant).requested.get() - at(a).at(instant).requested.get();
    for instant in Instant::ALL {
        assert_eq!(difference(8, instant), difference(20, instant), "{instant:?}");
    }
}
