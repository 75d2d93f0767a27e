//! What can be wrong with a reader's input, as data: the text crate makes the sentence of it.

use core::fmt;
use std::borrow::Cow;

use crate::hub::Trouble;

/// A place where a reader can give a value: a control, a flag, a link's key, a key of `config.json`.
///
/// The string is the key of the link and of the scenario file (for instance `batch`), or, for a
/// `config.json`, the key in that file (for instance `num_attention_heads`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field(Cow<'static, str>);

impl Field {
    /// A field whose key is known when the program is built.
    pub const fn new(key: &'static str) -> Self {
        Self(Cow::Borrowed(key))
    }

    /// A field whose key the reader wrote.
    pub fn given(key: impl Into<String>) -> Self {
        Self(Cow::Owned(key.into()))
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.0
    }
}

/// Why an input was refused: which field, what was given, what is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A number outside its range, or text where a number belongs.
    OutOfRange {
        /// Where.
        field: Field,
        /// What was given, cut to a length that can be shown.
        given: String,
        /// The smallest accepted value.
        min: u64,
        /// The largest accepted value.
        max: u64,
    },
    /// A word that is none of the accepted ones.
    UnknownChoice {
        /// Where.
        field: Field,
        /// What was given.
        given: String,
        /// All accepted words.
        accepted: Vec<&'static str>,
    },
    /// A key that is needed and absent.
    Missing {
        /// Which.
        field: Field,
    },
    /// A key that stands twice.
    Doubled {
        /// Which.
        field: Field,
    },
    /// Two counts of which one must be a multiple of the other.
    NotDivisible {
        /// The one that should be a multiple.
        field: Field,
        /// Its value.
        given: u64,
        /// The field that should divide it.
        by: Field,
        /// That field's value.
        divisor: u64,
    },
    /// A number of ways in which something can't be split evenly.
    DoesNotDivide {
        /// The field that says how many ways.
        field: Field,
        /// Its value.
        given: u64,
        /// What should be split.
        of: Field,
        /// How much of it there is.
        value: u64,
        /// The nearest smaller number of ways that divides all that has to be split.
        below: u64,
        /// The nearest larger one, where there is one.
        above: Option<u64>,
    },
    /// Text that is not JSON.
    NotJson {
        /// Line, from 1.
        line: u64,
        /// Column, from 1.
        column: u64,
    },
    /// JSON, but not of the kind that belongs there.
    WrongKind {
        /// Where.
        field: Field,
        /// What was given.
        given: String,
        /// What belongs there, a word of the field such as `number`, `object`, `true or false`.
        accepted: &'static str,
    },
    /// Input that is longer than anything of its kind.
    TooLong {
        /// Where.
        field: Field,
        /// Its length in bytes.
        given: u64,
        /// The largest accepted length in bytes.
        max: u64,
    },
    /// A `model_type`, option or combination that the estimator can't express yet.
    Unsupported {
        /// Where.
        field: Field,
        /// What was given.
        given: String,
        /// What is accepted.
        accepted: Vec<&'static str>,
    },
    /// A link of a version that this program doesn't know.
    FutureVersion {
        /// The version in the link.
        given: String,
        /// The newest known version.
        newest: u64,
    },
    /// Percent-encoding that can't be decoded.
    BadEncoding {
        /// Where, as far as it is known.
        field: Field,
        /// What was given.
        given: String,
    },
    /// A hub that gave no configuration.
    Hub {
        /// The model, `owner/name`.
        id: String,
        /// The hub's address.
        hub: String,
        /// Why.
        trouble: Trouble,
    },
    /// Each number is in range, but together they need more than an exbibyte.
    TooLarge,
}

impl Error {
    /// The longest piece of a reader's input that an error repeats, in characters.
    pub const SHOWN: usize = 60;

    /// `text`, cut to [`Error::SHOWN`] characters.
    pub fn shown(text: &str) -> String {
        let mut shown: String = text.chars().take(Self::SHOWN).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        shown
    }

    /// The field that is named, where there is one.
    pub const fn field(&self) -> Option<&Field> {
        match self {
            Self::OutOfRange { field, .. }
            | Self::UnknownChoice { field, .. }
            | Self::Missing { field }
            | Self::Doubled { field }
            | Self::NotDivisible { field, .. }
            | Self::DoesNotDivide { field, .. }
            | Self::WrongKind { field, .. }
            | Self::TooLong { field, .. }
            | Self::Unsupported { field, .. }
            | Self::BadEncoding { field, .. } => Some(field),
            Self::NotJson { .. } | Self::FutureVersion { .. } | Self::Hub { .. } | Self::TooLarge => None,
        }
    }
}

impl fmt::Display for Error {
    /// A terse form for logs, the field's key alone; readers get the text crate's sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field().map_or("input", Field::key))
    }
}

impl std::error::Error for Error {}
