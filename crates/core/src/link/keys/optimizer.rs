//! What optimizers have to be told.

use super::{Key, always, is_set, per_parameter, unknown};
use crate::link::count;
use crate::scenario::{Ema, Optimizer, limits};

pub(super) const KEYS: &[Key] = &[
    number!("optimizer_rank", limits::OPTIMIZER_RANK, |s| s.optimizer_settings.rank)
        .when(|s| s.optimizer.has_rank()),
    number!("lbfgs_history", limits::HISTORY, |s| s.optimizer_settings.history)
        .when(|s| s.optimizer == Optimizer::Lbfgs),
    number!("shampoo_block", limits::PRECONDITIONED, |s| s.optimizer_settings.shampoo_block)
        .when(|s| s.optimizer == Optimizer::Shampoo),
    number!("soap_widest", limits::PRECONDITIONED, |s| s.optimizer_settings.soap_widest)
        .when(|s| s.optimizer == Optimizer::Soap),
    per_parameter!("state_bytes", |s| s.optimizer_settings.state_bytes)
        .when(|s| s.optimizer == Optimizer::Custom),
    flag!("in_backward", |s| s.optimizer_settings.in_backward)
        .when(|s| s.optimizer_settings.in_backward)
        .asked(always),
    choice!("ema", Ema, |s| s.optimizer_settings.ema)
        .when(|s| s.optimizer_settings.ema != Ema::Off)
        .asked(always),
    per_parameter!("step_bytes", |s| s.optimizer_settings.step_bytes)
        .when(|s| s.optimizer == Optimizer::Custom),
];
