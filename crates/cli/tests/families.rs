//! Families with keys of their own beside PyTorch: small models from their `config.json`, in several precisions, with SDPA and eager
//! attention, checkpoints, padding masks, adapters.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails is a test that panics")]

use std::collections::BTreeMap;

use vram::accuracy::{Golden, Report, read_file};

/// Largest error of a row at its peak, and of the median of a family.
const LARGEST: f64 = 0.000_1;
const MEDIAN: f64 = 0.000_02;

#[test]
fn each_family_is_near_at_its_peak_and_states_are_exact() {
    let path = format!("{}/../../tests/goldens/families.jsonl", env!("CARGO_MANIFEST_DIR"));
    let goldens: Vec<Golden> = read_file(&path).expect("the project has this file");
    let mut families: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in Report::of(&goldens).rows {
        for figure in ["params", "grads", "optimizer_states"] {
            assert_eq!(row.error(figure), Some(0.0), "{} {figure} {:?}", row.id, row.errors);
        }
        let error = row.error("peak_requested").unwrap().abs();
        assert!(error <= LARGEST, "{} {:?}", row.id, row.errors);
        families.entry(row.id.trim_end_matches(char::is_numeric).to_owned()).or_default().push(error);
    }
    assert_eq!(families.keys().collect::<Vec<_>>(), ["falcon", "gpt_bigcode", "opt"]);
    for (family, mut errors) in families {
        errors.sort_by(f64::total_cmp);
        assert!(errors.len() >= 20 && errors[errors.len() / 2] <= MEDIAN, "{family} {errors:?}");
    }
}
