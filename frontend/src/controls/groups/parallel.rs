//! Several GPUs: how many, in which named way the run is spread over them, and what that way leaves open.

use leptos::prelude::*;
use vram_core::Scenario;
use vram_core::scenario::Spread;
use vram_text::{Lang, Word, data_parallel, spread, spread_explained};

use super::super::choice::Select;
use super::super::number::Number;
use super::{Group, short};
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

/// How the run is spread over several GPUs.
#[component]
pub(super) fn GpusGroup() -> impl IntoView {
    let store = expect_context::<Store>();
    let explained = move || store.with_scenario(Spread::of).map(|of| spread_explained(of, store.lang()));
    view! {
        <Group title=Word::GpusLabel value=value>
            <Number key="gpus" label=Word::GpusLabel />
            <Select key="spread" label=Word::SpreadLabel custom=Word::OwnSpread />
            <p class="hint">{explained}</p>
            <DataGroup />
            <DeepSpeedGroup />
            <MeshGroup />
        </Group>
    }
}

/// What data-parallel ranks hold.
#[component]
fn DataGroup() -> impl IntoView {
    view! {
        <Select key="dp" label=Word::DataParallelLabel />
        <Select key="bucket_views" label=Word::BucketViewsLabel />
        <Select key="reshard" label=Word::ReshardLabel />
        <Select key="reduce_dtype" label=Word::ReduceDtypeLabel />
        <Number key="shard_group" label=Word::ShardGroupLabel />
        <Select key="cpu_offload" label=Word::CpuOffloadLabel />
        <Select key="gradient_sync" label=Word::GradientSyncLabel />
        <Select key="stays_gathered" label=Word::StaysGatheredLabel />
    }
}

/// DeepSpeed's settings of ZeRO.
#[component]
fn DeepSpeedGroup() -> impl IntoView {
    view! {
        <Number key="reduce_bucket" label=Word::ReduceBucketLabel />
        <Select key="overlap_comm" label=Word::OverlapLabel />
        <Number key="max_live" label=Word::MaxLiveLabel />
        <Number key="max_reuse" label=Word::MaxReuseLabel />
        <Number key="prefetch_bucket" label=Word::PrefetchLabel />
        <Number key="persistence" label=Word::PersistenceLabel />
        <Number key="sub_group" label=Word::SubGroupLabel />
        <Select key="offload_optimizer" label=Word::OffloadOptimizerLabel />
        <Select key="offload_param" label=Word::OffloadWeightsLabel />
        <Select key="pin_memory" label=Word::PinnedLabel />
    }
}

/// The other dimensions of the mesh, and which rank is looked at.
#[component]
fn MeshGroup() -> impl IntoView {
    view! {
        <Number key="tp" label=Word::TensorParallelLabel />
        <Select key="sequence_parallel" label=Word::SequenceParallelLabel />
        <Select key="loss_parallel" label=Word::LossParallelLabel />
        <Number key="pp" label=Word::PipelineLabel />
        <Select key="schedule" label=Word::ScheduleLabel />
        <Number key="stage_chunks" label=Word::StageChunksLabel />
        <Number key="stage" label=Word::StageLabel />
        <Number key="cp" label=Word::ContextParallelLabel />
        <Select key="cp_rotate" label=Word::RotateLabel />
        <Select key="cp_repeats_keys" label=Word::RepeatsKeysLabel />
        <Number key="ep" label=Word::ExpertParallelLabel />
        <Number key="etp" label=Word::ExpertTensorLabel />
        <Number key="expert_imbalance" label=Word::ExpertImbalanceLabel />
        <Select key="last_rank" label=Word::LastRankLabel />
    }
}
