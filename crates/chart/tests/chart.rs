//! Layout and pictures.

#![cfg(feature = "svg")]
#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use insta::assert_snapshot;
use proptest::prelude::*;
use vram_chart::{
    Bar, Input, Phase, ScalingInput, Segment, Theme, TimelineInput, TimelineTexts, layout, scaling_layout,
    svg, timeline_layout,
};
use vram_core::ledger::{Category, Instant};
use vram_core::timeline::{Moment, Point, StepNumber};
use vram_core::units::{Bytes, Count};

fn input(sizes: &[[u64; 9]; 7], ghost: Option<Vec<Bytes>>, capacity: u64) -> Input {
    let totals: Vec<u64> =
        sizes.iter().map(|bar| bar.iter().fold(0_u64, |sum, size| sum.saturating_add(*size))).collect();
    let most = totals.iter().max().copied().unwrap_or_default();
    let bars = Instant::TRAINING
        .into_iter()
        .zip(sizes)
        .zip(&totals)
        .map(|((instant, segments), total)| Bar {
            instant,
            segments: (*segments).map(Bytes::new),
            label: instant.key().to_owned(),
            value: format!("{total} B"),
            is_peak: *total == most,
        })
        .collect();
    Input {
        bars,
        ghost,
        capacity: Bytes::new(capacity),
        capacity_label: format!("{capacity} B"),
        legend: Category::ALL.map(|of| (of, of.key().to_owned())).to_vec(),
        selected: Some(Segment { instant: Instant::Loss, category: Category::Activations }),
    }
}

fn example() -> Input {
    let sizes = [
        [14, 0, 0, 28, 3, 7, 0, 0, 0],
        [14, 0, 0, 28, 4, 7, 0, 0, 0],
        [14, 0, 1, 28, 3, 7, 1, 0, 0],
        [14, 0, 1, 28, 3, 7, 0, 0, 0],
        [14, 0, 13, 28, 0, 0, 0, 0, 0],
        [14, 0, 14, 28, 0, 0, 0, 0, 0],
        [14, 0, 14, 28, 0, 0, 14, 0, 0],
    ];
    input(&sizes, Some([52, 53, 54, 53, 55, 56, 56].map(Bytes::new).to_vec()), 79)
}

/// Two steps of a model of two layers.
fn over_time() -> TimelineTexts {
    let moments = [
        (Moment::Forward(0), [14, 0, 0, 28, 1, 3, 1, 0, 0]),
        (Moment::Forward(1), [14, 0, 0, 28, 2, 5, 1, 0, 0]),
        (Moment::Loss, [14, 0, 0, 28, 4, 7, 0, 0, 0]),
        (Moment::BackwardHead, [14, 0, 1, 28, 3, 7, 1, 0, 0]),
        (Moment::Backward(1), [14, 0, 7, 28, 3, 5, 1, 0, 0]),
        (Moment::Backward(0), [14, 0, 13, 28, 1, 3, 1, 0, 0]),
        (Moment::BackwardEmbedding, [14, 0, 14, 28, 0, 0, 0, 0, 0]),
        (Moment::OptimizerStep, [14, 0, 14, 28, 0, 0, 14, 0, 0]),
    ];
    let load = Point {
        step: StepNumber::First,
        moment: Moment::Load,
        categories: [14, 0, 0, 0, 0, 0, 0, 0, 0].map(Bytes::new),
    };
    let steps = [StepNumber::First, StepNumber::Later].into_iter().flat_map(|step| {
        moments.map(|(moment, sizes)| Point { step, moment, categories: sizes.map(Bytes::new) })
    });
    let points = [load].into_iter().chain(steps).collect();
    let phase = |moment| format!("{:?}", Phase::of(moment)).to_lowercase();
    TimelineTexts {
        input: TimelineInput { points, capacity: Bytes::new(79), selected: Some(4) },
        title: "over time".to_owned(),
        phase,
    }
}

#[test]
fn the_timeline_leaves_no_gap_and_a_point_hits_the_column_under_it() {
    let TimelineTexts { input, .. } = over_time();
    for width in [160, 390, 900, 3000] {
        let placed = timeline_layout(&input, width);
        assert_eq!(placed.edges.len(), input.points.len() + 1);
        assert_eq!((placed.edges.first(), placed.edges.last()), (Some(&0), Some(&width)));
        assert!(placed.edges.is_sorted());
        assert!(placed.spans.windows(2).all(|pair| pair[0].right == pair[1].left));
        for (index, edges) in placed.edges.windows(2).enumerate() {
            assert!(edges[0] == edges[1] || placed.hit(edges[0]) == index);
        }
        assert_eq!((placed.hit(-5), placed.hit(width + 5)), (0, input.points.len() - 1));
    }
}

#[test]
fn the_peak_of_the_timeline_is_the_first_of_the_largest_moments_of_a_later_step() {
    let TimelineTexts { input, .. } = over_time();
    assert_eq!(input.points[input.peak()].moment, Moment::OptimizerStep);
    assert_eq!(input.peak(), input.points.len() - 1);
}

#[test]
fn a_wide_light_picture() {
    assert_snapshot!(svg(&example(), &over_time(), 900, &Theme::LIGHT).unwrap());
}

#[test]
fn a_narrow_dark_picture() {
    assert_snapshot!(svg(&example(), &over_time(), 360, &Theme::DARK).unwrap());
}

#[test]
fn arrow_keys_go_from_segment_to_segment_and_stop_at_the_ends() {
    let mut input = example();
    let at = |instant, category| Some(Segment { instant, category });
    assert_eq!(input.moved(0, 1), at(Instant::Loss, Category::WeightCasts));
    assert_eq!(input.moved(1, 0), at(Instant::BackwardHead, Category::Activations));
    assert_eq!(input.moved(-9, -9), at(Instant::Forward, Category::Parameters));
    input.selected = None;
    assert_eq!(input.moved(1, 0), at(Instant::OptimizerStep, Category::OptimizerStates));
}

proptest! {
    #[test]
    fn segments_tile_their_bar_and_are_found_where_they_stand(
        sizes in any::<[[u64; 9]; 7]>(), shift in 0_u32..64, capacity in any::<u64>(), width in 0_i32..3000,
    ) {
        let input = input(&sizes.map(|bar| bar.map(|size| size >> shift)), None, capacity);
        let layout = layout(&input, width);
        for row in &layout.rows {
            for pair in row.segments.windows(2) {
                prop_assert_eq!(pair[0].1.right, pair[1].1.left);
            }
            for (category, rect) in &row.segments {
                prop_assert!(rect.width() > 0 && rect.left >= 0 && rect.right <= layout.width);
                prop_assert!(rect.bottom <= layout.height);
                let found = layout.hit(i32::midpoint(rect.left, rect.right), i32::midpoint(rect.top, rect.bottom));
                prop_assert_eq!(found, Some(Segment { instant: row.instant, category: *category }));
            }
        }
        prop_assert!(layout.capacity.is_none_or(|x| x <= layout.width));
    }
}

/// Each doubling is as wide as the next, a halving as high, and more memory stands higher.
#[test]
fn over_the_number_of_gpus_a_slope_that_halves_is_straight() {
    let gib = |n: u64| Bytes::mib(n << 10);
    let halving = (0..5_u32).map(|power| (Count::new(1 << power), gib(256 >> power))).collect();
    let input = ScalingInput {
        curves: vec![halving, vec![(Count::ONE, gib(100)), (Count::new(16), gib(100))]],
        own: Some(0),
        gpus: Count::new(4),
        capacity: gib(80),
    };
    for width in [160, 390, 832] {
        let placed = scaling_layout(&input, width);
        let points = &placed.lines[0].points;
        let steps: Vec<(i32, i32)> =
            points.windows(2).map(|pair| (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1)).collect();
        assert!(
            steps.iter().all(|step| (step.0 - steps[0].0).abs() <= 1 && (step.1 - steps[0].1).abs() <= 1)
        );
        assert!(steps.iter().all(|step| step.0 > 0 && step.1 > 0), "{steps:?}");
        assert_eq!(placed.own, points[2].0);
        assert!(placed.lines[0].is_own && !placed.lines[1].is_own);
        assert_eq!(placed.lines[1].points[0].1, placed.lines[1].points[1].1);
        assert!(placed.capacity > placed.lines[1].points[0].1, "100 GiB stand above 80");
        assert!(
            placed
                .lines
                .iter()
                .flat_map(|line| &line.points)
                .all(|&(x, y)| x <= width && y <= placed.origin.1)
        );
    }
}
