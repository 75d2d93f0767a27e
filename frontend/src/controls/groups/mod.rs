//! All controls: the ones that matter most, then folded groups that show their value while folded, a file a topic.

mod adapters;
mod dimensions;
mod freezing;
mod kernels;
mod objective;
mod optimizer;
mod parallel;
mod quantisation;
mod training_loop;
mod vision;

use leptos::prelude::*;
use vram_core::gpu;
use vram_core::link;
use vram_core::ready::Ready;
use vram_text::{Lang, Unit, Word, format_bytes, ready};

use super::choice::{Choice, GroupedSelect, Select};
use super::model::ModelChoice;
use super::number::Slider;
use super::own_model::OwnModel;
use super::search::Search;
use crate::state::Store;
use adapters::AdaptersGroup;
use dimensions::DimensionsGroup;
use freezing::FreezingGroup;
use kernels::{CheckpointingGroup, Kernels, LossGroup};
use objective::ObjectiveGroup;
use optimizer::{OptimizerDetails, OptimizerUse, by_library};
use parallel::GpusGroup;
use training_loop::{Accumulation, Loop, VocabularyGroup};
use vision::VisionGroup;

const MICRO_BATCHES: &[u32] = &[1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128];
const SEQUENCE_LENGTHS: &[u32] =
    &[64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072];

fn gpus(_: Lang) -> Vec<Choice> {
    gpu::all()
        .iter()
        .map(|gpu| (gpu.id, format!("{} · {}", gpu.name, format_bytes(gpu.capacity, Unit::GiB))))
        .collect()
}

#[component]
pub(crate) fn Controls() -> impl IntoView {
    let store = expect_context::<Store>();
    view! {
        <form
            class="controls"
            aria-label=move || store.word(Word::Settings)
            on:submit=|event| event.prevent_default()
        >
            <Search />
            <ModelChoice />
            <OwnModel />
            <DimensionsGroup />
            <Slider key="b" label=Word::MicroBatch steps=MICRO_BATCHES />
            <Slider key="s" label=Word::SequenceLength steps=SEQUENCE_LENGTHS />
            <Select key="recipe" label=Word::Precision />
            <GroupedSelect key="optimizer" label=Word::OptimizerLabel groups=by_library />
            <OptimizerDetails />
            <Group title=Word::GpuLabel value=gpu_value>
                <Select key="gpu" label=Word::GpuLabel choices=gpus custom=Word::CustomGpu />
            </Group>
            <GpusGroup />
            <Kernels />
            <CheckpointingGroup />
            <LossGroup />
            <Accumulation />
            <OptimizerUse />
            <VisionGroup />
            <FreezingGroup />
            <AdaptersGroup />
            <ObjectiveGroup />
            <VocabularyGroup />
            <Loop />
            <nav class="ready" aria-label=move || store.word(Word::StartFrom)>
                <p>{move || store.word(Word::StartFrom)}</p>
                <ul>
                    {Ready::ALL
                        .into_iter()
                        .map(|choice| {
                            view! {
                                <li>
                                    <a
                                        data-ready=choice.key()
                                        href=link::write(&choice.scenario())
                                        on:click=move |event| {
                                            event.prevent_default();
                                            store.open_ready(choice);
                                        }
                                    >
                                        {move || ready(choice, store.lang())}
                                    </a>
                                </li>
                            }
                        })
                        .collect_view()}
                </ul>
            </nav>
            <p class="hint">{move || store.word(Word::Private)}</p>
        </form>
    }
}

/// The first words of a choice, up to what explains it.
fn short(text: &str) -> String {
    text.split([':', '：', '(', '（']).next().unwrap_or_default().trim().to_owned()
}

fn gpu_value(scenario: &vram_core::Scenario, _: Lang) -> String {
    gpu::find(&scenario.gpu.id)
        .map_or_else(|| format_bytes(scenario.gpu.capacity, Unit::GiB), |gpu| gpu.name.to_owned())
}

/// A folded group, which shows its value while it is folded.
#[component]
fn Group(title: Word, value: fn(&vram_core::Scenario, Lang) -> String, children: Children) -> impl IntoView {
    let store = expect_context::<Store>();
    view! {
        <details>
            <summary>
                <span>{move || store.word(title)}</span>
                <span class="value">{move || store.with_scenario(|scenario| value(scenario, store.lang()))}</span>
            </summary>
            {children()}
        </details>
    }
}
