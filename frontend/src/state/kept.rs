//! The models that a reader has loaded, kept in the browser: a line each, its name and its dimensions as in a link.

use vram_core::link;
use vram_core::model::{Architecture, Model};
use vram_core::{Scenario, presets};

use super::memory;

/// What stands before the place of a kept model where a preset's identifier could stand.
pub(crate) const KEPT: &str = "kept:";
/// Where the browser keeps them.
const PLACE: &str = "models";
/// More than these, and the oldest is forgotten.
const MOST: usize = 20;
/// The longest name, in characters.
const LONGEST_NAME: usize = 80;

/// A model that a reader has loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) architecture: Architecture,
}

impl Kept {
    pub(crate) fn new(name: &str, architecture: &Architecture) -> Self {
        let name = name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        Self { name, architecture: *architecture }
    }

    /// Its `model_type`.
    pub(crate) const fn family(&self) -> &'static str {
        self.architecture.family.key()
    }

    fn line(&self) -> String {
        let architecture = Self::clone(self).architecture;
        let scenario = Scenario { model: Model { preset: None, architecture }, ..Scenario::default() };
        let dimensions = link::fields(&scenario).filter(|(key, _)| link::is_dimension(key));
        dimensions.fold(format!("{}\t?v={}", self.name, link::VERSION), |line, (key, value)| {
            line + "&" + key + "=" + &value
        })
    }

    /// None for a line that an older or newer page can't have meant.
    fn of_line(line: &str) -> Option<Self> {
        let (name, dimensions) = line.split_once('\t')?;
        let reading = link::read(dimensions);
        reading.problems.is_empty().then(|| Self::new(name, &reading.scenario.model.architecture))
    }
}

/// What was kept at the last visit, the newest first.
pub(super) fn recall() -> Vec<Kept> {
    memory::get(PLACE).unwrap_or_default().lines().filter_map(Kept::of_line).take(MOST).collect()
}

fn remember(kept: &[Kept]) {
    memory::set(PLACE, &kept.iter().map(Kept::line).collect::<Vec<_>>().join("\n"));
}

/// Adds a model at the front; one of the same name is replaced. What is a preset needs no keeping.
pub(super) fn add(kept: &mut Vec<Kept>, new: Kept) {
    let mut model = Model { preset: None, architecture: new.clone().architecture };
    presets::recognise(&mut model, None);
    if model.preset.is_some() {
        return;
    }
    kept.retain(|other| other.name != new.name);
    kept.insert(0, new);
    kept.truncate(MOST);
    remember(kept);
}

/// Forgets the model at a place.
pub(super) fn remove(kept: &mut Vec<Kept>, at: usize) {
    if at < kept.len() {
        kept.remove(at);
        remember(kept);
    }
}
