//! What Megatron-LM's ways of splitting divide, and what they don't.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

mod common;

use vram_core::estimate::{ranks, stage};
use vram_core::ledger::{Category, Instant};
use vram_core::units::Bytes;
use vram_core::{Error, Estimate, Field, Scenario, estimate, link, presets};

/// Llama 3.1 8B on Megatron-LM, with some fields of a link.
fn scenario(fields: &str) -> Scenario {
    of_model("llama-3.1-8b", fields)
}

fn of_model(model: &str, fields: &str) -> Scenario {
    let fixed =
        "recipe=bf16-master&optimizer=adamw_fused&accumulation=8&b=1&s=4096&checkpointing=off&dp=megatron";
    common::scenario(model, &format!("{fixed}&{fields}"))
}

fn answer(more: &str) -> Estimate {
    estimate(&scenario(more)).unwrap()
}

fn states(estimate: &Estimate) -> [u64; 4] {
    let of = |category| estimate.at_peak().category(category).get();
    [Category::Parameters, Category::Gradients, Category::MasterWeights, Category::OptimizerStates].map(of)
}

/// 18 bytes a parameter, of which the distributed optimizer divides 12 by the data-parallel ranks: the README of Megatron-LM's
/// `docs/source/api-guide/dist_optimizer.md` (6 + 12 / d).
#[test]
fn a_parameter_has_six_bytes_and_a_share_of_twelve() {
    for ranks in [2_u64, 8, 64] {
        let [weights, gradients, master, moments] = states(&answer(&format!("gpus={ranks}")));
        let parameters = weights / 2;
        assert_eq!(gradients, 4 * parameters);
        assert_eq!(master, 4 * parameters.div_ceil(ranks));
        assert_eq!(moments, 2 * master);
    }
}

#[test]
fn tensor_parallel_ranks_and_stages_together_hold_the_model() {
    let whole = states(&answer("gpus=2"))[0] / 2;
    let of_tensor: u64 = 4 * (states(&answer("gpus=4&tp=4&sequence_parallel=1"))[0] / 2);
    // Norms on every rank, and rows that pad the vocabulary.
    let norms = (2 * 32 + 1) * 4096;
    let padding = 2 * 4096 * (128_256_u64.next_multiple_of(512) - 128_256);
    assert_eq!(of_tensor, whole + 3 * norms + padding);
    let of_stages: u64 =
        (1..=4).map(|stage| states(&answer(&format!("gpus=4&pp=4&stage={stage}")))[0] / 2).sum();
    assert_eq!(of_stages, whole);
}

/// Of a model with experts in some layers the fullest stage stands anywhere.
#[test]
fn without_a_stage_it_is_the_fullest() {
    let dense = ("llama-3.1-8b", "gpus=4&pp=4", 4);
    let sparse = ("qwen3-30b-a3b", "gpus=8&layers=8&pp=8&sparse_every=3", 8);
    for (model, way, stages) in [dense, sparse] {
        let of = |more: &str| of_model(model, &format!("{way}{more}"));
        let peak = |more: &str| estimate(&of(more)).unwrap().at_peak().requested;
        let all: Vec<Bytes> = (1..=stages).map(|stage| peak(&format!("&stage={stage}"))).collect();
        assert_eq!(peak(""), *all.iter().max().unwrap());
        let kinds = ranks(&of("")).unwrap();
        assert_eq!(kinds[0].peak, peak(""));
        assert_eq!(kinds.iter().map(|kind| kind.stages).sum::<u64>(), stages);
        for kind in kinds {
            assert_eq!(kind.peak, all[usize::try_from(kind.stage).unwrap() - 1]);
        }
    }
}

#[test]
fn more_ways_and_recomputation_never_need_more() {
    let peak = |more: &str| answer(more).at_peak().requested;
    let ways = ["gpus=2", "gpus=2&tp=2", "gpus=2&tp=2&sequence_parallel=1"];
    assert!(ways.windows(2).all(|pair| peak(pair[0]) >= peak(pair[1])));
    let ways =
        ["checkpointing=off", "checkpointing=first_k&checkpoint_layers=8", "checkpointing=layers_reentrant"];
    let peaks = ways.map(|way| peak(&format!("gpus=8&{way}")));
    assert!(peaks.is_sorted_by(|a, b| a > b), "{peaks:?}");
}

#[test]
fn what_does_not_divide_is_refused() {
    for (more, field) in [
        ("gpus=8&tp=3", "gpus"),
        ("gpus=16&tp=16", "kv_heads"),
        ("gpus=5&pp=5", "layers"),
        ("gpus=8&ep=2", "ep"),
        ("gpus=8&cp=2&cp_rotate=allgather", "cp_rotate"),
        ("gpus=8&tp=8&sequence_parallel=1&s=4100", "s"),
        ("gpus=8&mlp_bias=1", "mlp_bias"),
        ("gpus=8&act=relu", "act"),
    ] {
        let found = match estimate(&scenario(more)) {
            Err(Error::NotDivisible { field, .. } | Error::Unsupported { field, .. }) => Some(field),
            _ => None,
        };
        assert_eq!(found.as_ref().map(Field::key), Some(field), "{more}");
    }
    let beyond = estimate(&scenario("gpus=4&pp=4&stage=5"));
    assert!(matches!(beyond, Err(Error::OutOfRange { field, .. }) if field.key() == "stage"));
}

/// What a layer keeps of its activations, MiB: what one layer more adds when backward begins.
#[expect(clippy::cast_precision_loss, reason = "a digit behind the point is compared")]
fn kept_by_layer(hidden: u32, heads: u32, more: &str) -> f64 {
    let of = |layers: u32| {
        let model = format!(
            "hidden={hidden}&heads={heads}&kv_heads={heads}&head_dim={}&ffn={}&layers={layers}&positions=2048",
            hidden / heads,
            4 * hidden
        );
        let mut scenario = scenario("gpus=8");
        scenario.model = presets::find("gpt2").unwrap().model().unwrap();
        common::set(&mut scenario, &format!("{model}&s=2048&attention=eager&{more}"));
        let estimate = estimate(&scenario).unwrap();
        estimate.at(Instant::BackwardHead).category(Category::Activations).get()
    };
    (of(3) - of(2)) as f64 / 1_048_576.0
}

/// Table 2 of Reducing Activation Recomputation in Large Transformer Models (arXiv 2205.05198), with its models, s = 2048, t = 8, b = 1: in
/// MiB a layer nothing, tensor parallelism, sequence parallelism too, selective recomputation with each of these, and all recomputed.
/// Means and deviations of the norms, which the table leaves out, are below its last digit.
#[test]
fn activations_are_those_of_the_table_to_the_printed_digit() {
    let ways = [
        "tp=1",
        "tp=8",
        "tp=8&sequence_parallel=1",
        "tp=8&checkpointing=selective_attention",
        "tp=8&sequence_parallel=1&checkpointing=selective_attention",
        "tp=8&checkpointing=layers_reentrant",
    ];
    let table = [
        (6144, 64, [1688.0, 316.0, 211.0, 156.0, 51.0, 24.0]),
        (12_288, 96, [2736.0, 552.0, 342.0, 312.0, 102.0, 48.0]),
        (20_480, 128, [3920.0, 840.0, 490.0, 520.0, 170.0, 80.0]),
        (25_600, 160, [4900.0, 1050.0, 612.5, 650.0, 212.5, 100.0]),
    ];
    for (hidden, heads, printed) in table {
        for (way, printed) in ways.iter().zip(printed) {
            let ours = kept_by_layer(hidden, heads, way);
            assert_eq!(format!("{ours:.1}"), format!("{printed:.1}"), "{hidden} {way}");
        }
    }
}

/// Of experts that are not split, ranks of tensor parallelism have whole ones.
#[test]
fn experts_have_ways_of_their_own() {
    let of = |more: &str| {
        let mut scenario = scenario("gpus=16&tp=2&sequence_parallel=1&pp=1");
        scenario.model = presets::find("mixtral-8x7b").unwrap().model().unwrap();
        common::set(&mut scenario, more);
        let estimate = estimate(&scenario)?;
        assert_eq!(link::read(&link::write(&scenario)).scenario, scenario);
        Ok(estimate)
    };
    let split = states(&of("ep=8").unwrap());
    let whole = states(&of("ep=8&etp=1").unwrap());
    // Half of eight experts is one of four: as many weights, and as many ranks that have the same.
    assert!(split[0] < whole[0]);
    assert_eq!(split[0], states(&of("ep=8&etp=2").unwrap())[0]);
    assert!(matches!(of("ep=8&etp=4"), Err(Error::NotDivisible { .. })));
}

/// The fullest rank's experts get a multiple of the mean, up to all tokens: with 16 of 128 experts and 8 for each token, 8 times it.
#[test]
fn the_fullest_rank_has_what_routing_gives_it() {
    let of = |more: &str| of_model("qwen3-30b-a3b", &format!("gpus=8&layers=8&ep=8{more}"));
    let peak = |more: &str| estimate(&of(more)).unwrap().at_peak().requested.get();
    assert_eq!(peak("&expert_imbalance=100"), peak(""));
    let [half, twice] = [150, 200].map(|percent| peak(&format!("&expert_imbalance={percent}")) - peak(""));
    // What is kept of a dispatched token: two tensors of the hidden width, three and one of an expert's, in each layer; and more while one runs.
    let tokens = 4096 * 8;
    assert!(half >= tokens / 2 * 2 * 8 * (2048 + 3 * 768), "{half}");
    assert!(twice > half && twice <= 2 * half + 1024, "{half} {twice}");
    let refused = |more: &str, most: u64| {
        let error = estimate(&of(more)).unwrap_err();
        assert!(matches!(error, Error::OutOfRange { max, min: 100, .. } if max == most), "{error:?}");
    };
    refused("&expert_imbalance=801", 800);
    let alone = Scenario { expert_load: of("&expert_imbalance=101").expert_load, ..Scenario::default() };
    assert!(estimate(&alone).is_err());
    let link = link::write(&of("&expert_imbalance=150"));
    assert_eq!(link::read(&link).scenario.expert_load, of("&expert_imbalance=150").expert_load);
}

#[test]
fn a_mesh_of_16384_gpus_round_trips() {
    let scenario =
        scenario("gpus=16384&tp=8&sequence_parallel=1&pp=16&stage=3&cp=1&loss=te&accumulation=64&etp=1");
    let estimate = estimate(&scenario).unwrap();
    let peak: u64 = estimate.alive(estimate.peak).map(|entry| entry.bytes().get()).sum();
    assert_eq!(peak, estimate.at_peak().requested.get());
    assert_eq!(link::read(&link::write(&scenario)).scenario, scenario);
}

/// 1 + (p − 1) / (p · m) times what one stage's layers keep for as many micro-batches as there are stages (arXiv 2205.05198, section 4.2.3).
#[test]
#[expect(clippy::cast_precision_loss, reason = "a ratio is compared")]
fn interleaving_keeps_more_of_the_first_stage_by_the_published_factor() {
    let kept = |more: &str| {
        let estimate = answer(&format!("gpus=4&pp=4&stage=1&accumulation=16&{more}"));
        let at = estimate.at(Instant::BackwardHead);
        (at.category(Category::Activations) + at.category(Category::Temporaries)).get() as f64
    };
    let idle = answer("gpus=4&pp=4&stage=1&accumulation=16");
    let buffers = idle.at(Instant::OptimizerStep).category(Category::Temporaries).get() as f64;
    let plain = kept("schedule=1f1b") - buffers;
    for chunks in [2, 4, 8] {
        let ratio = (kept(&format!("schedule=interleaved&stage_chunks={chunks}")) - buffers) / plain;
        let published = 1.0 + 3.0 / (4.0 * f64::from(chunks));
        assert!((ratio / published - 1.0).abs() < 0.005, "{chunks} {ratio} {published}");
    }
}

#[test]
fn a_ring_keeps_no_second_output() {
    let kept = |rotate: &str| {
        let estimate = answer(&format!("gpus=4&cp=4&s=16384&cp_rotate={rotate}"));
        estimate.at(Instant::BackwardHead).category(Category::Activations).get()
    };
    let outputs = 32 * 4096 * 4096 * 2;
    assert_eq!(kept("ulysses") - kept("alltoall"), outputs);
}

#[test]
fn the_stage_that_is_said_is_the_one_that_was_estimated() {
    for fields in ["gpus=4&pp=4", "gpus=8&pp=2&tp=2", "gpus=2&pp=2&schedule=interleaved"] {
        let said = stage(&scenario(fields)).unwrap();
        assert_eq!(answer(&format!("{fields}&stage={said}")).at_peak(), answer(fields).at_peak(), "{fields}");
    }
}
