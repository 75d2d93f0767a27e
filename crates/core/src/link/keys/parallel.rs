//! How a run is spread over several GPUs.

use super::{Key, always, is_set, none_for_zero, unknown, zero_for_none};
use crate::link::count;
use crate::scenario::{DataParallel, GradientSync, ReduceDtype, Reshard, Scenario, limits};

fn is_parallel(scenario: &Scenario) -> bool {
    scenario.parallel.is_on()
}

fn is_sharded(scenario: &Scenario) -> bool {
    scenario.parallel.scheme().is_some_and(DataParallel::shards_weights)
}

fn is_ddp(scenario: &Scenario) -> bool {
    is_parallel(scenario) && !is_sharded(scenario)
}

pub(super) const KEYS: &[Key] = &[
    number!("gpus", limits::GPUS, |s| s.parallel.gpus).when(is_parallel),
    choice!("dp", DataParallel, |s| s.parallel.data).when(is_parallel),
    flag!("bucket_views", |s| s.parallel.bucket_views).when(is_ddp),
    choice!("reshard", Reshard, |s| s.parallel.reshard).when(is_sharded),
    choice!("reduce_dtype", ReduceDtype, |s| s.parallel.reduce).when(is_sharded),
    optional!("shard_group", limits::GPUS, |s| s.parallel.shard_group).when(is_sharded),
    choice!("gradient_sync", GradientSync, |s| s.parallel.sync).when(is_sharded),
    flag!("stays_gathered", |s| s.parallel.stays_gathered).when(is_sharded),
    flag!("cpu_offload", |s| s.parallel.cpu_offload).when(is_sharded),
    flag!("last_rank", |s| s.parallel.is_last_rank).when(is_parallel),
];
