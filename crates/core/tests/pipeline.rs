//! Laws of pipelines: what stages hold together, and what more of them do.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use vram_core::estimate::{estimate, ranks, stage};
use vram_core::ledger::{Category, Instant};
use vram_core::scenario::{Mesh, Recipe, Schedule};
use vram_core::units::Count;
use vram_core::{Error, Scenario, link, presets};

const STATES: [Category; 2] = [Category::Parameters, Category::OptimizerStates];

fn pipelined(stages: u32, schedule: Schedule, chunks: u32) -> Scenario {
    let mut scenario =
        Scenario { gradient_accumulation: Count::new(16), recipe: Recipe::Bf16, ..Scenario::default() };
    scenario.parallel.gpus = Count::new(stages);
    scenario.parallel.mesh =
        Mesh { pipeline: Count::new(stages), schedule, chunks: Count::new(chunks), ..Mesh::default() };
    scenario
}

fn states(scenario: &Scenario) -> u64 {
    let estimate = estimate(scenario).unwrap();
    STATES.iter().map(|&category| estimate.at(Instant::OptimizerStep).category(category).get()).sum()
}

#[test]
fn one_stage_is_the_plain_run() {
    for schedule in Schedule::ALL.iter().copied() {
        let one = pipelined(1, schedule, 2);
        let plain =
            Scenario { gradient_accumulation: Count::new(16), recipe: Recipe::Bf16, ..Scenario::default() };
        assert_eq!(estimate(&one).unwrap().at_peak(), estimate(&plain).unwrap().at_peak());
    }
}

#[test]
fn the_fullest_of_more_stages_never_holds_more_states() {
    let mut before = states(&pipelined(2, Schedule::GPipe, 1));
    for stages in [4, 8, 16] {
        let fullest = (1..=stages)
            .map(|stage| {
                let mut scenario = pipelined(stages, Schedule::OneForwardOneBackward, 1);
                scenario.parallel.mesh.stage = Some(Count::new(stage));
                states(&scenario)
            })
            .max()
            .unwrap();
        assert!(fullest <= before);
        before = fullest;
    }
}

#[test]
fn the_answer_is_the_most_loaded_rank_and_its_link_comes_back() {
    for (schedule, chunks) in
        [(Schedule::GPipe, 2), (Schedule::OneForwardOneBackward, 2), (Schedule::Interleaved, 2)]
    {
        for stages in [2, 4, 8] {
            let scenario = pipelined(stages, schedule, chunks);
            let (answer, kinds) = (estimate(&scenario).unwrap(), ranks(&scenario).unwrap());
            assert!(kinds.windows(2).all(|pair| pair[0].peak >= pair[1].peak));
            assert_eq!(kinds[0].peak, answer.at_peak().requested);
            assert_eq!(kinds.iter().map(|kind| kind.stages).sum::<u64>(), u64::from(stages));
            assert_eq!(link::read(&link::write(&scenario)).scenario, scenario);
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let layers = u32::try_from(Scenario::default().model.architecture.layers.get()).unwrap();
    let deep = pipelined(layers + 1, Schedule::GPipe, 1);
    let chunks = pipelined(layers, Schedule::Interleaved, 2);
    let mut few = pipelined(4, Schedule::OneForwardOneBackward, 1);
    few.gradient_accumulation = Count::new(3);
    for scenario in [deep, chunks, few] {
        assert!(matches!(scenario.validate(), Err(Error::OutOfRange { .. })));
    }
}

/// What is looked at doesn't grow with the schedule: many chunks and micro-batches of many ranks are answered at once.
#[test]
fn a_long_schedule_is_answered_as_a_short_one() {
    let mut long = pipelined(64, Schedule::Interleaved, 64);
    long.model.architecture.layers = Count::new(4096);
    long.gradient_accumulation = Count::new(4096);
    let started = std::time::Instant::now();
    assert!(estimate(&long).is_ok());
    // Of experts in every third layer most ranks are of a kind of their own.
    let model = presets::find("qwen3-30b-a3b").unwrap().model().unwrap();
    let mut kinds = Scenario { model, ..pipelined(78, Schedule::Interleaved, 128) };
    kinds.model.architecture.layers = Count::new(10_000);
    kinds.model.architecture.experts.as_mut().unwrap().every = Count::new(3);
    kinds.gradient_accumulation = Count::new(78);
    assert!(estimate(&kinds).is_ok());
    // Milliseconds with optimisation; a walk over all moments took minutes.
    assert!(started.elapsed().as_secs() < 10);
}

#[test]
fn the_stage_that_is_said_is_the_one_that_was_estimated() {
    for schedule in Schedule::ALL.iter().copied() {
        let fullest = pipelined(4, schedule, 2);
        let said = stage(&fullest).unwrap();
        assert_eq!(said, ranks(&fullest).unwrap().first().unwrap().stage);
        let mut asked = fullest.clone();
        asked.parallel.mesh.stage = Some(Count::new(said.try_into().unwrap()));
        assert_eq!(stage(&asked).unwrap(), said);
        assert_eq!(estimate(&asked).unwrap().at_peak(), estimate(&fullest).unwrap().at_peak());
    }
    assert_eq!(stage(&Scenario::default()).unwrap(), 1);
}
