//! Parameter-efficient training.

use super::{Key, always, is_set, none_for_zero, unknown, zero_for_none};
use crate::link::count;
use crate::scenario::{
    AdapterDtype, AdapterMethod, BaseDtype, ExpertTargets, Lora, LoraTargets, ModulesToSave, QuantisedBase,
    Scenario, Targets, limits,
};

/// The words for the method; a rank of LoRA's own says that too.
const METHODS: &[&str] = &["off", "lora", "rslora", "dora", "vera", "ia3", "prompt", "prefix"];

pub(super) const KEYS: &[Key] = &[
    // Before the fields that it sets, so that these win.
    Key {
        name: "peft",
        write: |s| if s.lora.is_on() { s.lora.method.key() } else { "off" }.to_owned(),
        read: |s, field, text| {
            if text == "off" {
                (s.lora.method, s.lora.rank) = (AdapterMethod::Lora, None);
            } else {
                let method = AdapterMethod::from_key(text).ok_or_else(|| unknown(field, text, METHODS))?;
                s.lora.switch_to(method);
            }
            Ok(())
        },
        words: METHODS,
        matters: is_another,
        applies: always,
    },
    optional!("lora_rank", limits::LORA_RANK, |s| s.lora.rank).asked(|s| s.lora.method.has_rank()),
    Key {
        name: "lora_targets",
        write: |s| s.lora.targets.key(),
        read: |s, field, text| {
            let family = s.model.architecture.family;
            s.lora.targets =
                Targets::from_key(text, family).ok_or_else(|| unknown(field, text, LoraTargets::KEYS))?;
            Ok(())
        },
        words: &[],
        matters: always,
        applies: has_targets,
    },
    choice!("target_parameters", ExpertTargets, |s| s.lora.experts)
        .when(|s| s.lora.experts != ExpertTargets::None)
        .asked(|s| {
            let is_lora = matches!(s.lora.method, AdapterMethod::Lora | AdapterMethod::RsLora);
            s.lora.is_on() && is_lora && s.model.architecture.experts.is_some()
        }),
    choice!("modules_to_save", ModulesToSave, |s| s.lora.saves)
        .when(|s| s.lora.saves != ModulesToSave::None)
        .asked(|s| {
            has_targets(s) && s.lora.method != AdapterMethod::Ia3 && s.quantised_base() == QuantisedBase::None
        }),
    flag!("lora_dropout", |s| s.lora.dropout)
        .asked(|s| has_targets(s) && s.lora.method != AdapterMethod::Ia3),
    number!("peft_tokens", limits::SEQUENCE_LENGTH, |s| s.lora.tokens)
        .when(|s| s.lora.method.has_tokens() || s.lora.tokens != Lora::default().tokens)
        .asked(|s| s.lora.is_on() && s.lora.method.has_tokens()),
    optional!("prefix_projection", limits::WIDTH, |s| s.lora.prefix_projection)
        .when(|s| s.lora.method == AdapterMethod::Prefix),
    choice!("lora_dtype", AdapterDtype, |s| s.lora.adapters).asked(has_targets),
    choice!("base_dtype", BaseDtype, |s| s.lora.base).asked(|s| s.lora.is_on()),
];

/// Whether it is another method than LoRA, which its rank alone says.
fn is_another(scenario: &Scenario) -> bool {
    scenario.lora.method != AdapterMethod::Lora
}

/// Whether adapters stand beside modules that can be chosen.
fn has_targets(scenario: &Scenario) -> bool {
    scenario.lora.is_on() && scenario.lora.method.has_targets()
}
