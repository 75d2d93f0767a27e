//! How a scenario is refused: by an error that names the field, what was given, and what is accepted.

use crate::error::{Error, Field};
use crate::model::{Activation, Architecture};
use crate::units::Count;

/// A choice that isn't followed beside the others.
pub(crate) fn unsupported(key: &'static str, given: &str, accepted: &[&'static str]) -> Error {
    Error::Unsupported { field: Field::new(key), given: given.to_owned(), accepted: accepted.to_vec() }
}

/// A condition, and the field that breaks it with its value and the accepted ones.
pub(super) type Check<'a> = (bool, &'static str, &'a str, &'a [&'static str]);

/// The first condition that doesn't hold.
pub(super) fn all_followed(checks: &[Check<'_>]) -> Result<(), Error> {
    match checks.iter().find(|(is_followed, ..)| !is_followed) {
        Some((_, key, given, accepted)) => Err(unsupported(key, given, accepted)),
        None => Ok(()),
    }
}

/// What every way of splitting layers among ranks asks of them: no biases behind the projections whose results ranks add up, an activation
/// of one kernel, and text alone.
pub(super) fn splittable(a: &Architecture) -> [Check<'_>; 6] {
    [
        (!a.output_bias, "o_bias", "1", &["0"]),
        (!a.mlp_bias, "mlp_bias", "1", &["0"]),
        (a.activation == Activation::OneKernel, "act", a.activation.key(), &["one_kernel"]),
        (a.decoder.is_none(), "decoder_layers", "1", &["0"]),
        (a.image.is_none(), "image_size", "1", &["0"]),
        (a.tower.is_none(), "tower_hidden", "1", &["0"]),
    ]
}

/// The first condition that holds where it must not, with one accepted value.
pub(super) fn none_refused<G: AsRef<str>>(
    checks: &[(bool, &'static str, G, &'static str)],
) -> Result<(), Error> {
    match checks.iter().find(|(is_refused, ..)| *is_refused) {
        Some((_, key, given, accepted)) => Err(unsupported(key, given.as_ref(), &[accepted])),
        None => Ok(()),
    }
}

/// A number within its range.
pub(super) fn in_range(key: &'static str, count: Count, (min, max): (u32, u32)) -> Result<(), Error> {
    let (min, max) = (u64::from(min), u64::from(max));
    if (min..=max).contains(&count.get()) {
        return Ok(());
    }
    Err(Error::OutOfRange { field: Field::new(key), given: count.to_string(), min, max })
}

/// A number that another one divides evenly; a divisor of 0 counts as 1.
pub(super) fn divides(field: &'static str, given: u64, by: &'static str, divisor: u64) -> Result<(), Error> {
    if given.is_multiple_of(divisor.max(1)) {
        return Ok(());
    }
    Err(Error::NotDivisible { field: Field::new(field), given, by: Field::new(by), divisor })
}
