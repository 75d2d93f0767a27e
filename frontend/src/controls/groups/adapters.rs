//! Parameter-efficient training.

use leptos::prelude::*;
use vram_core::scenario::{AdapterDtype, BaseDtype, LoraTargets};
use vram_text::{Word, adapter_dtype, base_dtype, lora_targets};

use super::super::choice::Select;
use super::super::number::NumberField;
use super::quantisation::QuantisedBaseControls;
use super::{Group, listed, switch};
use crate::state::Store;

/// LoRA and its kin.
#[component]
pub(super) fn AdaptersGroup() -> impl IntoView {
    let store = expect_context::<Store>();
    view! {
        <Group
            title=Word::LoraLabel
            value=|s, lang| {
                s.lora.rank.map_or_else(|| Word::Off.in_lang(lang).to_owned(), |rank| format!("r = {rank}"))
            }
        >
            <div class="control">
                <label for="lora_rank">{move || store.word(Word::LoraRank)}</label>
                <NumberField key="lora_rank" label=Word::LoraRank is_main=true />
            </div>
            <Select key="lora_targets" label=Word::LoraTargetsLabel choices=of!(LoraTargets, lora_targets) />
            <Select key="lora_dropout" label=Word::LoraDropoutLabel choices=switch />
            <Select key="lora_dtype" label=Word::LoraDtypeLabel choices=of!(AdapterDtype, adapter_dtype) />
            <Select key="base_dtype" label=Word::BaseDtypeLabel choices=of!(BaseDtype, base_dtype) />
            <QuantisedBaseControls />
        </Group>
    }
}
