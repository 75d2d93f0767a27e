//! Named ways of spreading a run over several GPUs, and memory per GPU against their number.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use vram_core::scaling::{Curve, scaling};
use vram_core::scenario::Spread;
use vram_core::units::{Bytes, Count};
use vram_core::{Scenario, estimate, link};

fn of(link: &str) -> Scenario {
    let reading = link::read(link);
    assert_eq!(reading.problems, vec![], "{link}");
    reading.scenario
}

fn curve(curves: &[Curve], spread: Spread) -> Vec<(Count, Bytes)> {
    curves.iter().find(|curve| curve.spread == Some(spread)).unwrap().points.clone()
}

#[test]
fn a_way_is_known_by_what_it_sets_and_what_it_sets_can_be_estimated() {
    for &spread in Spread::ALL {
        let scenario = of(&format!("?v=1&model=llama-3.1-8b&b=1&s=2048&gpus=64&spread={}", spread.key()));
        assert_eq!(Spread::of(&scenario), Some(spread));
        assert!(estimate(&scenario).is_ok(), "{}", spread.key());
        assert_eq!(link::read(&link::write(&scenario)).scenario, scenario, "{}", spread.key());
    }
}

#[test]
fn what_a_link_says_beside_a_way_wins() {
    let scenario = of("?v=1&model=llama-3.1-8b&gpus=64&spread=fsdp2&recipe=fp32&tp=1&reshard=after_backward");
    assert_eq!(scenario.recipe.key(), "fp32");
    assert_eq!(scenario.parallel.reshard.key(), "after_backward");
    assert_eq!(scenario.parallel.gpus, Count::new(64));
}

#[test]
fn sharding_never_needs_more_with_more_gpus_and_replicas_save_nothing() {
    let curves = scaling(&of("?v=1&model=llama-3.1-8b&b=1&s=2048&gpus=8&spread=fsdp2"));
    for sharded in [Spread::Fsdp2, Spread::Accelerate] {
        let points = curve(&curves, sharded);
        assert!(points.len() > 8);
        // One GPU needs no buffers of collectives.
        assert!(points.windows(2).skip(1).all(|pair| pair[1].1 <= pair[0].1), "{points:?}");
    }
    let replicas = curve(&curves, Spread::Ddp);
    assert!(replicas.iter().skip(1).all(|point| point.1 == replicas[1].1));
}

#[test]
fn a_curve_says_from_where_it_is_level() {
    let at = |points: &[(u32, u64)]| {
        let points = points.iter().map(|&(gpus, gib)| (Count::new(gpus), Bytes::mib(gib << 10))).collect();
        Curve { spread: None, points }.stops_helping()
    };
    assert_eq!(at(&[(1, 80), (2, 40), (4, 20)]), None);
    assert_eq!(at(&[(1, 80), (2, 40), (4, 38), (8, 37)]), Some(Count::new(2)));
    assert_eq!(at(&[(1, 80), (2, 80)]), Some(Count::new(1)));
    // Three doublings that save a quarter save less than a tenth each.
    assert_eq!(at(&[(1, 80), (8, 60)]), Some(Count::new(1)));
    assert_eq!(at(&[(1, 80), (8, 50)]), None);
}

#[test]
fn details_of_ones_own_have_a_curve_of_their_own() {
    let scenario = of("?v=1&model=llama-3.1-8b&gpus=8&spread=fsdp2&reshard=after_backward");
    assert!(scaling(&scenario).iter().any(|curve| curve.spread.is_none()));
    let named = of("?v=1&model=llama-3.1-8b&gpus=8&spread=fsdp2");
    assert!(scaling(&named).iter().all(|curve| curve.spread.is_some()));
}
