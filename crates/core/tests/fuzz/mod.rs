//! Random and mutated configurations, links and scenarios: nothing panics, and whatever is accepted satisfies the laws.
//!
//! `cargo test` tries some thousands, the same ones each time; `cargo xtask fuzz` a million.

mod count;
mod mutate;

use std::num::NonZeroUsize;
use std::thread;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestCaseResult, TestRunner};
use vram_core::ledger::{Category, Entry, Instant};
use vram_core::model::{Architecture, Model, from_config, parameter_count};
use vram_core::units::{Bytes, Count};
use vram_core::{Error, Scenario, estimate, estimate_with_replay, link};

use super::{chooses_kernel_by_tokens, scenarios, tokens_that_align};

/// How many cases a test tries, where nobody asks for more.
const FEW: u32 = 3000;
const SEED: u64 = 20_261_125;

/// How many are asked for (`cargo xtask fuzz`).
fn wanted() -> Option<u32> {
    std::env::var("VRAM_FUZZ").ok()?.parse().ok()
}

/// Tries a share of the cases, on every core where many are wanted.
fn try_all<S: Strategy>(
    part: u32,
    strategy: impl Fn() -> S + Sync,
    law: impl Fn(S::Value) -> TestCaseResult + Sync,
) {
    let (cases, threads) = match wanted() {
        Some(cases) => (cases / part, thread::available_parallelism().map_or(1, NonZeroUsize::get)),
        None => (FEW / part, 1),
    };
    let one = |seed: u64| {
        let config = Config {
            cases: (cases / u32::try_from(threads).unwrap()).max(1),
            rng_seed: RngSeed::Fixed(SEED + seed),
            failure_persistence: None,
            max_global_rejects: u32::MAX,
            max_local_rejects: u32::MAX,
            ..Config::default()
        };
        TestRunner::new(config).run(&strategy(), &law).map_err(|error| error.to_string())
    };
    let results: Vec<Result<(), String>> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads as u64).map(|seed| scope.spawn(move || one(seed))).collect();
        running.into_iter().map(|running| running.join().unwrap()).collect()
    });
    for result in results {
        assert_eq!(result, Ok(()));
    }
}

/// The scenario with another model where that can be, or else the plainest one of that model.
fn with_model(scenario: &Scenario, architecture: &Architecture) -> Scenario {
    let longest = architecture.longest_sequence().and_then(|longest| u32::try_from(longest.min(512)).ok());
    let model = Model { preset: None, architecture: *architecture };
    let mut asked = Scenario { model: model.clone(), ..scenario.clone() };
    if let Some(longest) = longest {
        asked.sequence_length = Count::new(longest.max(1));
    }
    if asked.validate().is_ok() {
        return asked;
    }
    Scenario {
        model,
        micro_batch: asked.micro_batch,
        sequence_length: asked.sequence_length,
        optimizer: asked.optimizer,
        recipe: asked.recipe,
        ..Scenario::default()
    }
}

fn laws(scenario: &Scenario) -> TestCaseResult {
    let estimate = match estimate(scenario) {
        Ok(estimate) => estimate,
        Err(Error::TooLarge) => return Ok(()),
        Err(error) if scenario.validate() == Err(error.clone()) => return Ok(()),
        Err(error) => return Err(TestCaseError::fail(format!("{error:?}"))),
    };
    for instant in Instant::ALL {
        let total = estimate.at(instant);
        let sum: Bytes = estimate.alive(instant).map(Entry::bytes).sum();
        prop_assert_eq!(sum, total.requested, "{:?}", instant);
        let by_category: Bytes = Category::ALL.iter().map(|&category| total.category(category)).sum();
        prop_assert_eq!(by_category, total.requested);
        prop_assert!(total.requested <= estimate.at_peak().requested);
        prop_assert!(total.allocated >= total.requested);
    }
    prop_assert!(
        estimate.reserved.low <= estimate.reserved.likely
            && estimate.reserved.likely <= estimate.reserved.high
    );
    if chooses_kernel_by_tokens(scenario) {
        return Ok(());
    }
    let plus = |count: Count, more: u64| Count::new(u32::try_from(count.get() + more).unwrap());
    let larger = Scenario { micro_batch: plus(scenario.micro_batch, 1), ..scenario.clone() };
    let longer = plus(scenario.sequence_length, tokens_that_align(scenario));
    let longer = Scenario { sequence_length: longer, ..scenario.clone() };
    for more in [larger, longer] {
        if let Ok(of_more) = vram_core::estimate(&more) {
            prop_assert!(
                of_more.at_peak().requested >= estimate.at_peak().requested,
                "{} after {}",
                vram_core::link::write(&more),
                vram_core::link::write(scenario)
            );
        }
    }
    Ok(())
}

#[test]
fn no_configuration_panics_and_every_accepted_one_satisfies_the_laws() {
    let families: Vec<String> = count::families();
    let strategy = || (mutate::configurations(families.clone()), scenarios());
    try_all(1, strategy, |(text, scenario)| {
        let Ok(architecture) = from_config(&text) else { return Ok(()) };
        let counted = u64::try_from(count::count(&text).unwrap_or_default()).unwrap_or(u64::MAX);
        prop_assert_eq!(parameter_count(&architecture), counted, "{}", text);
        let scenario = with_model(&scenario, &architecture);
        laws(&scenario)?;
        if let Ok(estimate) = estimate(&scenario) {
            let link = link::write(&scenario);
            let reading = link::read(&link);
            prop_assert_eq!(&reading.problems, &Vec::<Error>::new(), "{}", link);
            prop_assert_eq!(
                *vram_core::estimate(&reading.scenario).unwrap().at_peak(),
                *estimate.at_peak(),
                "{}",
                link
            );
        }
        Ok(())
    });
}

#[test]
fn no_changed_link_panics_and_what_is_read_of_it_satisfies_the_laws() {
    let changes = || proptest::collection::vec((any::<Index>(), any::<u8>(), any::<Index>()), 1..6);
    try_all(
        2,
        || (scenarios(), changes()),
        |(scenario, changes)| {
            let link = mutate::changed_link(link::write(&scenario), &changes);
            let reading = link::read(&link);
            prop_assert_eq!(reading.scenario.validate(), Ok(()), "{}", link);
            laws(&reading.scenario)
        },
    );
}

#[test]
fn no_replay_of_an_accepted_configuration_panics() {
    let families: Vec<String> = count::families();
    try_all(
        50,
        || (mutate::configurations(families.clone()), scenarios()),
        |(text, scenario)| {
            let Ok(architecture) = from_config(&text) else { return Ok(()) };
            let scenario = with_model(&scenario, &architecture);
            if let Ok(estimate) = estimate_with_replay(&scenario) {
                prop_assert!(estimate.reserved.likely >= estimate.allocated, "{}", text);
            }
            Ok(())
        },
    );
}

/// Found by a run of a million: another name with nothing in it hid the family's own.
#[test]
fn another_name_that_is_null_says_nothing() {
    let text = r#"{ "model_type": "t5", "num_heads": 12, "num_attention_heads": null, "num_layers": 4 }"#;
    let counted = parameter_count(&from_config(text).unwrap());
    assert_eq!(count::count(text), Some(u128::from(counted)));
    let without = r#"{ "model_type": "t5", "num_heads": 12, "num_layers": 4 }"#;
    assert_eq!(parameter_count(&from_config(without).unwrap()), counted);
}
