//! A number: a slider over usual values, and a field that takes any whole number.

use leptos::prelude::*;
use vram_text::Word;

use super::asked::Asked;
use crate::state::Store;

/// A slider with a number field beside it. Their ids are the link's key, and the key with `-number`.
///
/// The field keeps what is typed; only a change from elsewhere writes into it.
#[component]
pub(crate) fn Slider(key: &'static str, label: Word, steps: &'static [u32]) -> impl IntoView {
    let store = expect_context::<Store>();
    let value = Memo::new(move |_| store.field(key));
    let position = move || {
        let value: u32 = value.with(|value| value.parse().unwrap_or_default());
        steps.partition_point(|&step| step <= value).saturating_sub(1)
    };
    let move_to = move |event| {
        let step = event_target_value(&event).parse().ok().and_then(|index: usize| steps.get(index));
        if let Some(step) = step {
            store.set_field(key, &step.to_string());
        }
    };
    let text = Signal::derive(move || store.word(label).to_owned());
    view! {
        <Asked key label>
            <div class="range">
                <input
                    id=key
                    type="range"
                    min="0"
                    max=steps.len().saturating_sub(1)
                    step="1"
                    prop:value=move || position().to_string()
                    aria-valuetext=move || value.get()
                    on:input=move_to
                />
                <NumberField id=format!("{key}-number") key label=text />
            </div>
        </Asked>
    }
}

/// A number with its label; its id is the link's key.
#[component]
pub(crate) fn Number(key: &'static str, label: Word) -> impl IntoView {
    let store = expect_context::<Store>();
    let text = Signal::derive(move || store.word(label).to_owned());
    view! {
        <Asked key label>
            <NumberField id=key key label=text />
        </Asked>
    }
}

/// A field for a whole number.
#[component]
pub(crate) fn NumberField(
    #[prop(into)] id: String,
    key: &'static str,
    label: Signal<String>,
) -> impl IntoView {
    let store = expect_context::<Store>();
    let value = Memo::new(move |_| store.field(key));
    let is_invalid = move || store.problems.with(|problems| problems.contains_key(key));
    view! {
        <input
            id=id
            type="text"
            inputmode="numeric"
            autocomplete="off"
            aria-label=move || label.get()
            aria-invalid=move || is_invalid().then_some("true")
            aria-describedby="problems"
            prop:value=move || value.get()
            on:input=move |event| store.set_field(key, &event_target_value(&event))
        />
    }
}
