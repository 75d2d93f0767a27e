//! Laws that hold for every scenario.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

mod fuzz;
mod scenarios;

use proptest::prelude::*;
use scenarios::scenarios;
use vram_core::ledger::{Category, Entry, Instant, What};
use vram_core::scenario::{
    Attention, Checkpointing, DataParallel, Freezing, KvCache, Library, Lora, LoraTargets, Optimizer,
    Padding, Parallel, QuantisedBase, Targets, Trainer,
};
use vram_core::timeline::{Moment, Point, StepNumber, alive_at};
use vram_core::units::{Bytes, Count};
use vram_core::{Error, Scenario, estimate, estimate_with_replay, link};

/// Tokens after which a sequence is as well aligned as before: a mask whose rows aren't multiples of 8 has a padded copy
/// (`sdp_utils`, `pad_bias`), which one token more can do without.
fn tokens_that_align(scenario: &Scenario) -> u64 {
    if scenario.padding == Padding::None { 1 } else { 8 }
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

/// Whether more parameters never need less: small tensors or those of an odd size have larger states in some quantised optimizers, and
/// wide ones have none of Shampoo's.
fn grows(optimizer: Optimizer) -> bool {
    use Optimizer::{AoAdamW4bit, AoAdamW8bit, AoAdamWFp8, GaLore8bit, QGaLore, Shampoo, Soap};
    let is_odd =
        matches!(optimizer, AoAdamW8bit | AoAdamW4bit | AoAdamWFp8 | GaLore8bit | QGaLore | Shampoo | Soap);
    optimizer.library() != Library::Bitsandbytes && !is_odd
}

/// One layer for each chunk of each stage.
fn layers_of_stages(scenario: &Scenario) -> u32 {
    let mesh = &scenario.parallel.mesh;
    u32::try_from(mesh.pipeline.get() * mesh.chunks_of_rank()).unwrap()
}

/// What the rank with most states holds of them.
fn states(scenario: &Scenario) -> Bytes {
    use Category::{Gradients, MasterWeights, OptimizerStates, Parameters};
    let of_stage = |stage: u64| {
        let mut scenario = scenario.clone();
        scenario.parallel.mesh.stage = Some(Count::new(u32::try_from(stage).unwrap()));
        let estimate = estimate(&scenario).unwrap();
        let at_step = estimate.at(Instant::OptimizerStep);
        [Parameters, Gradients, MasterWeights, OptimizerStates]
            .map(|of| at_step.category(of))
            .into_iter()
            .sum()
    };
    (1..=scenario.parallel.mesh.pipeline.get()).map(of_stage).max().unwrap()
}

/// The same run with one dimension of its mesh doubled, and as many GPUs.
fn twice_as_many_ways(scenario: &Scenario) -> [Scenario; 5] {
    let dimensions: [fn(&mut Parallel) -> &mut Count; 5] = [
        // Of data-parallel ranks alone there is no number.
        |parallel| &mut parallel.gpus,
        |parallel| &mut parallel.mesh.tensor,
        |parallel| &mut parallel.mesh.pipeline,
        |parallel| &mut parallel.mesh.context,
        |parallel| &mut parallel.mesh.expert,
    ];
    dimensions.map(|dimension| {
        let mut more = scenario.clone();
        let twice = |count: Count| Count::new(2 * u32::try_from(count.get()).unwrap());
        more.parallel.gpus = twice(scenario.parallel.gpus);
        let doubled = twice(*dimension(&mut scenario.parallel.clone()));
        *dimension(&mut more.parallel) = doubled;
        more
    })
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
            let sum: Bytes = estimate.alive(instant).map(Entry::bytes).sum();
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
            // A loop that doesn't go with what else was chosen is refused by name.
            if chosen.validate().is_ok() {
                prop_assert_eq!(&link::read(&link::write(&chosen)).scenario, &chosen);
            }
        }
    }

    #[test]
    fn the_timeline_agrees_with_the_instants(scenario in scenarios()) {
        // Of several chunks Megatron-LM's timeline counts what later ones keep beside all layers, not the first chunk's alone.
        prop_assume!(scenario.parallel.data != DataParallel::Megatron || scenario.parallel.mesh.chunks_of_rank() == 1);
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
            let sum: Bytes = alive.iter().map(Entry::bytes).sum();
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
        // As many tokens more as can be dealt out to the ranks that share a sequence.
        let mesh = &scenario.parallel.mesh;
        let is_split = mesh.sequence_parallel || mesh.context > Count::ONE;
        let step = if is_split { 2 * mesh.tensor.get() * mesh.context.get() } else { tokens_that_align(&scenario) };
        if scenario.sequence_length.get() < 1000 {
            prop_assert!(peak(&more(0, step)) >= peak(&scenario));
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
        deeper.model.architecture.layers = plus(deeper.model.architecture.layers, layers_of_stages(&scenario));
        // Into how many partial sums a bias's gradient is split depends on what divides the width: of twice the width into no fewer.
        let a = &scenario.model.architecture;
        let width = if a.mlp_bias { u32::try_from(a.ffn.get()).unwrap() } else { 64 };
        let mut wider = scenario.clone();
        wider.model.architecture.ffn = plus(wider.model.architecture.ffn, width);
        let mut wordier = scenario.clone();
        wordier.model.architecture.vocabulary = plus(wordier.model.architecture.vocabulary, 64);
        for more in [deeper, wider, wordier] {
            prop_assert!(peak(&more) >= before);
        }
    }

    #[test]
    fn more_ways_never_hold_more_states(scenario in scenarios()) {
        // Whole parameters that are dealt out fall to other ranks; the last rank has what the others leave.
        prop_assume!(scenario.parallel.data != DataParallel::DdpZero1 && !scenario.parallel.is_last_rank);
        let before = states(&scenario);
        for more in twice_as_many_ways(&scenario) {
            if more.validate().is_ok() {
                // Shards are padded.
                let after = states(&more).get();
                prop_assert!(after <= before.get() + before.get() / 1000 + 65_536, "{} {:?}", after, more.parallel);
            }
        }
    }

    #[test]
    fn one_gpu_of_any_scheme_is_the_plain_run(scenario in scenarios()) {
        let of = |parallel| estimate(&Scenario { parallel, ..scenario.clone() }).map(|estimate| estimate.entries);
        let one = Parallel { gpus: Count::ONE, ..scenario.parallel };
        prop_assert_eq!(of(one), of(Parallel::default()));
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
        // A stage has one at least.
        let mut one_layer = with(Checkpointing::Off);
        one_layer.model.architecture.layers = Count::new(layers_of_stages(&scenario));
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
        // Megatron-LM has one of them.
        let with = |optimizer| estimate(&Scenario { optimizer, ..scenario.clone() });
        let (Ok(fused), Ok(foreach)) = (with(Optimizer::AdamWFused), with(Optimizer::AdamWForeach)) else {
            return Ok(());
        };
        let counters = fused.alive(fused.peak).filter(|entry| entry.name.what == What::Steps);
        let counters: Bytes = counters.map(Entry::bytes).sum();
        prop_assert!(fused.at_peak().requested <= foreach.at_peak().requested + counters);
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
