//! Tables that papers print. Megatron's of activations stands in `tests/megatron.rs`.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]
#![expect(clippy::cast_precision_loss, reason = "figures of four digits")]

use vram_core::ledger::{Category, Instant};
use vram_core::published::zero_model_states;
use vram_core::{Scenario, estimate, link, presets};

/// Ranks, and GB of model states under stages 1, 2 and 3 as printed: of 7.5, 128 and 1,000 billion parameters.
const ZERO: [(u64, [[&str; 3]; 3]); 6] = [
    (1, [["120", "120", "120"], ["2048", "2048", "2048"], ["16000", "16000", "16000"]]),
    (4, [["52.5", "41.25", "30"], ["896", "704", "512"], ["7000", "5500", "4000"]]),
    (16, [["35.62", "21.56", "7.5"], ["608", "368", "128"], ["4750", "2875", "1000"]]),
    (64, [["31.41", "16.64", "1.875"], ["536", "284", "32"], ["4188", "2219", "250"]]),
    (256, [["30.35", "15.41", "0.4688"], ["518", "263", "8"], ["4047", "2055", "62.5"]]),
    (1024, [["30.09", "15.1", "0.1172"], ["513.5", "257.8", "2"], ["4012", "2014", "15.62"]]),
];

/// Half a unit of the last of four digits.
fn half_a_unit(printed: &str) -> f64 {
    let value: f64 = printed.parse().unwrap();
    let digits_before = value.log10().floor() + 1.0;
    0.5 * 10_f64.powf(digits_before - 4.0)
}

#[test]
fn zeros_table_of_model_states_is_met_to_the_printed_digit() {
    for (ranks, models) in ZERO {
        for (parameters, printed) in
            [7_500_000_000, 128_000_000_000, 1_000_000_000_000].into_iter().zip(models)
        {
            for (stage, printed) in (1..).zip(printed) {
                let ours = zero_model_states(stage, parameters, ranks).get() as f64 / 1e9;
                let off = (ours - printed.parse::<f64>().unwrap()).abs();
                assert!(
                    off <= half_a_unit(printed) + 1e-9,
                    "{parameters} on {ranks}, stage {stage}: {ours} {printed}"
                );
            }
        }
    }
}

fn zero(stage: u8, gpus: u64) -> Scenario {
    let model = presets::find("llama-3.1-8b").unwrap().model().unwrap();
    let mut scenario = Scenario { model, ..Scenario::default() };
    let fields = [("recipe", "bf16-master"), ("optimizer", "adamw_foreach"), ("b", "1"), ("s", "128")];
    for (key, value) in fields {
        link::set(&mut scenario, key, value).unwrap();
    }
    link::set(&mut scenario, "gpus", &gpus.to_string()).unwrap();
    link::set(&mut scenario, "dp", &format!("zero{stage}")).unwrap();
    scenario
}

/// What DeepSpeed divides is what the table divides; beside it stand what it pads and, of ZeRO-3, what it leaves whole.
#[test]
fn deepspeeds_states_are_the_tables_beside_its_gradients() {
    for gpus in [2, 8, 64] {
        for stage in 1..=3 {
            let estimate = estimate(&zero(stage, gpus)).unwrap();
            let of = |category: Category| estimate.at(Instant::Forward).category(category).get();
            let states = [Category::Parameters, Category::MasterWeights, Category::OptimizerStates].map(of);
            let parameters = estimate.parameters;
            let table = zero_model_states(stage, parameters, gpus).get();
            let of_gradients = if stage == 1 { 2 * parameters } else { 2 * parameters / gpus };
            let off = (states.iter().sum::<u64>() + of_gradients).abs_diff(table);
            // Norms stay whole under ZeRO-3.
            assert!(off <= 600_000, "zero{stage} on {gpus}: {off}");
        }
    }
}
