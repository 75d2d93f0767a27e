//! A quantised base below adapters.

use super::{Key, always, is_set, unknown};
use crate::link::count;
use crate::scenario::{QuantisedBase, Scenario, limits};

pub(super) const KEYS: &[Key] = &[
    choice!("quantised_base", QuantisedBase, |s| s.quantisation.base)
        .when(|s| s.lora.is_on())
        .asked(Scenario::takes_quantised_base),
    flag!("double_quant", |s| s.quantisation.double).when(|s| s.quantised_base().is_bnb_4bit()),
    number!("quant_group", limits::QUANT_GROUP, |s| s.quantisation.group_size)
        .when(|s| s.quantised_base().has_groups()),
    flag!("kbit", |s| s.quantisation.prepared).when(|s| s.quantised_base() != QuantisedBase::None),
];
