//! Hybrids beside PyTorch: models some of whose layers carry a state in place of attention, with settings at random.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails is a test that panics")]

use std::collections::BTreeMap;

use vram::accuracy::{Golden, Report, Row, read_file};

/// Largest error of a row at its peak, and of the median of a family.
const LARGEST: f64 = 0.000_5;
/// Of Mamba-2 a sequence that is one chunk is less near.
const LARGEST_OF_MAMBA2: f64 = 0.005_9;
const MEDIAN: f64 = 0.000_05;

fn rows(file: &str) -> Vec<Row> {
    let path = format!("{}/../../tests/goldens/{file}", env!("CARGO_MANIFEST_DIR"));
    let goldens: Vec<Golden> = read_file(&path).expect("the project has this file");
    Report::of(&goldens).rows
}

#[test]
fn each_family_is_near_at_its_peak_and_states_are_exact() {
    let mut families: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in rows("hybrids.jsonl") {
        for figure in ["params", "grads", "optimizer_states"] {
            assert_eq!(row.error(figure), Some(0.0), "{} {figure} {:?}", row.id, row.errors);
        }
        let error = row.error("peak_requested").unwrap().abs();
        let largest = if row.id.starts_with("mamba2") { LARGEST_OF_MAMBA2 } else { LARGEST };
        assert!(error <= largest, "{} {:?}", row.id, row.errors);
        let family = row.label.split(' ').next().unwrap().to_owned();
        families.entry(family).or_default().push(error);
    }
    for (family, mut errors) in families {
        errors.sort_by(f64::total_cmp);
        let (median, max) = (errors[errors.len() / 2], errors[errors.len() - 1]);
        println!("{family:20} {:3} rows  {:.4} %  {:.4} %", errors.len(), median * 100.0, max * 100.0);
        assert!(errors.len() >= 8 && median <= MEDIAN, "{family} {median}");
    }
}
