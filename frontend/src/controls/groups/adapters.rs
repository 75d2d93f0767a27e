//! Parameter-efficient training.

use leptos::prelude::*;
use vram_core::ledger::Module;
use vram_core::link;
use vram_core::scenario::{LoraTargets, ModuleSet, Targets};
use vram_text::{Lang, Word, adapter_method, lora_targets, parameter_count};

use super::super::choice::{Choice, Select};
use super::super::number::Number;
use super::Group;
use super::quantisation::QuantisedBaseControls;
use crate::state::Store;

/// LoRA and its kin: the method first, then what matters to it.
#[component]
pub(super) fn AdaptersGroup() -> impl IntoView {
    let store = expect_context::<Store>();
    let is_on = move || store.with_scenario(|s| s.lora.is_on());
    let has_targets = move || store.with_scenario(|s| link::applies(s, "lora_targets"));
    view! {
        <Group title=Word::AdaptersLabel value=value>
            <Select key="peft" label=Word::AdapterMethodLabel />
            <Number key="lora_rank" label=Word::LoraRank />
            <Select
                key="lora_targets"
                label=Word::LoraTargetsLabel
                choices=targets
                custom=Word::OtherModules
            />
            <Show when=has_targets>
                <TargetModules />
            </Show>
            <Select
                key="modules_to_save"
                label=Word::ModulesToSaveLabel
            />
            <Select key="target_parameters" label=Word::ExpertTargetsLabel />
            <Select key="lora_dropout" label=Word::LoraDropoutLabel />
            <Number key="peft_tokens" label=Word::PromptTokensLabel />
            <Number key="prefix_projection" label=Word::PrefixProjectionLabel />
            <Select key="lora_dtype" label=Word::LoraDtypeLabel />
            <Select key="base_dtype" label=Word::BaseDtypeLabel />
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

fn targets(lang: Lang) -> Vec<Choice> {
    LoraTargets::ALL.iter().map(|&of| (of.key(), lora_targets(of, lang).to_owned())).collect()
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
