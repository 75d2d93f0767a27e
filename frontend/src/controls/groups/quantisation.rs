//! A quantised base below adapters.

use leptos::prelude::*;
use vram_text::Word;

use super::super::choice::Select;
use super::super::number::Number;

/// How the frozen weights are held, and what the chosen way leaves open.
#[component]
pub(super) fn QuantisedBaseControls() -> impl IntoView {
    view! {
        <Select key="quantised_base" label=Word::QuantisedBaseLabel />
        <Select key="double_quant" label=Word::DoubleQuantLabel />
        <Number key="quant_group" label=Word::QuantGroupLabel />
        <Select key="kbit" label=Word::KbitLabel />
    }
}
