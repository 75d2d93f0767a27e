//! How layers differ: a window's first layer and how often a layer is not limited, or a pattern where those can't say it.

use super::{Key, always, none_for_zero, zero_for_none};
use crate::error::Error;
use crate::link::count;
use crate::model::{Architecture, Mixer, Pattern};
use crate::scenario::limits;
use crate::units::Count;

pub(super) const PATTERN: Key = Key {
    name: "pattern",
    write: |s| s.model.architecture.pattern.to_string(),
    read: |s, _, text| {
        s.model.architecture.pattern = text.parse()?;
        Ok(())
    },
    words: &[],
    matters: always,
    applies: always,
}
.when(|s| !is_said_by_older_keys(&s.model.architecture));

/// The first layer that is limited to the window.
pub(super) const FIRST: Key = Key {
    name: "window_first",
    write: |s| first(&s.model.architecture.pattern).to_string(),
    read: |s, field, text| {
        let pattern = s.model.architecture.pattern;
        let given = count(field.clone(), text, (0, limits::LAYERS.1))?;
        if given.get() == first(&pattern) || !pattern.has(Mixer::Window) {
            return Ok(());
        }
        let every = full_every(&pattern);
        s.model.architecture.pattern = windowed(given.get(), every).ok_or_else(|| Error::OutOfRange {
            field,
            given: given.to_string(),
            min: 0,
            max: Pattern::LONGEST as u64 - 1,
        })?;
        Ok(())
    },
    words: &[],
    matters: always,
    applies: always,
};

/// One layer in so many is not limited; `0`: none is.
pub(super) const FULL_EVERY: Key =
    Key {
        name: "window_full_every",
        write: |s| zero_for_none(full_every(&s.model.architecture.pattern)),
        read: |s, field, text| {
            let pattern = s.model.architecture.pattern;
            let given = none_for_zero(field.clone(), text, limits::LAYERS)?;
            if given == full_every(&pattern) || !pattern.has(Mixer::Window) {
                return Ok(());
            }
            s.model.architecture.pattern = windowed(first(&pattern), given).ok_or_else(|| {
                Error::OutOfRange { field, given: Error::shown(text), min: 0, max: Pattern::LONGEST as u64 }
            })?;
            Ok(())
        },
        words: &[],
        matters: always,
        applies: always,
    };

/// Whether a window, its first layer and how often a layer is not limited are all there is to the pattern.
fn is_said_by_older_keys(architecture: &Architecture) -> bool {
    let pattern = &architecture.pattern;
    let said = if architecture.window.is_none() {
        Some(Pattern::all(Mixer::Full))
    } else {
        windowed(first(pattern), full_every(pattern))
    };
    said == Some(*pattern)
}

/// A window that there was not before limits every layer; without one, none is limited.
pub(super) fn follow_window(architecture: &mut Architecture) {
    let pattern = &mut architecture.pattern;
    if architecture.window.is_none() {
        *pattern = pattern.map(|mixer| if mixer == Mixer::Window { Mixer::Full } else { mixer });
    } else if !pattern.has(Mixer::Window) {
        *pattern = pattern.map(|mixer| if mixer == Mixer::Full { Mixer::Window } else { mixer });
    }
}

fn first(pattern: &Pattern) -> u64 {
    pattern.leading(Mixer::Full)
}

fn windowed(first: u64, full_every: Option<Count>) -> Option<Pattern> {
    let pattern = match full_every {
        None => Pattern::all(Mixer::Window),
        Some(every) => Pattern::one_in(every.get(), Mixer::Full, Mixer::Window)?,
    };
    pattern.after(first, Mixer::Full)
}

/// How often a layer is not limited, where that is all there is to the pattern.
fn full_every(pattern: &Pattern) -> Option<Count> {
    let every = Count::new(pattern.period().into());
    let is_said = every > Count::ONE && windowed(first(pattern), Some(every)) == Some(*pattern);
    is_said.then_some(every)
}
