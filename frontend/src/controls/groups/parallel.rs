//! Several GPUs: how many, in which named way the run is spread over them, and what that way leaves open.

use leptos::prelude::*;
use vram_core::Scenario;
use vram_core::scenario::{DataParallel, GradientSync, ReduceDtype, Reshard, Rotate, Schedule, Spread};
use vram_core::units::Count;
use vram_text::{
    Lang, Word, data_parallel, gradient_sync, reduce_dtype, reshard, rotate, schedule, spread,
    spread_explained,
};

use super::super::choice::Select;
use super::super::number::NumberField;
use super::{Group, listed, short, switch};
use crate::state::Store;

fn value(scenario: &Scenario, lang: Lang) -> String {
    let gpus = scenario.parallel.gpus.to_string();
    if !scenario.parallel.is_on() {
        return gpus;
    }
    let way = match Spread::of(scenario) {
        Some(of) => spread(of, lang),
        None => data_parallel(scenario.parallel.data, lang),
    };
    format!("{gpus} · {}", short(way))
}

/// A number with its name.
#[component]
fn Number(key: &'static str, label: Word) -> impl IntoView {
    let store = expect_context::<Store>();
    view! {
        <div class="control">
            <label for=key>{move || store.word(label)}</label>
            <NumberField key label is_main=true />
        </div>
    }
}

/// How the run is spread over several GPUs.
#[component]
pub(super) fn GpusGroup() -> impl IntoView {
    let store = expect_context::<Store>();
    let is = move |of: fn(&Scenario) -> bool| Memo::new(move |_| store.with_scenario(of));
    let is_parallel = is(|scenario| scenario.parallel.is_on());
    let explained = move || store.with_scenario(Spread::of).map(|of| spread_explained(of, store.lang()));
    view! {
        <Group title=Word::GpusLabel value=value>
            <Number key="gpus" label=Word::GpusLabel />
            <Select key="spread" label=Word::SpreadLabel choices=of!(Spread, spread) custom=Word::OwnSpread />
            <p class="hint">{explained}</p>
            <Show when=move || is_parallel.get()>
                <DataGroup />
                <MeshGroup />
            </Show>
        </Group>
    }
}

/// What data-parallel ranks hold.
#[component]
fn DataGroup() -> impl IntoView {
    let store = expect_context::<Store>();
    let is = move |of: fn(&Scenario) -> bool| Memo::new(move |_| store.with_scenario(of));
    let is_sharded = is(|scenario| scenario.parallel.scheme().is_some_and(DataParallel::shards_weights));
    let is_ddp = is(|scenario| scenario.parallel.scheme().is_some_and(DataParallel::is_ddp));
    let is_zero = is(|scenario| scenario.zero_stage().is_some());
    let is_zero3 = is(|scenario| scenario.zero_stage() == Some(3));
    let accumulates = is(|scenario| scenario.gradient_accumulation.get() > 1);
    view! {
        <Select key="dp" label=Word::DataParallelLabel choices=of!(DataParallel, data_parallel) />
        <Show when=move || is_ddp.get()>
            <Select key="bucket_views" label=Word::BucketViewsLabel choices=switch />
        </Show>
        <Show when=move || is_zero.get()>
            <Number key="reduce_bucket" label=Word::ReduceBucketLabel />
            <Select key="overlap_comm" label=Word::OverlapLabel choices=switch />
            <Select key="offload_optimizer" label=Word::OffloadOptimizerLabel choices=switch />
        </Show>
        <Show when=move || is_zero3.get()>
            <Number key="max_live" label=Word::MaxLiveLabel />
            <Number key="max_reuse" label=Word::MaxReuseLabel />
            <Number key="prefetch_bucket" label=Word::PrefetchLabel />
            <Number key="persistence" label=Word::PersistenceLabel />
            <Select key="offload_param" label=Word::OffloadWeightsLabel choices=switch />
        </Show>
        <Show when=move || is_sharded.get()>
            <Select key="reshard" label=Word::ReshardLabel choices=of!(Reshard, reshard) />
            <Select key="reduce_dtype" label=Word::ReduceDtypeLabel choices=of!(ReduceDtype, reduce_dtype) />
            <Number key="shard_group" label=Word::ShardGroupLabel />
            <Select key="cpu_offload" label=Word::CpuOffloadLabel choices=switch />
        </Show>
        <Show when=move || is_sharded.get() && accumulates.get()>
            <Select key="gradient_sync" label=Word::GradientSyncLabel choices=of!(GradientSync, gradient_sync) />
            <Select key="stays_gathered" label=Word::StaysGatheredLabel choices=switch />
        </Show>
        <Select key="last_rank" label=Word::LastRankLabel choices=switch />
    }
}

/// The other dimensions of the mesh.
#[component]
fn MeshGroup() -> impl IntoView {
    let store = expect_context::<Store>();
    let is = move |of: fn(&Scenario) -> bool| Memo::new(move |_| store.with_scenario(of));
    let is_tensor = is(|scenario| scenario.parallel.mesh.tensor > Count::ONE);
    let is_pipelined = is(|scenario| scenario.parallel.mesh.pipeline > Count::ONE);
    let is_interleaved = is(|scenario| scenario.parallel.mesh.schedule == Schedule::Interleaved);
    let is_context = is(|scenario| scenario.parallel.mesh.context > Count::ONE);
    let has_experts = is(|scenario| scenario.model.architecture.experts.is_some());
    view! {
        <Number key="tp" label=Word::TensorParallelLabel />
        <Show when=move || is_tensor.get()>
            <Select key="sequence_parallel" label=Word::SequenceParallelLabel choices=switch />
            <Select key="loss_parallel" label=Word::LossParallelLabel choices=switch />
        </Show>
        <Number key="pp" label=Word::PipelineLabel />
        <Show when=move || is_pipelined.get()>
            <Select key="schedule" label=Word::ScheduleLabel choices=of!(Schedule, schedule) />
            <Number key="stage" label=Word::StageLabel />
        </Show>
        <Show when=move || is_pipelined.get() && is_interleaved.get()>
            <Number key="stage_chunks" label=Word::StageChunksLabel />
        </Show>
        <Number key="cp" label=Word::ContextParallelLabel />
        <Show when=move || is_context.get()>
            <Select key="cp_rotate" label=Word::RotateLabel choices=of!(Rotate, rotate) />
            <Select key="cp_repeats_keys" label=Word::RepeatsKeysLabel choices=switch />
        </Show>
        <Show when=move || has_experts.get()>
            <Number key="ep" label=Word::ExpertParallelLabel />
            <Number key="etp" label=Word::ExpertTensorLabel />
        </Show>
    }
}
