//! A quantised base below adapters.

use leptos::prelude::*;
use vram_core::scenario::QuantisedBase;
use vram_text::{Word, quantised_base};

use super::super::choice::Select;
use super::super::number::NumberField;
use super::{listed, switch};
use crate::state::Store;

/// How the frozen weights are held. Without adapters, or where a choice has nothing of the kind, it has no effect.
#[component]
pub(super) fn QuantisedBaseControls() -> impl IntoView {
    let store = expect_context::<Store>();
    view! {
        <Select key="quantised_base" label=Word::QuantisedBaseLabel choices=of!(QuantisedBase, quantised_base) />
        <Select key="double_quant" label=Word::DoubleQuantLabel choices=switch />
        <div class="control">
            <label for="quant_group">{move || store.word(Word::QuantGroupLabel)}</label>
            <NumberField key="quant_group" label=Word::QuantGroupLabel is_main=true />
        </div>
        <Select key="kbit" label=Word::KbitLabel choices=switch />
    }
}
