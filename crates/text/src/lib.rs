//! Every word that the page and the command show, in English and 简体中文.
//!
//! A word stands beside its translation, so that neither can be forgotten.

pub mod accuracy;
mod choices;
mod dimensions;
mod errors;
mod hub;
mod names;
mod notices;
mod sentences;
mod sizes;
mod sources;
mod timeline;
mod why;
mod words;

pub use choices::*;
pub use dimensions::dimension;
pub use errors::{error_sentence, field_name};
pub use hub::{evidence, will_ask};
pub use names::name;
pub use notices::{derived, notice};
pub use sentences::{
    Verdict, cost_beside_weights, headline, left_out, lifetime, peak_label, segment, verdict, was,
};
pub use sizes::{Unit, format_bytes, format_count, format_number, parameter_count};
pub use sources::source;
pub use timeline::{moment, others, phase, point, step_number};
pub use why::why_this_peak;
pub use words::Word;

/// A language of the reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// 简体中文.
    Zh,
}

impl Lang {
    /// Both.
    pub const ALL: [Self; 2] = [Self::En, Self::Zh];

    /// The word of the switch, the flag `--lang` and the memory of the page.
    pub const fn key(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }

    /// The value of HTML's `lang`.
    pub const fn html(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-Hans",
        }
    }

    /// Its own name.
    pub const fn own_name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Zh => "中文",
        }
    }

    /// The one of two texts that is in this language.
    pub(crate) const fn pick<'a>(self, en: &'a str, zh: &'a str) -> &'a str {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }
}
