//! Models that can be chosen by name, from `assets/models.toml`: Hugging Face's `config.json` of each, with what memory depends on.

use crate::error::Error;
use crate::model::{Architecture, Model, from_config};

/// A model that can be chosen by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Identifier such as `phi-3-mini-4k-instruct`.
    pub id: &'static str,
    /// Name as its makers write it.
    pub name: &'static str,
    /// The repository on the Hugging Face hub whose `config.json` it is.
    pub source: &'static str,
    /// The licence that the repository states.
    pub licence: &'static str,
    /// Its parameters, as they are published; the tests count them.
    pub parameters: u64,
    /// The `config.json`, without what no figure depends on.
    pub config: &'static str,
}

impl Preset {
    /// Its dimensions.
    ///
    /// # Errors
    /// Those of [`from_config`]; the tests read every preset.
    pub fn architecture(&self) -> Result<Architecture, Error> {
        from_config(self.config)
    }

    /// The `model_type` of its configuration, without reading all of it.
    pub fn family(&self) -> &'static str {
        let (_, after) = self.config.split_once("\"model_type\":\"").unwrap_or_default();
        after.split('"').next().unwrap_or_default()
    }

    /// The same as part of a scenario.
    ///
    /// # Errors
    /// Those of [`from_config`]; the tests read every preset.
    pub fn model(&self) -> Result<Model, Error> {
        Ok(Model { preset: Some(self.id.to_owned()), architecture: self.architecture()? })
    }
}

#[expect(clippy::unreadable_literal, reason = "made from `assets/models.toml`")]
const PRESETS: &[Preset] = include!(concat!(env!("OUT_DIR"), "/models.rs"));

/// Every model that can be chosen by name.
pub const fn all() -> &'static [Preset] {
    PRESETS
}

/// The model with that identifier.
pub fn find(id: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.id == id)
}

/// Gives a model the name of the preset that has its dimensions, and takes it away where none has. Of several presets with the same
/// dimensions it is the model's own, then `preferred`, then the first.
pub fn recognise(model: &mut Model, preferred: Option<&str>) {
    let has_same = |preset: &&Preset| preset.architecture().is_ok_and(|of| of == model.architecture);
    let named = [model.preset.as_deref(), preferred].into_iter().flatten().filter_map(find).find(has_same);
    model.preset = named.or_else(|| PRESETS.iter().find(has_same)).map(|preset| preset.id.to_owned());
}

/// The presets whose name, family, size or source has every word of a query.
pub fn matching(query: &str) -> impl Iterator<Item = &'static Preset> {
    PRESETS.iter().filter(move |preset| {
        crate::search::matches(query, &[preset.id, preset.name, preset.source, preset.family()])
    })
}
