//! A quantised base below adapters.

use leptos::prelude::*;
use vram_core::scenario::QuantisedBase;
use vram_text::{Word, quantised_base};

use super::super::choice::Select;
use super::super::number::Number;
use super::{listed, switch};

/// How the frozen weights are held, and what the chosen way leaves open.
#[component]
pub(super) fn QuantisedBaseControls() -> impl IntoView {
    view! {
        <Select key="quantised_base" label=Word::QuantisedBaseLabel choices=of!(QuantisedBase, quantised_base) />
        <Select key="double_quant" label=Word::DoubleQuantLabel choices=switch />
        <Number key="quant_group" label=Word::QuantGroupLabel />
        <Select key="kbit" label=Word::KbitLabel choices=switch />
    }
}
