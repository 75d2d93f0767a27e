//! A quantised base below adapters.

use leptos::prelude::*;
use vram_core::Scenario;
use vram_core::scenario::QuantisedBase;
use vram_text::{Word, quantised_base};

use super::super::choice::Select;
use super::super::number::NumberField;
use super::{listed, switch};
use crate::state::Store;

/// How the frozen weights are held, where there are adapters, and what the chosen way leaves open.
#[component]
pub(super) fn QuantisedBaseControls() -> impl IntoView {
    let store = expect_context::<Store>();
    let is = move |of: fn(&Scenario) -> bool| Memo::new(move |_| store.with_scenario(of));
    let has_adapters = is(|scenario| scenario.lora.is_on());
    let has_4_bits = is(|scenario| scenario.quantised_base().is_bnb_4bit());
    let has_groups = is(|scenario| scenario.quantised_base().has_groups());
    let is_quantised = is(|scenario| scenario.quantised_base() != QuantisedBase::None);
    view! {
        <Show when=move || has_adapters.get()>
            <Select key="quantised_base" label=Word::QuantisedBaseLabel choices=of!(QuantisedBase, quantised_base) />
        </Show>
        <Show when=move || has_4_bits.get()>
            <Select key="double_quant" label=Word::DoubleQuantLabel choices=switch />
        </Show>
        <Show when=move || has_groups.get()>
            <div class="control">
                <label for="quant_group">{move || store.word(Word::QuantGroupLabel)}</label>
                <NumberField key="quant_group" label=Word::QuantGroupLabel is_main=true />
            </div>
        </Show>
        <Show when=move || is_quantised.get()>
            <Select key="kbit" label=Word::KbitLabel choices=switch />
        </Show>
    }
}
