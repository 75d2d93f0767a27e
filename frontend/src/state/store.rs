//! The scenario on the page with its estimate. The two always belong together: a change that can't be estimated is not made, and
//! the page keeps its last good figure.

use std::collections::BTreeMap;
use std::sync::Arc;

use leptos::prelude::*;
use vram_chart::Segment;
use vram_core::ledger::Instant;
use vram_core::ready::Ready;
use vram_core::scenario::Optimizer;
use vram_core::units::Bytes;
use vram_core::{Error, Estimate, Scenario, estimate, estimate_with_replay, link, presets};
use vram_text::{Lang, Unit, Word};

use super::browser::{on_media, on_window};
use super::kept::{self, Kept};
use super::own::OfWeights;
use super::{history, memory, pause};

/// What the bars were before the optimizer was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ghost {
    pub(crate) optimizer: Optimizer,
    pub(crate) totals: Vec<Bytes>,
    pub(crate) peak: Bytes,
}

/// A scenario and its estimate.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answered {
    scenario: Scenario,
    estimate: Option<Arc<Estimate>>,
}

/// The page's state; a handle that is copied into every component.
#[derive(Clone, Copy)]
pub(crate) struct Store {
    answered: RwSignal<Answered>,
    /// What was not taken, by field.
    pub(crate) problems: RwSignal<BTreeMap<String, Error>>,
    pub(crate) ghost: RwSignal<Option<Ghost>>,
    pub(crate) selected: RwSignal<Option<Segment>>,
    /// The moment of the timeline; none follows the peak.
    pub(crate) scrubbed: RwSignal<Option<usize>>,
    /// The moment of the ledger; none follows the peak.
    pub(crate) moment: RwSignal<Option<Instant>>,
    pub(crate) lang: RwSignal<Lang>,
    pub(crate) unit: RwSignal<Unit>,
    pub(crate) is_dark: RwSignal<bool>,
    /// What Share says.
    pub(crate) shared: RwSignal<Option<Word>>,
    /// The models that the reader has loaded, the newest first.
    pub(crate) kept: RwSignal<Vec<Kept>>,
    /// What the weights of a model say of it.
    pub(crate) evidence: RwSignal<OfWeights>,
    /// What is to be said while a hub is asked, and after.
    pub(crate) hub_says: RwSignal<Option<Word>>,
    /// The last preset: the one that edited dimensions go back to where several have the same.
    last_preset: RwSignal<Option<String>>,
}

impl Store {
    /// Opens the address's link.
    pub(crate) fn open() -> Self {
        let store = Self {
            answered: RwSignal::new(Answered {
                scenario: Scenario::default(),
                estimate: answer(&Scenario::default()),
            }),
            problems: RwSignal::default(),
            ghost: RwSignal::default(),
            selected: RwSignal::default(),
            scrubbed: RwSignal::default(),
            moment: RwSignal::default(),
            lang: RwSignal::new(memory::lang()),
            unit: RwSignal::new(memory::unit()),
            is_dark: RwSignal::new(false),
            shared: RwSignal::default(),
            kept: RwSignal::new(kept::recall()),
            evidence: RwSignal::default(),
            hub_says: RwSignal::default(),
            last_preset: RwSignal::default(),
        };
        store.read_address();
        history::replace(store.link());
        on_window("popstate", move || store.read_address());
        on_media("(prefers-color-scheme: dark)", move |is_dark| store.is_dark.set(is_dark));
        store
    }

    fn read_address(self) {
        let reading = link::read(&history::query());
        let mut problems = by_field(reading.problems);
        match estimate(&reading.scenario) {
            Ok(estimate) => {
                self.answer(reading.scenario, estimate);
            }
            Err(error) => problems.extend(by_field(vec![error])),
        }
        self.problems.set(problems);
        self.forget_looks();
    }

    /// What is only about the picture before.
    fn forget_looks(self) {
        self.ghost.set(None);
        self.selected.set(None);
        self.scrubbed.set(None);
        self.moment.set(None);
        self.shared.set(None);
    }

    pub(crate) fn lang(self) -> Lang {
        self.lang.get()
    }

    pub(crate) fn unit(self) -> Unit {
        self.unit.get()
    }

    pub(crate) fn word(self, word: Word) -> &'static str {
        word.in_lang(self.lang())
    }

    pub(crate) fn set_lang(self, lang: Lang) {
        memory::remember_lang(lang);
        self.lang.set(lang);
    }

    pub(crate) fn set_unit(self, unit: Unit) {
        memory::remember_unit(unit);
        self.unit.set(unit);
    }

    /// Reads the scenario.
    pub(crate) fn with_scenario<T>(self, read: impl FnOnce(&Scenario) -> T) -> T {
        self.answered.with(|answered| read(&answered.scenario))
    }

    pub(super) fn with_scenario_untracked<T>(self, read: impl FnOnce(&Scenario) -> T) -> T {
        self.answered.with_untracked(|answered| read(&answered.scenario))
    }

    /// Reads scenario and estimate; the default scenario has one, so that there always is one.
    pub(crate) fn with<T: Default>(self, read: impl FnOnce(&Scenario, &Estimate) -> T) -> T {
        self.answered.with(|answered| {
            answered.estimate.as_ref().map_or_else(T::default, |estimate| read(&answered.scenario, estimate))
        })
    }

    /// The value of a link's key.
    pub(crate) fn field(self, key: &str) -> String {
        self.with_scenario(|scenario| link::value(scenario, key).unwrap_or_default())
    }

    /// Sets one field, by its key in the link. What can't be taken becomes a problem of that field, and nothing else changes.
    pub(crate) fn set_field(self, key: &'static str, value: &str) {
        let before = self.answered.get_untracked();
        let mut scenario = before.scenario.clone();
        let taken = link::set(&mut scenario, key, value).and_then(|()| {
            if link::is_dimension(key) {
                let last = self.last_preset.get_untracked();
                presets::recognise(&mut scenario.model, last.as_deref());
            }
            estimate(&scenario)
        });
        match taken {
            Ok(estimate) => {
                self.remember_ghost(&before, &scenario);
                self.take(scenario, estimate);
                self.forget_problems_of(key);
                if key == "model" { history::push(&self.link()) } else { history::replace(self.link()) }
            }
            Err(error) => self.add_problem(key, error),
        }
    }

    pub(super) fn add_problem(self, key: &str, error: Error) {
        self.problems.update(|problems| {
            problems.insert(key.to_owned(), error);
        });
    }

    /// Shows the estimate, and its allocator figures from a replay when the reader pauses.
    fn answer(self, scenario: Scenario, estimate: Estimate) {
        if scenario.model.preset.is_some() {
            self.last_preset.set(scenario.model.preset.clone());
        }
        self.answered.set(Answered { scenario, estimate: Some(Arc::new(estimate)) });
        pause::then(move || {
            let scenario = self.with_scenario_untracked(Scenario::clone);
            if let Ok(estimate) = estimate_with_replay(&scenario) {
                self.answered.update(|answered| answered.estimate = Some(Arc::new(estimate)));
            }
        });
    }

    pub(super) fn take(self, scenario: Scenario, estimate: Estimate) {
        self.answer(scenario, estimate);
        if self.shared.get_untracked().is_some() {
            self.shared.set(None);
        }
    }

    /// A field that was taken has no problem any more, and the whole fits together again.
    pub(super) fn forget_problems_of(self, key: &str) {
        let is_over = |field: &String| field == key || field.is_empty();
        if self.problems.with_untracked(|problems| problems.keys().any(is_over)) {
            self.problems.update(|problems| problems.retain(|field, _| !is_over(field)));
        }
    }

    /// A change of the optimizer shows what was before; any other change forgets it.
    fn remember_ghost(self, before: &Answered, after: &Scenario) {
        let is_other_optimizer = before.scenario.optimizer != after.optimizer;
        let ghost = before.estimate.as_ref().filter(|_| is_other_optimizer).map(|estimate| Ghost {
            optimizer: before.scenario.optimizer,
            totals: estimate.instants.iter().map(|total| total.requested).collect(),
            peak: estimate.at_peak().requested,
        });
        if self.ghost.with_untracked(|now| *now != ghost) {
            self.ghost.set(ghost);
        }
    }

    /// Opens a ready scenario.
    pub(crate) fn open_ready(self, ready: Ready) {
        let scenario = ready.scenario();
        if let Ok(estimate) = estimate(&scenario) {
            self.take(scenario, estimate);
            self.problems.set(BTreeMap::new());
            self.forget_looks();
            history::push(&self.link());
        }
    }

    /// The query of the scenario's link.
    pub(crate) fn link(self) -> String {
        self.answered.with_untracked(|answered| link::write(&answered.scenario))
    }

    /// The whole link.
    pub(crate) fn whole_link(self) -> String {
        history::page() + &self.link()
    }
}

fn answer(scenario: &Scenario) -> Option<Arc<Estimate>> {
    estimate(scenario).ok().map(Arc::new)
}

fn by_field(problems: Vec<Error>) -> BTreeMap<String, Error> {
    problems
        .into_iter()
        .map(|error| (error.field().map(|field| field.key().to_owned()).unwrap_or_default(), error))
        .collect()
}
