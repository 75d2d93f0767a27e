//! Corpora of one rank of several with their limits: what was reached. Better figures are welcome; a limit is never loosened.

use super::{Corpus, LessNear, NONE, all, spread};

/// DeepSpeed empties `.grad` when it has copied a gradient into a buffer of its own.
const OF_DEEPSPEED: &[&str] = &["params", "optimizer_states"];

pub(super) const CORPORA: &[Corpus] = &[
    Corpus {
        file: "goldens/sharded_adapters.jsonl",
        about: "LoRA beside weights that FSDP2 and FSDP1 shard",
        runs: 82,
        exact: &["grads", "optimizer_states"],
        limits: &[
            // FSDP1 flattens a layer's frozen weights: of a layer that the ranks don't divide a few elements more are there.
            all("params", 0.000_002),
            spread("peak_requested", 0.000_02, 0.001_5, 0.003),
            all("forward", 0.011),
        ],
        ..NONE
    },
    Corpus {
        file: "goldens/sharded_quantised.jsonl",
        about: "QLoRA whose 4-bit weights FSDP2 and FSDP1 shard",
        runs: 36,
        limits: &[spread("peak_requested", 0.000_03, 0.003, 0.003_7), all("forward", 0.025)],
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["ddp"],
        about: "one rank of DDP and of ZeroRedundancyOptimizer",
        runs: 23,
        limits: &[all("peak_requested", 0.000_005)],
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["fsdp2"],
        about: "one rank of FSDP2",
        runs: 62,
        limits: &[spread("peak_requested", 0.000_01, 0.000_15, 0.000_4)],
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["ga"],
        about: "accumulation with and without synchronisation",
        runs: 6,
        limits: &[all("peak_requested", 0.000_1)],
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["rank"],
        about: "other ranks than the first",
        runs: 4,
        limits: &[all("peak_requested", 0.000_05)],
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["fsdp1"],
        about: "one rank of FSDP1",
        runs: 12,
        exact: &["params", "grads"],
        limits: &[
            // Fused AdamW counts no steps of parameters of which a rank's run of the flat one has nothing.
            all("optimizer_states", 0.000_001),
            all("peak_requested", 0.000_002),
        ],
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["ds"],
        about: "DeepSpeed's ZeRO on large models",
        runs: 15,
        exact: OF_DEEPSPEED,
        limits: &[all("peak_requested", 0.000_03)],
        ..NONE
    },
    Corpus {
        file: "goldens/deepspeed.jsonl",
        about: "DeepSpeed's ZeRO with small buckets, few tokens, other ranks, accumulation, overlap, sub-groups, limits on gathered weights",
        runs: 24,
        exact: OF_DEEPSPEED,
        limits: &[spread("peak_requested", 0.000_01, 0.01, 0.000_01)],
        less_near: Some(LessNear {
            which: |s| s.zero_stage() == Some(3),
            why: "the coordinator holds some gathered weights longer than its order says, it isn't known which: all are below",
            max: &[("peak_requested", 0.015)],
        }),
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["tp"],
        about: "tensor parallelism: Llama and Qwen2.5 of 3 to 70 B, 2 to 8 ways, up to 64 GPUs (PARALLEL section 6)",
        runs: 19,
        limits: &[all("peak_requested", 0.000_003)],
        ..NONE
    },
    Corpus {
        file: "goldens/tensor_parallel.jsonl",
        about: "tensor parallelism: fifteen small families, other precisions, optimizers, kernels, odd vocabularies and ways",
        runs: 84,
        limits: &[all("peak_requested", 0.000_6)],
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["pp"],
        about: "stages of Llama in torch.distributed.pipelining",
        runs: 12,
        limits: &[spread("peak_requested", 0.000_01, 0.001, 0.001)],
        ..NONE
    },
    Corpus {
        file: "goldens/pipeline.jsonl",
        about: "stages of small models in torch.distributed.pipelining",
        runs: 12,
        limits: &[all("peak_requested", 0.000_1)],
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["cp"],
        about: "rings of context parallelism",
        runs: 6,
        limits: &[all("peak_requested", 0.000_2)],
        ..NONE
    },
    Corpus {
        file: "measured/megatron.jsonl",
        about: "Megatron-LM on eight B200, each stage of 19 ways; the best published estimator is within 1.4 %",
        runs: 23,
        exact: &[],
        limits: &[spread("peak_allocated", 0.000_005, 0.000_23, 0.000_05)],
        less_near: Some(LessNear {
            which: |s| s.model.architecture.latent.is_some(),
            why: "of the experts behind latent attention some MiB aren't found",
            max: &[("peak_allocated", 0.000_23)],
        }),
        ..NONE
    },
];
