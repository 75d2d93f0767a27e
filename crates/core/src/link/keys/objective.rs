//! What is trained towards.

use super::{Key, always, unknown};
use crate::scenario::{LogProbs, Objective};

pub(super) const KEYS: &[Key] =
    &[choice!("objective", Objective, |s| s.objective), choice!("log_probs", LogProbs, |s| s.log_probs)];
