//! Parameter-efficient training.

use leptos::prelude::*;
use vram_core::ledger::Module;
use vram_core::link;
use vram_core::scenario::{
    AdapterDtype, AdapterMethod, BaseDtype, LoraTargets, ModuleSet, ModulesToSave, Targets,
};
use vram_text::{
    Lang, Word, adapter_dtype, adapter_method, base_dtype, lora_targets, modules_to_save, parameter_count,
};

use super::super::choice::{Choice, Select};
use super::super::number::Number;
use super::quantisation::QuantisedBaseControls;
use super::{Group, listed, switch};
use crate::state::Store;

/// LoRA and its kin: the method first, then what matters to it.
#[component]
pub(super) fn AdaptersGroup() -> impl IntoView {
    let store = expect_context::<Store>();
    let is_on = move || store.with_scenario(|s| s.lora.is_on());
    let has_targets = move || store.with_scenario(|s| link::applies(s, "lora_targets"));
    view! {
        <Group title=Word::AdaptersLabel value=value>
            <Select key="peft" label=Word::AdapterMethodLabel choices=methods />
            <Number key="lora_rank" label=Word::LoraRank />
            <Select
                key="lora_targets"
                label=Word::LoraTargetsLabel
                choices=of!(LoraTargets, lora_targets)
                custom=Word::OtherModules
            />
            <Show when=has_targets>
                <TargetModules />
            </Show>
            <Select
                key="modules_to_save"
                label=Word::ModulesToSaveLabel
                choices=of!(ModulesToSave, modules_to_save)
            />
            <Select key="lora_dropout" label=Word::LoraDropoutLabel choices=switch />
            <Number key="peft_tokens" label=Word::PromptTokensLabel />
            <Number key="prefix_projection" label=Word::PrefixProjectionLabel />
            <Select key="lora_dtype" label=Word::LoraDtypeLabel choices=of!(AdapterDtype, adapter_dtype) />
            <Select key="base_dtype" label=Word::BaseDtypeLabel choices=of!(BaseDtype, base_dtype) />
            <Show when=is_on>
                <p class="hint" data-adapter-parameters="">
                    {move || store.word(Word::AdapterParameters)} ": "
                    {move || store.with(|_, estimate| parameter_count(estimate.parameters))}
                </p>
            </Show>
            <QuantisedBaseControls />
        </Group>
    }
}

fn value(scenario: &vram_core::Scenario, lang: Lang) -> String {
    let lora = &scenario.lora;
    match lora.rank {
        _ if !lora.is_on() => Word::Off.in_lang(lang).to_owned(),
        Some(rank) => format!("{} · r = {rank}", adapter_method(lora.method, lang)),
        None => adapter_method(lora.method, lang).to_owned(),
    }
}

fn methods(lang: Lang) -> Vec<Choice> {
    let off = ("off", Word::Off.in_lang(lang).to_owned());
    let on = AdapterMethod::ALL.iter().map(|&method| (method.key(), adapter_method(method, lang).to_owned()));
    std::iter::once(off).chain(on).collect()
}

/// A box for each module of the model that an adapter can stand beside.
#[component]
fn TargetModules() -> impl IntoView {
    let store = expect_context::<Store>();
    let there = Memo::new(move |_| store.with_scenario(|s| ModuleSet::of(&s.model.architecture)));
    let chosen = Memo::new(move |_| {
        let targets = store.with_scenario(|s| s.lora.targets);
        there
            .get()
            .modules()
            .filter(|&module| targets.contains(module))
            .fold(ModuleSet::default(), |set, module| set.with(module, true))
    });
    let toggle = move |module: Module, is_in: bool| {
        let set = chosen.get_untracked().with(module, is_in);
        if !set.is_empty() {
            store.set_field("lora_targets", &Targets::Modules(set).key());
        }
    };
    view! {
        <fieldset class="control" id="lora_modules">
            <legend>{move || store.word(Word::OtherModules)}</legend>
            {move || {
                there
                    .get()
                    .modules()
                    .map(|module| {
                        view! {
                            <label>
                                <input
                                    type="checkbox"
                                    prop:checked=move || chosen.get().contains(module)
                                    on:change=move |event| toggle(module, event_target_checked(&event))
                                />
                                {module.key()}
                            </label>
                        }
                    })
                    .collect_view()
            }}
        </fieldset>
    }
}
