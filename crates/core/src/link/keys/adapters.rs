//! Parameter-efficient training.

use super::{Key, always, is_set, none_for_zero, unknown, zero_for_none};
use crate::scenario::{AdapterDtype, BaseDtype, LoraTargets, limits};

pub(super) const KEYS: &[Key] = &[
    optional!("lora_rank", limits::LORA_RANK, |s| s.lora.rank),
    choice!("lora_targets", LoraTargets, |s| s.lora.targets),
    flag!("lora_dropout", |s| s.lora.dropout),
    choice!("lora_dtype", AdapterDtype, |s| s.lora.adapters),
    choice!("base_dtype", BaseDtype, |s| s.lora.base),
];
