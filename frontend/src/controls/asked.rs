//! What is only asked for where another value could change the answer.

use leptos::prelude::*;
use vram_core::link;
use vram_text::Word;

use crate::state::Store;

/// A control with its label, which is there while the core says that its field applies; `key` is the field's name in a link.
#[component]
pub(super) fn Asked(key: &'static str, label: Word, children: ChildrenFn) -> impl IntoView {
    let store = expect_context::<Store>();
    let applies = Memo::new(move |_| store.with_scenario(|scenario| link::applies(scenario, key)));
    view! {
        <Show when=move || applies.get()>
            <div class="control">
                <label for=key>{move || store.word(label)}</label>
                {children()}
            </div>
        </Show>
    }
}
