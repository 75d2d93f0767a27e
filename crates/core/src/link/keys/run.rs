//! The run: batch, precision, optimizer, kernels, training loop, hardware.

use super::{CUSTOM, Key, always, none_for_zero, unknown, zero_for_none};
use crate::error::{Error, Field};
use crate::gpu;
use crate::link::count;
use crate::scenario::{
    Attention, AutocastScope, Checkpointing, Held, KvCache, Optimizer, Padding, Recipe, Scenario, Stack,
    Trainer, ZeroGrad, limits,
};
use crate::units::Bytes;

pub(super) const KEYS: &[Key] = &[
    number!("b", limits::MICRO_BATCH, |s| s.micro_batch),
    // The sequence of a model of images is their patches.
    number!("s", limits::SEQUENCE_LENGTH, |s| s.sequence_length)
        .asked(|s| s.model.architecture.image.is_none()),
    number!("accumulation", limits::GRADIENT_ACCUMULATION, |s| s.gradient_accumulation),
    choice!("recipe", Recipe, |s| s.recipe),
    choice!("optimizer", Optimizer, |s| s.optimizer),
    choice!("attention", Attention, |s| s.attention),
    choice!("checkpointing", Checkpointing, |s| s.checkpointing),
    // Before the fields that it sets, so that these win where a link or a command gives both.
    Key {
        name: "trainer",
        write: |s| Trainer::of(s).map_or(CUSTOM, Trainer::key).to_owned(),
        read: |s, field, text| {
            if text != CUSTOM {
                Trainer::from_key(text).ok_or_else(|| unknown(field, text, Trainer::KEYS))?.apply(s);
            }
            Ok(())
        },
        words: Trainer::KEYS,
        matters: always,
        applies: always,
    },
    choice!("zero_grad", ZeroGrad, |s| s.zero_grad),
];

/// The training loop.
pub(super) const LOOP: &[Key] = &[
    optional!("vocab_multiple", limits::VOCABULARY, |s| s.vocabulary.multiple_of)
        .when(|s| s.vocabulary.multiple_of.is_some())
        .asked(always),
    choice!("padding", Padding, |s| s.padding),
    choice!("autocast_scope", AutocastScope, |s| s.autocast_scope).asked(|s| s.recipe.is_autocast()),
    choice!("held", Held, |s| s.held).asked(|s| s.objective.method.is_language_modelling()),
    choice!("kv_cache", KvCache, |s| s.kv_cache).asked(|s| !s.checkpointing.is_on()),
    choice!("stack", Stack, |s| s.stack),
];

/// The hardware.
pub(super) const GPU: &[Key] = &[
    Key {
        name: "gpu",
        write: |s| s.gpu.id.clone(),
        read: read_gpu,
        words: &[],
        matters: always,
        applies: always,
    },
    Key {
        name: "gpu_mib",
        write: |s| (s.gpu.capacity.get() >> 20).to_string(),
        read: |s, field, text| {
            s.gpu.capacity = Bytes::mib(count(field, text, limits::CAPACITY_MIB)?.get());
            Ok(())
        },
        words: &[],
        matters: always,
        applies: always,
    },
];

fn read_gpu(scenario: &mut Scenario, field: Field, text: &str) -> Result<(), Error> {
    if text == CUSTOM {
        CUSTOM.clone_into(&mut scenario.gpu.id);
        return Ok(());
    }
    let known = gpu::find(text).ok_or_else(|| Error::UnknownChoice {
        field,
        given: Error::shown(text),
        accepted: gpu::all().iter().map(|gpu| gpu.id).collect(),
    })?;
    scenario.gpu = known.gpu();
    Ok(())
}
