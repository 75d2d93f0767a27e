//! Which choices no golden run has: what is said of them was read from the code alone.

use crate::link;
use crate::scenario::Scenario;

/// A key a line, with its choices that no golden run has. Written by `cargo xtask accuracy`, which counts the runs that use each.
const DERIVED: &str = include_str!("../../../assets/derived.txt");

/// Whether no golden run has a choice.
pub fn is_derived(key: &str, choice: &str) -> bool {
    DERIVED.lines().any(|line| {
        let mut words = line.split(' ');
        words.next() == Some(key) && words.any(|word| word == choice)
    })
}

/// The choices of a scenario that no golden run has, by their keys.
///
/// ```
/// use vram_core::{Scenario, evidence};
/// assert!(evidence::derived(&Scenario::default()).is_empty());
/// ```
pub fn derived(scenario: &Scenario) -> Vec<(&'static str, String)> {
    link::fields(scenario).filter(|(key, choice)| is_derived(key, choice)).collect()
}
