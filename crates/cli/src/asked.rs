//! The scenario that was asked for: a link or a file, then flags on top of it.

use std::path::Path;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use serde_json::Value;
use vram_core::hub::{DEFAULT_HUB, Repository};
use vram_core::link::{self, Reading};
use vram_core::model::weights::Evidence;
use vram_core::model::{Model, from_config};
use vram_core::{Error, Field, Scenario, presets};
use vram_text::{Lang, field_name};

use crate::failure::{Failure, read};
use crate::{client, weights};

/// How a scenario is given: a link or a file, a model, and a flag for each field of a link. Flags win over a link or a file, which win
/// over the defaults.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    source: Source,
    /// Values by field, in the order of the link.
    fields: Vec<(&'static str, String)>,
}

#[derive(Args, Clone, Debug, Default)]
struct Source {
    /// A link of the page, or its query
    #[arg(long, value_name = "URL", conflicts_with = "scenario")]
    link: Option<String>,
    /// A scenario as JSON: the keys of a link as an object; `-` for standard input
    #[arg(long, value_name = "FILE")]
    scenario: Option<String>,
    /// A model's config.json, or the folder that holds it
    #[arg(long, value_name = "PATH", conflicts_with = "model")]
    config: Option<String>,
    /// The hub that is asked where --model is a name such as Qwen/Qwen3-8B; HF_TOKEN is sent to it
    #[arg(long, value_name = "URL", default_value = DEFAULT_HUB)]
    hub: String,
    /// Ask the hub for the headers of the model's weights too, and compare their parameters
    #[arg(long)]
    check_weights: bool,
}

/// The flag of a field: its key with hyphens, but for those whose key is an abbreviation.
fn flag(key: &'static str) -> Arg {
    let long = match key {
        "b" => "micro-batch".to_owned(),
        "s" => "sequence-length".to_owned(),
        "accumulation" => "gradient-accumulation".to_owned(),
        key => key.replace('_', "-"),
    };
    let words = link::words(key);
    let name = field_name(&Field::new(key), Lang::En);
    let help = if words.is_empty() { name } else { format!("{name}: {}", words.join(", ")) };
    let arg = Arg::new(key).long(long).value_name(if words.is_empty() { "VALUE" } else { "WORD" }).help(help);
    match key {
        "b" => arg.short('b'),
        "s" => arg.short('s'),
        _ => arg,
    }
}

impl Args for Asked {
    fn augment_args(command: Command) -> Command {
        Source::augment_args(command).next_help_heading("Scenario").args(link::keys().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Asked {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |key| matches.get_one::<String>(key).map(|value| (key, value.clone()));
        Ok(Self {
            source: Source::from_arg_matches(matches)?,
            fields: link::keys().filter_map(given).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What was asked, and what the model's weights say of it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The scenario.
    pub scenario: Scenario,
    /// What lies beside the configuration, or what the hub has.
    pub evidence: Option<Evidence>,
}

impl Asked {
    /// The scenario.
    ///
    /// # Errors
    /// [`Failure::Input`] with every field that could not be taken; [`Failure::File`].
    pub fn scenario(&self) -> Result<Scenario, Failure> {
        self.resolve().map(|resolved| resolved.scenario)
    }

    /// The scenario with what weights say, where there are some.
    ///
    /// # Errors
    /// Those of [`Asked::scenario`], and what is wrong with the weights' headers.
    pub fn resolve(&self) -> Result<Resolved, Failure> {
        let mut scenario = self.base()?;
        let mut problems = Vec::new();
        let mut evidence = None;
        let repository = self.repository()?;
        if let Some(path) = &self.source.config {
            let path = config_path(path);
            scenario.model = Model { preset: None, architecture: from_config(&read(&path)?)? };
            evidence = weights::beside(&path, &scenario.model.architecture)?;
        } else if let Some(repository) = &repository {
            let architecture = client::architecture(repository)?;
            if self.source.check_weights {
                evidence = client::evidence(repository, &architecture)?;
            }
            scenario.model = Model { preset: None, architecture };
        }
        presets::recognise(&mut scenario.model, None);
        for (key, value) in self.fields.iter().filter(|(key, _)| *key != "model" || repository.is_none()) {
            problems.extend(link::set(&mut scenario, key, value).err());
        }
        link::forget_name_of_other_dimensions(&mut scenario);
        problems.extend(scenario.validate().err());
        if problems.is_empty() { Ok(Resolved { scenario, evidence }) } else { Err(Failure::Input(problems)) }
    }

    /// The model on a hub, where `--model` names one; names of presets have no slash.
    fn repository(&self) -> Result<Option<Repository>, Error> {
        let named = self.fields.iter().find(|(key, value)| *key == "model" && value.contains('/'));
        named.map(|(_, id)| Repository::new(id, &self.source.hub)).transpose()
    }

    fn base(&self) -> Result<Scenario, Failure> {
        let reading = match (&self.source.link, &self.source.scenario) {
            (Some(link), _) => link::read(link),
            (None, Some(path)) => from_json(&read(path)?)?,
            (None, None) => return Ok(Scenario::default()),
        };
        if reading.problems.is_empty() { Ok(reading.scenario) } else { Err(Failure::Input(reading.problems)) }
    }
}

fn config_path(path: &str) -> String {
    let folder = Path::new(path);
    if folder.is_dir() { folder.join("config.json").to_string_lossy().into_owned() } else { path.to_owned() }
}

/// A scenario file: an object with the keys of a link.
///
/// # Errors
/// [`Error::NotJson`], [`Error::WrongKind`]; unknown keys and bad values are problems of the reading.
pub fn from_json(text: &str) -> Result<Reading, Error> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| Error::NotJson { line: error.line() as u64, column: error.column() as u64 })?;
    let Value::Object(object) = value else {
        let given = Error::shown(&value.to_string());
        return Err(Error::WrongKind { field: Field::new("scenario"), given, accepted: "object" });
    };
    let fields: Vec<(String, String)> = object
        .into_iter()
        .map(|(key, value)| match value {
            Value::String(text) => (key, text),
            other => (key, other.to_string()),
        })
        .collect();
    let mut reading = link::from_fields(&fields);
    let unknown = fields.iter().filter(|(key, _)| key != "v" && !link::keys().any(|known| known == key));
    reading.problems.extend(unknown.map(|(key, _)| Error::UnknownChoice {
        field: Field::new("key"),
        given: Error::shown(key),
        accepted: link::keys().collect(),
    }));
    Ok(reading)
}
