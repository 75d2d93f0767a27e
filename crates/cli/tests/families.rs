//! Families beside PyTorch: small models from their `config.json`, in several precisions, with settings at random.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails is a test that panics")]

use std::collections::BTreeMap;

use vram::accuracy::{Golden, Report, read_file};

/// A file of runs, and what was reached.
struct Corpus {
    file: &'static str,
    /// Families that it has at least, and runs of each.
    families: usize,
    runs: usize,
    /// Largest error of a run at its peak; that of one family, by its runs' identifiers, which are less near.
    largest: f64,
    less_near: Option<(&'static str, f64)>,
    /// Largest median of a family.
    median: f64,
}

const CORPORA: [Corpus; 3] = [
    // With eager attention and checkpoints the mask of the layers that the first one is not of goes earlier than is counted; all others
    // are within 0.6 %.
    Corpus {
        file: "decoders.jsonl",
        families: 22,
        runs: 8,
        largest: 0.017,
        less_near: None,
        median: 0.000_3,
    },
    // Models some of whose layers carry a state in place of attention; of Mamba-2 a sequence that is one chunk is less near.
    Corpus {
        file: "hybrids.jsonl",
        families: 2,
        runs: 8,
        largest: 0.000_5,
        less_near: Some(("mamba2", 0.005_9)),
        median: 0.000_05,
    },
    // Families with keys of their own.
    Corpus {
        file: "families.jsonl",
        families: 3,
        runs: 20,
        largest: 0.000_1,
        less_near: None,
        median: 0.000_02,
    },
];

/// The errors at the peak of each family, from the smallest.
fn errors(corpus: &Corpus) -> BTreeMap<String, Vec<f64>> {
    let path = format!("{}/../../tests/goldens/{}", env!("CARGO_MANIFEST_DIR"), corpus.file);
    let goldens: Vec<Golden> = read_file(&path).expect("the project has this file");
    let mut families: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in Report::of(&goldens).rows {
        for figure in ["params", "grads", "optimizer_states"] {
            assert_eq!(row.error(figure), Some(0.0), "{} {figure} {:?}", row.id, row.errors);
        }
        let family = row.label.split(' ').next().unwrap().to_owned();
        let own = corpus.less_near.filter(|(less_near, _)| row.id.starts_with(less_near));
        let error = row.error("peak_requested").unwrap().abs();
        assert!(error <= own.map_or(corpus.largest, |(_, largest)| largest), "{} {:?}", row.id, row.errors);
        families.entry(family).or_default().push(error);
    }
    for errors in families.values_mut() {
        errors.sort_by(f64::total_cmp);
    }
    families
}

#[test]
fn each_family_is_near_at_its_peak_and_states_are_exact() {
    for corpus in &CORPORA {
        let families = errors(corpus);
        assert!(families.len() >= corpus.families, "{} {:?}", corpus.file, families.keys());
        for (family, errors) in families {
            let (median, max) = (errors[errors.len() / 2], errors[errors.len() - 1]);
            println!("{family:20} {:3} rows  {:.4} %  {:.4} %", errors.len(), median * 100.0, max * 100.0);
            assert!(errors.len() >= corpus.runs && median <= corpus.median, "{family} {median}");
        }
    }
}
