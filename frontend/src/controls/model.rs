//! The choice of a model: presets and the reader's own, searched by name, size and family.

use leptos::prelude::*;
use vram_core::model::parameter_count as count;
use vram_core::{presets, search};
use vram_text::{Word, parameter_count};

use super::combobox::{Combobox, Offer};
use crate::state::{KEPT, Store};

#[component]
pub(crate) fn ModelChoice() -> impl IntoView {
    let store = expect_context::<Store>();
    let shown = Signal::derive(move || {
        store.with_scenario(|scenario| {
            let model = &scenario.model;
            let preset = model.preset.as_deref().and_then(presets::find);
            let size = parameter_count(count(&model.architecture));
            let name = preset.map(|preset| preset.name.to_owned()).or_else(|| store.kept_name(model));
            format!("{} · {size}", name.unwrap_or_else(|| store.word(Word::CustomModel).to_owned()))
        })
    });
    let offers = Callback::new(move |query: String| {
        let yours = store.word(Word::Yours);
        let kept = store.kept.with(|kept| {
            let matching = kept.iter().enumerate().filter(|(_, kept)| {
                search::matches(&query, &[&kept.name, kept.family(), &size(kept), yours])
            });
            let offer = |(at, kept): (usize, &crate::state::Kept)| Offer {
                value: format!("{KEPT}{at}"),
                text: kept.name.clone(),
                note: format!("{yours} · {} · {}", kept.family(), size(kept)),
            };
            matching.map(offer).collect::<Vec<_>>()
        });
        let presets = presets::matching(&query).map(|preset| Offer {
            value: preset.id.to_owned(),
            text: preset.name.to_owned(),
            note: format!("{} · {}", preset.family(), parameter_count(preset.parameters)),
        });
        kept.into_iter().chain(presets).collect()
    });
    let choose = Callback::new(move |value: String| match value.strip_prefix(KEPT) {
        Some(at) => store.open_kept(at.parse().unwrap_or_default()),
        None => store.set_field("model", &value),
    });
    let source = move || {
        store.with_scenario(|scenario| {
            let preset = scenario.model.preset.as_deref().and_then(presets::find)?;
            Some(format!("{} · {}", preset.source, preset.licence))
        })
    };
    view! {
        <div>
            <Combobox id="model" label=Word::Model shown offers choose placeholder=Word::FindModel />
            <p class="hint" id="model-source">{source}</p>
        </div>
    }
}

fn size(kept: &crate::state::Kept) -> String {
    parameter_count(count(&kept.architecture))
}
