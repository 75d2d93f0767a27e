//! Several GPUs: how many, what each holds, and what the chosen way leaves open.

use leptos::prelude::*;
use vram_core::Scenario;
use vram_core::scenario::{DataParallel, GradientSync, ReduceDtype, Reshard};
use vram_text::{Word, data_parallel, gradient_sync, reduce_dtype, reshard};

use super::super::choice::Select;
use super::super::number::NumberField;
use super::{Group, listed, short, switch};
use crate::state::Store;

/// How the run is spread over several GPUs.
#[component]
pub(super) fn GpusGroup() -> impl IntoView {
    let store = expect_context::<Store>();
    let is = move |of: fn(&Scenario) -> bool| Memo::new(move |_| store.with_scenario(of));
    let is_parallel = is(|scenario| scenario.parallel.is_on());
    let is_sharded = is(|scenario| scenario.parallel.scheme().is_some_and(DataParallel::shards_weights));
    let is_ddp = move || is_parallel.get() && !is_sharded.get();
    let accumulates = is(|scenario| scenario.gradient_accumulation.get() > 1);
    view! {
        <Group
            title=Word::GpusLabel
            value=|s, lang| {
                let gpus = s.parallel.gpus.to_string();
                s.parallel.scheme().map_or(gpus.clone(), |data| format!("{gpus} · {}", short(data_parallel(data, lang))))
            }
        >
            <div class="control">
                <label for="gpus">{move || store.word(Word::GpusLabel)}</label>
                <NumberField key="gpus" label=Word::GpusLabel is_main=true />
            </div>
            <Show when=move || is_parallel.get()>
                <Select key="dp" label=Word::DataParallelLabel choices=of!(DataParallel, data_parallel) />
            </Show>
            <Show when=is_ddp>
                <Select key="bucket_views" label=Word::BucketViewsLabel choices=switch />
            </Show>
            <Show when=move || is_sharded.get()>
                <Select key="reshard" label=Word::ReshardLabel choices=of!(Reshard, reshard) />
                <Select key="reduce_dtype" label=Word::ReduceDtypeLabel choices=of!(ReduceDtype, reduce_dtype) />
                <div class="control">
                    <label for="shard_group">{move || store.word(Word::ShardGroupLabel)}</label>
                    <NumberField key="shard_group" label=Word::ShardGroupLabel is_main=true />
                </div>
                <Select key="cpu_offload" label=Word::CpuOffloadLabel choices=switch />
            </Show>
            <Show when=move || is_sharded.get() && accumulates.get()>
                <Select key="gradient_sync" label=Word::GradientSyncLabel choices=of!(GradientSync, gradient_sync) />
                <Select key="stays_gathered" label=Word::StaysGatheredLabel choices=switch />
            </Show>
            <Show when=move || is_parallel.get()>
                <Select key="last_rank" label=Word::LastRankLabel choices=switch />
            </Show>
        </Group>
    }
}
