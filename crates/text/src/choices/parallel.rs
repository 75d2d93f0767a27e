//! Names of the ways of spreading a run over several GPUs.

use vram_core::scenario::{DataParallel, GradientSync, ReduceDtype, Reshard, Rotate, Schedule};

use crate::Lang;

/// What data-parallel ranks hold.
pub const fn data_parallel(data: DataParallel, lang: Lang) -> &'static str {
    match data {
        DataParallel::Ddp => lang.pick("DDP: everything on every GPU", "DDP：每块 GPU 保存全部"),
        DataParallel::DdpZero1 => {
            lang.pick("DDP with ZeroRedundancyOptimizer (ZeRO-1)", "DDP + ZeroRedundancyOptimizer（ZeRO-1）")
        }
        DataParallel::Megatron => {
            lang.pick("Megatron-LM: distributed optimizer", "Megatron-LM：分布式优化器")
        }
        DataParallel::Fsdp2 => lang.pick("FSDP2: fully_shard (ZeRO-3)", "FSDP2：fully_shard（ZeRO-3）"),
        DataParallel::Fsdp1 => lang.pick("FSDP1: flat parameters", "FSDP1：展平参数"),
    }
}

/// What stays gathered between forward and backward.
pub const fn reshard(reshard: Reshard, lang: Lang) -> &'static str {
    match reshard {
        Reshard::AfterForward => lang.pick("after forward (ZeRO-3)", "前向之后（ZeRO-3）"),
        Reshard::AfterBackward => lang.pick("after backward (ZeRO-2)", "反向之后（ZeRO-2）"),
        Reshard::Never => lang.pick("never (NO_SHARD)", "不分片（NO_SHARD）"),
    }
}

/// Dtype in which gradients are reduced.
pub const fn reduce_dtype(dtype: ReduceDtype, lang: Lang) -> &'static str {
    match dtype {
        ReduceDtype::Fp32 => "fp32",
        ReduceDtype::Gradients => lang.pick("as the gradients", "与梯度相同"),
    }
}

/// When gradients are reduced.
pub const fn gradient_sync(sync: GradientSync, lang: Lang) -> &'static str {
    match sync {
        GradientSync::LastMicroBatch => {
            lang.pick("the last one (no_sync before)", "最后一个（之前 no_sync）")
        }
        GradientSync::EveryMicroBatch => lang.pick("every one", "每一个"),
    }
}

/// In which order a pipeline runs micro-batches.
pub const fn schedule(schedule: Schedule, lang: Lang) -> &'static str {
    match schedule {
        Schedule::GPipe => lang.pick("GPipe: all forwards first", "GPipe：先完成全部前向"),
        Schedule::OneForwardOneBackward => lang.pick("1F1B", "1F1B"),
        Schedule::Interleaved => lang.pick("interleaved 1F1B", "交错 1F1B"),
    }
}

/// How context-parallel ranks exchange keys and values.
pub const fn rotate(rotate: Rotate, lang: Lang) -> &'static str {
    match rotate {
        Rotate::AllGather => lang.pick("all-gather", "all-gather"),
        Rotate::AllToAll => lang.pick("all-to-all, around the ring", "all-to-all（环形）"),
        Rotate::Ulysses => lang.pick("all-to-all, for heads (Ulysses)", "all-to-all（按头，Ulysses）"),
    }
}
