//! A model of the reader's own: from a hub, from files, from what was kept.

use leptos::prelude::*;
use vram_core::hub::Repository;
use vram_core::model::weights::{Comparison, Evidence};
use vram_core::model::{Architecture, Model, from_config, parameter_count};
use vram_core::{Error, estimate, presets};
use vram_text::Word;

use super::kept::{self, Kept};
use super::store::Store;
use super::{files, history, hub};

/// Where problems of a configuration and of a hub stand.
const CONFIG: &str = "config.json";
const HUB: &str = "hub_id";

/// What the weights of a model say.
pub(crate) type OfWeights = Option<(Architecture, Evidence)>;

impl Store {
    /// Takes the model of a `config.json`; what can't be taken becomes a problem, and the model stays as it was.
    pub(crate) fn set_config(self, text: &str) {
        match from_config(text).and_then(|architecture| self.take_model(&architecture)) {
            Ok(()) => {
                self.forget_problems_of(CONFIG);
                self.keep(&name_in(text).unwrap_or_default());
            }
            Err(error) => self.add_problem(CONFIG, error),
        }
    }

    /// The same where the text is a configuration that can be taken, and nothing where it isn't (yet).
    pub(crate) fn set_config_if_whole(self, text: &str) {
        if from_config(text).is_ok_and(|architecture| estimate(&self.with_model(&architecture)).is_ok()) {
            self.set_config(text);
        }
    }

    fn take_model(self, architecture: &Architecture) -> Result<(), Error> {
        let mut scenario = self.with_model(architecture);
        presets::recognise(&mut scenario.model, None);
        let estimate = estimate(&scenario)?;
        self.take(scenario, estimate);
        history::push(&self.link());
        Ok(())
    }

    fn with_model(self, architecture: &Architecture) -> vram_core::Scenario {
        let mut scenario = self.with_scenario_untracked(Clone::clone);
        scenario.model = Model { preset: None, architecture: *architecture };
        scenario
    }

    fn architecture(self) -> Architecture {
        self.with_scenario_untracked(|scenario| scenario.model.clone()).architecture
    }

    /// Keeps the model on the page under a name, or under its family and size.
    fn keep(self, name: &str) {
        let architecture = self.architecture();
        let named = if name.is_empty() {
            format!(
                "{} · {}",
                architecture.family.key(),
                vram_text::parameter_count(parameter_count(&architecture))
            )
        } else {
            name.to_owned()
        };
        self.kept.update(|kept| kept::add(kept, Kept::new(&named, &architecture)));
    }

    /// The name under which a model is kept.
    pub(crate) fn kept_name(self, model: &Model) -> Option<String> {
        let is_it = |kept: &&Kept| kept.architecture == model.architecture;
        self.kept.with(|kept| kept.iter().find(is_it).map(|kept| kept.name.clone()))
    }

    /// Opens a kept model by its place.
    pub(crate) fn open_kept(self, at: usize) {
        if let Some(kept) = self.kept.with_untracked(|kept| kept.get(at).cloned()) {
            match self.take_model(&kept.architecture) {
                Ok(()) => self.forget_problems_of("model"),
                Err(error) => self.add_problem("model", error),
            }
        }
    }

    pub(crate) fn forget_kept(self, at: usize) {
        self.kept.update(|kept| kept::remove(kept, at));
    }

    /// Loads a model's configuration from a hub.
    pub(crate) fn load_from_hub(self, id: &str, address: &str) {
        match Repository::new(id, address) {
            Err(error) => self.add_problem(HUB, error),
            Ok(repository) => self.waiting(async move {
                let loaded = hub::configuration(&repository).await.and_then(|text| {
                    repository.architecture(&text).and_then(|architecture| self.take_model(&architecture))
                });
                if loaded.is_ok() {
                    self.keep(repository.id());
                }
                loaded
            }),
        }
    }

    /// Compares the model on the page with the headers of a hub's weights.
    pub(crate) fn compare_with_hub(self, id: &str, address: &str) {
        match Repository::new(id, address) {
            Err(error) => self.add_problem(HUB, error),
            Ok(repository) => self.waiting(async move {
                let architecture = self.architecture();
                let evidence = hub::evidence(&repository, &architecture).await?;
                if evidence.is_none() {
                    self.hub_says.set(Some(Word::HubNoWeights));
                }
                self.evidence.set(evidence.map(|evidence| (architecture, evidence)));
                Ok(())
            }),
        }
    }

    /// Shows that a hub is asked, until it has answered; a later question makes an earlier answer's problems moot.
    fn waiting(self, work: impl Future<Output = Result<(), Error>> + 'static) {
        self.hub_says.set(Some(Word::HubLoading));
        leptos::task::spawn_local(async move {
            let done = work.await;
            if self.hub_says.get_untracked() == Some(Word::HubLoading) {
                self.hub_says.set(None);
            }
            match done {
                Ok(()) => self.forget_problems_of(HUB),
                Err(error) => self.add_problem(HUB, error),
            }
        });
    }

    /// Reads files; `done` gets the configuration's text.
    pub(crate) fn read_files(self, chosen: Vec<web_sys::File>, done: impl FnOnce(String) + 'static) {
        leptos::task::spawn_local(async move {
            match files::read(chosen).await {
                Err(error) => self.add_problem(CONFIG, error),
                Ok(read) => {
                    if let Some(config) = read.config {
                        self.set_config(&config);
                        done(config);
                    }
                    let architecture = self.architecture();
                    let counted = parameter_count(&architecture);
                    let of_index = read.total.map(|total| Evidence::Bytes { total, counted });
                    let of_tensors = (!read.tensors.is_empty())
                        .then(|| Evidence::Tensors(Comparison::of(&read.tensors, &architecture)));
                    if let Some(evidence) = of_tensors.or(of_index) {
                        self.evidence.set(Some((architecture, evidence)));
                    }
                }
            }
        });
    }
}

/// `_name_or_path` of a configuration; no parser is asked again for one word.
fn name_in(text: &str) -> Option<String> {
    let (_, after) = text.split_once("\"_name_or_path\"")?;
    let name = after.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?.split('"').next()?;
    (!name.is_empty() && !name.contains('\\')).then(|| name.to_owned())
}
