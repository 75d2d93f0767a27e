//! The permalink: a flat query, the version first, every field written.
//!
//! One table says how each field is written and read. Links, scenario files and the command's flags all go through it.
//! Dimensions stand in the link beside the model's name, and win over it: a link keeps its figures although a preset or
//! a default changes later.

mod keys;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::{Error, Field};
use crate::presets;
use crate::scenario::Scenario;
use crate::units::Count;

/// The version that is written.
pub const VERSION: u64 = 1;
/// The longest link that is read, in bytes.
pub const LONGEST: usize = 8192;
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// What a link says: a scenario, and what in it could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The scenario; a field that could not be taken keeps its default.
    pub scenario: Scenario,
    /// What could not be taken.
    pub problems: Vec<Error>,
}

/// The word for a model or a GPU of the reader's own.
pub const CUSTOM: &str = "custom";

/// The keys of a link, in the order in which they are written.
pub fn keys() -> impl Iterator<Item = &'static str> {
    keys::all().map(|key| key.name)
}

/// The words that a field accepts; none where it is a number, one of many names, or no field.
pub fn words(name: &str) -> &'static [&'static str] {
    keys::find(name).map_or(&[], |key| key.words)
}

/// The fields that matter to a scenario with their values, in the order of the link.
pub fn fields(scenario: &Scenario) -> impl Iterator<Item = (&'static str, String)> {
    keys::all().filter(|key| (key.matters)(scenario)).map(|key| (key.name, (key.write)(scenario)))
}

/// Whether a field is a dimension of the model (or its family), but not its name.
pub fn is_dimension(name: &str) -> bool {
    name != "model" && keys::of_model(name)
}

/// Whether a field matters to a scenario, so that its link says it.
pub fn matters(scenario: &Scenario, name: &str) -> bool {
    keys::find(name).is_some_and(|key| (key.matters)(scenario))
}

/// Whether another value of a field could change the answer of a scenario, so that the page asks for it.
pub fn applies(scenario: &Scenario, name: &str) -> bool {
    keys::find(name).is_some_and(|key| (key.applies)(scenario))
}

/// The value of one field; none for a key that links don't have.
pub fn value(scenario: &Scenario, name: &str) -> Option<String> {
    keys::find(name).map(|key| (key.write)(scenario))
}

/// The link of a scenario.
///
/// ```
/// use vram_core::{Scenario, link};
/// let link = link::write(&Scenario::default());
/// assert!(link.starts_with("?v=1&model=phi-3-mini-4k-instruct&family=phi3&vocab=32064&"));
/// assert_eq!(link::read(&link).scenario, Scenario::default());
/// ```
pub fn write(scenario: &Scenario) -> String {
    let mut link = format!("?v={VERSION}");
    for (name, value) in fields(scenario) {
        link.push('&');
        link.push_str(name);
        link.push('=');
        link.extend(utf8_percent_encode(&value, KEPT));
    }
    link
}

/// Sets one field. A model's name brings its dimensions.
///
/// # Errors
/// [`Error::UnknownChoice`] or [`Error::OutOfRange`], by the field's key; the scenario then stays as it was.
pub fn set(scenario: &mut Scenario, name: &str, value: &str) -> Result<(), Error> {
    let key = keys::find(name).ok_or_else(|| Error::UnknownChoice {
        field: Field::new("key"),
        given: Error::shown(name),
        accepted: keys().collect(),
    })?;
    (key.read)(scenario, Field::new(key.name), value)
}

/// Reads a link: a whole address, or only its query. Keys that are not known are ignored.
pub fn read(link: &str) -> Reading {
    let mut problems = Vec::new();
    if link.len() > LONGEST {
        let field = Field::new("link");
        problems.push(Error::TooLong { field, given: link.len() as u64, max: LONGEST as u64 });
        return Reading { scenario: Scenario::default(), problems };
    }
    let query = link.split_once('#').map_or(link, |(before, _)| before);
    let query = query.split_once('?').map_or(query, |(_, query)| query);
    let pairs = pairs(query, &mut problems);
    check_version(&pairs, &mut problems);
    let scenario = from_pairs(&pairs, &mut problems);
    Reading { scenario, problems }
}

/// Reads fields that were given as name and value.
pub fn from_fields(fields: &[(String, String)]) -> Reading {
    let mut problems = Vec::new();
    let scenario = from_pairs(fields, &mut problems);
    Reading { scenario, problems }
}

/// Names and values, decoded; of a doubled name the first value counts.
fn pairs(query: &str, problems: &mut Vec<Error>) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for piece in query.split('&').filter(|piece| !piece.is_empty()) {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let field = || Field::given(Error::shown(name));
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            problems.push(Error::BadEncoding { field: field(), given: Error::shown(value) });
            continue;
        };
        let is_known = name == "v" || keys().any(|key| key == name);
        if !is_known {
            continue;
        }
        if pairs.iter().any(|(earlier, _)| *earlier == name) {
            problems.push(Error::Doubled { field: field() });
        } else {
            pairs.push((name, value));
        }
    }
    pairs
}

/// Percent-decodes; none where a `%` is not followed by two hexadecimal digits or the bytes are no UTF-8.
fn decode(text: &str) -> Option<String> {
    let is_whole = text.split('%').skip(1).all(|after| {
        let mut digits = after.chars();
        digits.next().is_some_and(|c| c.is_ascii_hexdigit())
            && digits.next().is_some_and(|c| c.is_ascii_hexdigit())
    });
    if !is_whole {
        return None;
    }
    let spaces = text.replace('+', " ");
    percent_decode_str(&spaces).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn check_version(pairs: &[(String, String)], problems: &mut Vec<Error>) {
    if let Some((_, given)) = pairs.iter().find(|(name, _)| name == "v")
        && given.parse() != Ok(VERSION)
    {
        problems.push(Error::FutureVersion { given: Error::shown(given), newest: VERSION });
    }
}

fn from_pairs(pairs: &[(String, String)], problems: &mut Vec<Error>) -> Scenario {
    let mut scenario = Scenario::default();
    for key in keys::all() {
        let Some((_, value)) = pairs.iter().find(|(name, _)| name == key.name) else {
            continue;
        };
        if let Err(error) = (key.read)(&mut scenario, Field::new(key.name), value) {
            problems.push(error);
        }
    }
    forget_name_of_other_dimensions(&mut scenario);
    if let Err(error) = scenario.validate() {
        keep_what_fits(&mut scenario, &error);
        problems.push(error);
    }
    scenario
}

/// A model whose dimensions are not the preset's is the reader's own.
pub fn forget_name_of_other_dimensions(scenario: &mut Scenario) {
    let is_preset = scenario.model.preset.as_deref().and_then(presets::find).is_some_and(|preset| {
        preset.architecture().is_ok_and(|architecture| architecture == scenario.model.architecture)
    });
    if !is_preset {
        scenario.model.preset = None;
    }
}

/// Fields that are right by themselves but don't go together: the one that the error names falls back to its default, or else LoRA, or
/// else the model.
fn keep_what_fits(scenario: &mut Scenario, error: &Error) {
    let default = Scenario::default();
    let named = error.field().and_then(|field| keys::find(field.key()));
    let mut attempt = scenario.clone();
    let is_of_model = named.is_none_or(|key| (key.write)(&default) == (key.write)(scenario));
    if let Some(key) = named.filter(|_| !is_of_model) {
        let reset = (key.read)(&mut attempt, Field::new(key.name), &(key.write)(&default));
        if reset.is_ok() && attempt.validate().is_ok() {
            *scenario = attempt;
            forget_name_of_other_dimensions(scenario);
            return;
        }
    }
    scenario.freezing = default.freezing;
    if scenario.validate().is_ok() {
        return;
    }
    scenario.lora = default.lora;
    if scenario.validate().is_err() {
        scenario.model = default.model.clone();
    }
    if scenario.validate().is_err() {
        *scenario = default;
    }
}

/// A whole number in a range.
///
/// # Errors
/// [`Error::OutOfRange`] for anything else.
pub fn count(field: Field, text: &str, (min, max): (u32, u32)) -> Result<Count, Error> {
    text.trim().parse::<u32>().ok().filter(|number| (min..=max).contains(number)).map(Count::new).ok_or_else(
        || Error::OutOfRange { field, given: Error::shown(text), min: min.into(), max: max.into() },
    )
}
