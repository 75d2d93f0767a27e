//! Names of the ways of spreading a run over several GPUs.

use vram_core::scenario::{DataParallel, GradientSync, ReduceDtype, Reshard, Rotate, Schedule, Spread};

use crate::Lang;

/// A named way of spreading a run.
pub const fn spread(spread: Spread, lang: Lang) -> &'static str {
    match spread {
        Spread::OneGpu => lang.pick("one GPU", "单卡"),
        Spread::Ddp => lang.pick("DDP (data parallel)", "DDP（数据并行）"),
        Spread::Fsdp2 => lang.pick("FSDP2 (as torchtitan)", "FSDP2（同 torchtitan）"),
        Spread::Fsdp2Tensor => {
            lang.pick("FSDP2 and tensor parallelism (as torchtitan)", "FSDP2 + 张量并行（同 torchtitan）")
        }
        Spread::Accelerate => lang.pick("FSDP1 (as Accelerate)", "FSDP1（同 Accelerate）"),
        Spread::DeepSpeed => lang.pick("DeepSpeed ZeRO-3", "DeepSpeed ZeRO-3"),
        Spread::Megatron => lang.pick("Megatron-LM (tensor parallel)", "Megatron-LM（张量并行）"),
    }
}

/// What a way of spreading a run divides, what it doesn't, and what it adds.
pub const fn spread_explained(spread: Spread, lang: Lang) -> &'static str {
    match spread {
        Spread::OneGpu => lang.pick(
            "Nothing is divided: weights, gradients, optimizer states and activations are all on this GPU.",
            "不切分：权重、梯度、优化器状态与激活都在这块卡上。",
        ),
        Spread::Ddp => lang.pick(
            "Divides the batch only. Each GPU holds everything, plus communication buckets as large as the gradients.",
            "只切分 batch。每块卡保存全部内容，另加与梯度同样大的通信桶。",
        ),
        Spread::Fsdp2 => lang.pick(
            "Divides weights, gradients and optimizer states by the number of GPUs, not activations. Adds the gathered weights of the layers at work and of embedding and head, and the buffers of all-gather and reduce-scatter.",
            "权重、梯度、优化器状态按卡数切分，激活不切分。额外占用：正在计算的层以及词嵌入和输出层聚合后的权重，加上聚合与归约缓冲区。",
        ),
        Spread::Fsdp2Tensor => lang.pick(
            "Also divides each layer's matrices and most activations among the GPUs of a node. The inputs of each block stay whole, and so does the embedding's gradient.",
            "每层的矩阵和大部分激活再在节点内的各卡之间切分。各模块的输入仍是完整的，词嵌入的梯度也不切分。",
        ),
        Spread::Accelerate => lang.pick(
            "Divides fp32 weights, gradients and optimizer states by the number of GPUs, not activations. Layers are gathered in bf16, each as one flat vector.",
            "fp32 权重、梯度、优化器状态按卡数切分，激活不切分。各层以 bf16 聚合，每层是一个展平的向量。",
        ),
        Spread::DeepSpeed => lang.pick(
            "Divides 18 bytes a parameter by the number of GPUs, not activations. Adds up to a billion gathered parameters and a bucket of 1 GB, which more GPUs don't make smaller.",
            "每参数 18 字节按卡数切分，激活不切分。额外占用：至多十亿个聚合的参数与 1 GB 的桶，卡数再多也不变小。",
        ),
        Spread::Megatron => lang.pick(
            "Divides each layer's matrices and activations among the GPUs of a node, and the optimizer's 12 bytes a parameter among the replicas. Adds 4 bytes a parameter of fp32 gradients, which are not divided among replicas.",
            "每层的矩阵与激活在节点内切分，优化器每参数 12 字节在各副本间切分。额外占用每参数 4 字节的 fp32 梯度，副本间不切分。",
        ),
    }
}

/// What data-parallel ranks hold.
pub const fn data_parallel(data: DataParallel, lang: Lang) -> &'static str {
    match data {
        DataParallel::Ddp => lang.pick("DDP: everything on every GPU", "DDP：每块 GPU 保存全部"),
        DataParallel::DdpZero1 => {
            lang.pick("DDP with ZeroRedundancyOptimizer (ZeRO-1)", "DDP + ZeroRedundancyOptimizer（ZeRO-1）")
        }
        DataParallel::Zero1 => {
            lang.pick("DeepSpeed ZeRO-1: optimizer states", "DeepSpeed ZeRO-1：优化器状态")
        }
        DataParallel::Zero2 => {
            lang.pick("DeepSpeed ZeRO-2: optimizer states, gradients", "DeepSpeed ZeRO-2：优化器状态与梯度")
        }
        DataParallel::Zero3 => lang.pick(
            "DeepSpeed ZeRO-3: optimizer states, gradients, weights",
            "DeepSpeed ZeRO-3：优化器状态、梯度与权重",
        ),
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
        Reshard::Never => lang.pick("never shard (NO_SHARD)", "不分片（NO_SHARD）"),
    }
}

/// Dtype in which gradients are reduced.
pub const fn reduce_dtype(dtype: ReduceDtype, lang: Lang) -> &'static str {
    match dtype {
        ReduceDtype::Fp32 => "fp32",
        ReduceDtype::Gradients => lang.pick("that of the gradients", "与梯度相同"),
    }
}

/// When gradients are reduced.
pub const fn gradient_sync(sync: GradientSync, lang: Lang) -> &'static str {
    match sync {
        GradientSync::LastMicroBatch => {
            lang.pick("the last micro-batch (no_sync before)", "最后一个微批（之前 no_sync）")
        }
        GradientSync::EveryMicroBatch => lang.pick("every micro-batch", "每个微批"),
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
