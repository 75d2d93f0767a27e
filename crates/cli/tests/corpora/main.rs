//! The estimator beside PyTorch, DeepSpeed and Megatron-LM: every file of runs is as near as `one_gpu.rs` and `several_gpus.rs` say.
//!
//! Run with `--nocapture` to see what is reached.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

#[path = "../common/mod.rs"]
mod common;
mod one_gpu;
mod several_gpus;

use std::collections::BTreeMap;

use common::{goldens, path};
use vram::accuracy::{Golden, Row, compare};
use vram_core::Scenario;

/// Runs of a file that are held to the same limits.
struct Corpus {
    /// Below `tests`.
    file: &'static str,
    /// Which of its groups; none: all of them.
    groups: &'static [&'static str],
    /// What it holds.
    about: &'static str,
    /// How many runs, at least.
    runs: usize,
    /// Figures that are equal to the byte.
    exact: &'static [&'static str],
    /// Figures that are near.
    limits: &'static [Limit],
    /// Runs of it that are less near in some figures.
    less_near: Option<LessNear>,
    by_family: Option<ByFamily>,
}

/// Largest errors of a figure, as fractions: of half of the runs, of 95 in 100, of all.
struct Limit {
    figure: &'static str,
    median: f64,
    p95: f64,
    max: f64,
}

/// What a run is, by its scenario, that is less near, why, and how near it is in place of `max`.
struct LessNear {
    which: fn(&Scenario) -> bool,
    why: &'static str,
    max: &'static [(&'static str, f64)],
}

/// That a corpus has so many families at least, so many runs of each, and how near the median of each is at the peak.
struct ByFamily {
    families: usize,
    runs: usize,
    median: f64,
}

const STATES: &[&str] = &["params", "grads", "optimizer_states"];
const NONE: Corpus = Corpus {
    file: "",
    groups: &[],
    about: "",
    runs: 1,
    exact: STATES,
    limits: &[],
    less_near: None,
    by_family: None,
};

/// All runs are that near.
const fn all(figure: &'static str, max: f64) -> Limit {
    Limit { figure, median: f64::INFINITY, p95: f64::INFINITY, max }
}

const fn spread(figure: &'static str, median: f64, p95: f64, max: f64) -> Limit {
    Limit { figure, median, p95, max }
}

const fn phases(max: f64) -> [Limit; 4] {
    [all("forward", max), all("backward", max), all("optimizer_step", max), all("peak_requested", max)]
}

fn corpora() -> impl Iterator<Item = &'static Corpus> {
    one_gpu::CORPORA.iter().chain(several_gpus::CORPORA)
}

impl Corpus {
    fn is_of(&self, golden: &Golden) -> bool {
        self.groups.is_empty() || self.groups.contains(&golden.group.as_str())
    }
}

/// Every run of a corpus beside its scenario.
fn runs(corpus: &Corpus) -> Vec<(Scenario, Row)> {
    let of_corpus = goldens(corpus.file).into_iter().filter(|golden| corpus.is_of(golden));
    of_corpus.map(|golden| (golden.scenario.clone().unwrap(), compare(&golden))).collect()
}

fn error(row: &Row, figure: &str) -> f64 {
    let error = row.error(figure).map(f64::abs);
    assert!(error.is_some(), "{} {figure} {:?}", row.id, row.errors);
    error.unwrap()
}

/// Median and 95 in 100.
fn cuts(mut errors: Vec<f64>) -> [f64; 2] {
    errors.sort_by(f64::total_cmp);
    [errors[errors.len() / 2], errors[errors.len() * 95 / 100]]
}

fn assert_near(corpus: &Corpus, runs: &[(Scenario, Row)], limit: &Limit) {
    let Limit { figure, median, p95, max } = *limit;
    for (scenario, row) in runs {
        let own = corpus.less_near.as_ref().filter(|of| (of.which)(scenario));
        let max_of_own = own.and_then(|of| of.max.iter().find(|(of, _)| *of == figure));
        let most = max_of_own.map_or(max, |(_, most)| *most);
        let why = own.map_or("", |of| of.why);
        assert!(error(row, figure) <= most, "{} {} {figure} {:?} {why}", corpus.about, row.id, row.errors);
    }
    let reached = cuts(runs.iter().map(|(_, row)| error(row, figure)).collect());
    let largest = runs.iter().map(|(_, row)| error(row, figure)).fold(0.0, f64::max);
    let shown = [reached[0], reached[1], largest].map(|error| format!("{:.4} %", error * 100.0)).join("  ");
    println!("{:4} runs  {:16} {shown}  {}", runs.len(), figure, corpus.about);
    assert!(reached[0] <= median && reached[1] <= p95, "{} {figure} {shown}", corpus.about);
}

fn assert_families(corpus: &Corpus, runs: &[(Scenario, Row)], limit: &ByFamily) {
    let mut families: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (scenario, row) in runs {
        let family = scenario.model.architecture.family.key();
        families.entry(family).or_default().push(error(row, "peak_requested"));
    }
    assert!(families.len() >= limit.families, "{} {:?}", corpus.about, families.keys());
    for (family, errors) in families {
        let (count, [median, _]) = (errors.len(), cuts(errors));
        assert!(count >= limit.runs && median <= limit.median, "{family} {count} {median}");
    }
}

#[test]
fn every_corpus_is_as_near_as_its_limits() {
    for corpus in corpora() {
        let runs = runs(corpus);
        assert!(runs.len() >= corpus.runs, "{} {}", corpus.about, runs.len());
        for (_, row) in &runs {
            for figure in corpus.exact {
                assert_eq!(row.error(figure), Some(0.0), "{} {} {figure}", corpus.about, row.id);
            }
        }
        for limit in corpus.limits {
            assert_near(corpus, &runs, limit);
        }
        if let Some(limit) = &corpus.by_family {
            assert_families(corpus, &runs, limit);
        }
    }
}

/// A property that no run has would hold a limit for nothing.
#[test]
fn what_is_less_near_is_there() {
    for corpus in corpora() {
        if let Some(of) = &corpus.less_near {
            assert!(runs(corpus).iter().any(|(scenario, _)| (of.which)(scenario)), "{}", of.why);
        }
    }
}

/// The golden runs on one GPU are held group by group in `goldens.rs`.
#[test]
fn every_run_is_in_a_corpus() {
    for entry in std::fs::read_dir(path("goldens")).unwrap() {
        let file = format!("goldens/{}", entry.unwrap().file_name().to_string_lossy());
        for golden in goldens(&file).iter().filter(|_| file != "goldens/goldens.jsonl") {
            let holds = |corpus: &Corpus| corpus.file == file && corpus.is_of(golden);
            assert!(corpora().any(holds), "{file} {} {}", golden.group, golden.id);
        }
    }
}
