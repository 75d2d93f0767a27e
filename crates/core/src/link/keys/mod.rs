//! How each field of a scenario is written and read: one table, a file a topic.

use super::{CUSTOM, count};
use crate::error::{Error, Field};
use crate::scenario::Scenario;
use crate::units::{Count, PerParameter};

/// A field of the link.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) write: fn(&Scenario) -> String,
    pub(super) read: fn(&mut Scenario, Field, &str) -> Result<(), Error>,
    /// The words that are accepted; none where it is a number or one of many names.
    pub(super) words: &'static [&'static str],
    /// Whether a link says it. What belongs to a method that is not used has no effect, and is left out.
    pub(super) matters: fn(&Scenario) -> bool,
    /// Whether another value could change the answer, so that it is worth asking for. Where a link leaves out the usual value of a field,
    /// these are more scenarios than those that it [matters](Self::matters) to.
    pub(super) applies: fn(&Scenario) -> bool,
}

impl Key {
    /// A field that only matters to some scenarios. A later default can't change a link without it.
    pub(super) const fn when(self, matters: fn(&Scenario) -> bool) -> Self {
        Self { matters, applies: matters, ..self }
    }

    /// A field that is asked for in other scenarios than those whose links say it.
    pub(super) const fn asked(self, applies: fn(&Scenario) -> bool) -> Self {
        Self { applies, ..self }
    }
}

fn always(_: &Scenario) -> bool {
    true
}

/// A whole number at a place of the scenario.
macro_rules! number {
    ($name:literal, $range:expr, |$scenario:ident| $place:expr) => {
        Key {
            name: $name,
            write: |$scenario| $place.to_string(),
            read: |$scenario, field, text| {
                $place = count(field, text, $range)?;
                Ok(())
            },
            words: &[],
            matters: always,
            applies: always,
        }
    };
}

/// A whole number that may be absent; `0` says so.
macro_rules! optional {
    ($name:literal, $range:expr, |$scenario:ident| $place:expr) => {
        Key {
            name: $name,
            write: |$scenario| zero_for_none($place),
            read: |$scenario, field, text| {
                $place = none_for_zero(field, text, $range)?;
                Ok(())
            },
            words: &[],
            matters: always,
            applies: always,
        }
    };
}

/// A whole number of a part that the model may lack; it is then read and forgotten.
macro_rules! of_part {
    ($name:literal, $range:expr, $part:ident, $absent:expr, |$value:ident| $place:expr) => {
        Key {
            name: $name,
            write: |s| s.model.architecture.$part.map_or($absent, |$value| $place).to_string(),
            read: |s, field, text| {
                let number = count(field, text, $range)?;
                if let Some($value) = &mut s.model.architecture.$part {
                    $place = number;
                }
                Ok(())
            },
            words: &[],
            matters: always,
            applies: always,
        }
    };
}

/// `0` or `1` of a part that the model may lack.
macro_rules! flag_of_part {
    ($name:literal, $part:ident, |$value:ident| $place:expr) => {
        Key {
            name: $name,
            write: |s| u8::from(s.model.architecture.$part.is_some_and(|$value| $place)).to_string(),
            read: |s, field, text| {
                let flag = is_set(field, text)?;
                if let Some($value) = &mut s.model.architecture.$part {
                    $place = flag;
                }
                Ok(())
            },
            words: &["0", "1"],
            matters: always,
            applies: always,
        }
    };
}

/// The same, where the number may be absent.
macro_rules! optional_of_part {
    ($name:literal, $range:expr, $part:ident, |$value:ident| $place:expr) => {
        Key {
            name: $name,
            write: |s| zero_for_none(s.model.architecture.$part.and_then(|$value| $place)),
            read: |s, field, text| {
                let number = none_for_zero(field, text, $range)?;
                if let Some($value) = &mut s.model.architecture.$part {
                    $place = number;
                }
                Ok(())
            },
            words: &[],
            matters: always,
            applies: always,
        }
    };
}

/// One of the words of an enum.
macro_rules! choice {
    ($name:literal, $kind:ty, |$scenario:ident| $place:expr) => {
        Key {
            name: $name,
            write: |$scenario| $place.key().to_owned(),
            read: |$scenario, field, text| {
                $place = <$kind>::from_key(text).ok_or_else(|| unknown(field, text, <$kind>::KEYS))?;
                Ok(())
            },
            words: <$kind>::KEYS,
            matters: always,
            applies: always,
        }
    };
}

/// Bytes for each parameter.
macro_rules! per_parameter {
    ($name:literal, |$scenario:ident| $place:expr) => {
        Key {
            name: $name,
            write: |$scenario| $place.to_string(),
            read: |$scenario, field, text| {
                $place = per_parameter(field, text)?;
                Ok(())
            },
            words: &[],
            matters: always,
            applies: always,
        }
    };
}

/// `0` or `1`.
macro_rules! flag {
    ($name:literal, |$scenario:ident| $place:expr) => {
        Key {
            name: $name,
            write: |$scenario| u8::from($place).to_string(),
            read: |$scenario, field, text| {
                $place = is_set(field, text)?;
                Ok(())
            },
            words: &["0", "1"],
            matters: always,
            applies: always,
        }
    };
}

mod adapters;
mod freezing;
mod kernels;
mod model;
mod objective;
mod optimizer;
mod parallel;
mod pattern;
mod quantisation;
mod run;
mod speech;
mod vision;

/// Every field, in the order in which links say them.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    [
        model::KEYS,
        speech::KEYS,
        parallel::SPREAD,
        run::KEYS,
        kernels::KEYS,
        optimizer::KEYS,
        objective::KEYS,
        vision::KEYS,
        freezing::KEYS,
        adapters::KEYS,
        quantisation::KEYS,
        parallel::KEYS,
        run::LOOP,
        run::GPU,
    ]
    .into_iter()
    .flatten()
}

/// The field of that name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name)
}

/// Whether a field belongs to the model.
pub(super) fn of_model(name: &str) -> bool {
    model::KEYS.iter().chain(speech::KEYS).any(|key| key.name == name)
}

fn per_parameter(field: Field, text: &str) -> Result<PerParameter, Error> {
    PerParameter::read(text).ok_or_else(|| Error::WrongKind {
        field,
        given: Error::shown(text),
        accepted: "bytes for each parameter, up to 1024",
    })
}

fn is_set(field: Field, text: &str) -> Result<bool, Error> {
    match text {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(unknown(field, text, &["0", "1"])),
    }
}

fn unknown(field: Field, text: &str, accepted: &[&'static str]) -> Error {
    Error::UnknownChoice { field, given: Error::shown(text), accepted: accepted.to_vec() }
}

fn zero_for_none(count: Option<Count>) -> String {
    count.map_or_else(|| "0".to_owned(), |count| count.to_string())
}

fn none_for_zero(field: Field, text: &str, (_, max): (u32, u32)) -> Result<Option<Count>, Error> {
    Ok(Some(count(field, text, (0, max))?).filter(|count| count.get() > 0))
}
