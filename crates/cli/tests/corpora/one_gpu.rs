//! Corpora of runs on one GPU with their limits: what was reached. Better figures are welcome; a limit is never loosened.

use vram_core::model::Family;
use vram_core::scenario::{Attention, AutocastScope, Checkpointing, Compile, Optimizer};

use super::{ByFamily, Corpus, LessNear, NONE, all, phases, spread};

pub(super) const CORPORA: &[Corpus] = &[
    Corpus {
        file: "goldens/decoders.jsonl",
        about: "decoders from their config.json, settings at random",
        runs: 243,
        limits: &[all("peak_requested", 0.006_8)],
        less_near: Some(LessNear {
            which: |s| {
                s.attention == Attention::Eager
                    && s.checkpointing != Checkpointing::Off
                    && s.model.architecture.window.is_some()
            },
            why: "the mask of the layers that the first one is not of goes earlier than is counted",
            max: &[("peak_requested", 0.017)],
        }),
        by_family: Some(ByFamily { families: 22, runs: 8, median: 0.000_3 }),
        ..NONE
    },
    Corpus {
        file: "goldens/families.jsonl",
        about: "families with keys of their own",
        runs: 110,
        limits: &[all("peak_requested", 0.000_1)],
        by_family: Some(ByFamily { families: 3, runs: 20, median: 0.000_02 }),
        ..NONE
    },
    Corpus {
        file: "goldens/hybrids.jsonl",
        about: "layers that carry a state in place of attention",
        runs: 35,
        limits: &[all("peak_requested", 0.000_3)],
        less_near: Some(LessNear {
            which: |s| {
                let a = &s.model.architecture;
                a.family == Family::Mamba2 && a.recurrent.is_some_and(|of| s.sequence_length <= of.chunk)
            },
            why: "of a sequence that is one chunk, what the loop over chunks makes isn't followed",
            max: &[("peak_requested", 0.005_9)],
        }),
        by_family: Some(ByFamily { families: 2, runs: 8, median: 0.000_05 }),
        ..NONE
    },
    Corpus {
        file: "goldens/jamba.jsonl",
        about: "selective scans, alone and between attention and experts",
        runs: 61,
        limits: &[all("forward", 0.000_05), all("backward", 0.000_02), all("peak_requested", 0.000_02)],
        less_near: Some(LessNear {
            which: |s| {
                s.attention == Attention::Eager
                    && s.checkpointing != Checkpointing::Off
                    && s.model.architecture.family == Family::Jamba
            },
            why: "the mask of the layers that the first one is not of goes earlier than is counted",
            max: &[("backward", 0.000_97), ("peak_requested", 0.000_97)],
        }),
        by_family: Some(ByFamily { families: 3, runs: 14, median: 0.000_001 }),
        ..NONE
    },
    // What the experts' products allocate depends on values, which the kit has not: of a row that has none, forward is less.
    Corpus {
        file: "goldens/phimoe.jsonl",
        about: "Phi-MoE's sparse mixer",
        runs: 22,
        limits: &[all("backward", 0.000_07), all("peak_requested", 0.000_07)],
        by_family: Some(ByFamily { families: 1, runs: 22, median: 0.000_02 }),
        ..NONE
    },
    Corpus {
        file: "goldens/whisper.jsonl",
        about: "Whisper: small models of unlike halves and whisper-small, all precisions, kernels and checkpoints",
        runs: 59,
        limits: &[
            spread("peak_requested", 0.000_001, 0.000_02, 0.000_03),
            spread("peak_allocated", 0.000_1, 0.009, 0.013),
            all("forward", 0.000_6),
            all("backward", 0.000_03),
            all("optimizer_step", 0.000_05),
        ],
        less_near: Some(LessNear {
            which: |s| s.autocast_scope == AutocastScope::Model,
            why: "the model's output, which is held until the loss has been converted, has what the encoder has made",
            max: &[("peak_requested", 0.003_3), ("forward", 0.003_3)],
        }),
        ..NONE
    },
    Corpus {
        file: "goldens/encoders.jsonl",
        about: "encoders, ViT, LLaVA",
        runs: 58,
        limits: &[
            spread("peak_requested", 0.000_06, 0.002_4, 0.002_4),
            all("forward", 0.01),
            all("backward", 0.01),
            all("optimizer_step", 0.01),
        ],
        less_near: Some(LessNear {
            which: |s| s.model.architecture.tower.is_some(),
            why: "of a vision tower's unused layers forward keeps what backward never needs",
            max: &[("forward", 0.013)],
        }),
        ..NONE
    },
    Corpus {
        file: "goldens/more.jsonl",
        about: "runs of our own, most of some hundred MiB, of which a few blocks that count whole are a larger part",
        runs: 290,
        limits: &[all("peak_requested", 0.000_2), all("peak_allocated", 0.06)],
        less_near: Some(LessNear {
            which: |s| s.model.architecture.decoder.is_some(),
            why: "what the two stacks of T5 share is counted for the whole of backward",
            max: &[("peak_requested", 0.005_3)],
        }),
        ..NONE
    },
    Corpus {
        file: "goldens/random.jsonl",
        about: "small models of every family, settings at random: what no one has looked at before",
        runs: 296,
        limits: &[
            spread("peak_requested", 0.000_05, 0.001, 0.018),
            spread("peak_reserved", 0.008, 0.101, 0.281),
        ],
        ..NONE
    },
    Corpus {
        file: "goldens/frozen.jsonl",
        about: "parts frozen",
        runs: 38,
        limits: &phases(0.000_5),
        ..NONE
    },
    Corpus {
        file: "goldens/peft.jsonl",
        about: "PEFT's methods",
        runs: 43,
        limits: &[
            all("peak_requested", 0.000_2),
            all("forward", 0.007),
            all("backward", 0.000_2),
            all("optimizer_step", 0.000_05),
        ],
        ..NONE
    },
    Corpus {
        file: "goldens/saves.jsonl",
        about: "PEFT's copies of modules beside adapters of another dtype, and of the head over labels, plain and quantised bases",
        runs: 13,
        limits: &[all("optimizer_step", 0.000_6), all("backward", 0.003), all("peak_requested", 0.002_5)],
        ..NONE
    },
    Corpus {
        file: "goldens/shifted_logits.jsonl",
        about: "logits moved in place of labels, fp32 before that or not",
        runs: 12,
        limits: &phases(0.000_02),
        ..NONE
    },
    Corpus {
        file: "goldens/expert_adapters.jsonl",
        about: "LoRA on the matrices of all experts, with attention's",
        runs: 21,
        limits: &[
            all("optimizer_step", 0.000_002),
            all("forward", 0.000_7),
            all("backward", 0.000_1),
            all("peak_requested", 0.000_1),
        ],
        ..NONE
    },
    Corpus {
        file: "goldens/prefix.jsonl",
        about: "prefix tuning: keys and values in front of each layer's, with and without an MLP that makes them",
        runs: 21,
        limits: &[
            all("optimizer_step", 0.000_001),
            all("forward", 0.000_05),
            all("backward", 0.000_05),
            all("peak_requested", 0.000_05),
        ],
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["qlora"],
        about: "NF4, double quantisation, LLM.int8, k-bit preparation (PARALLEL section 9)",
        runs: 38,
        limits: &[
            spread("forward", 0.000_01, 0.000_02, 0.000_02),
            spread("backward", 0.000_01, 0.000_02, 0.000_02),
            spread("optimizer_step", 0.000_01, 0.000_02, 0.000_02),
            spread("peak_requested", 0.000_01, 0.000_02, 0.000_02),
            spread("peak_allocated", 0.001, 0.007, 0.007),
            spread("peak_reserved", 0.005, 0.02, 0.022),
        ],
        ..NONE
    },
    Corpus {
        file: "goldens/quantised.jsonl",
        about: "eleven small families over NF4, FP4 and 8 bits, settings at random",
        runs: 60,
        exact: &["grads", "optimizer_states"],
        limits: &[
            // Under autocast biases of 8-bit layers take the dtype that each of their inputs has, StarCoder2's not all the same one.
            all("params", 0.001),
            spread("peak_requested", 0.000_05, 0.005, 0.009),
            spread("peak_allocated", 0.002, 0.01, 0.014),
        ],
        ..NONE
    },
    Corpus {
        file: "goldens/optimizers.jsonl",
        about: "one step of every optimizer's own code",
        runs: 132,
        exact: &["optimizer_states"],
        limits: &[all("optimizer_step", 0.009), all("peak_requested", 0.001_3), all("peak_allocated", 0.024)],
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["opts", "oib"],
        about: "low-bit, paged and in-backward optimizers on models of 1 and 8 B, moving averages (PARALLEL sections 10, 12)",
        runs: 21,
        limits: &phases(0.000_01),
        ..NONE
    },
    Corpus {
        file: "goldens/methods.jsonl",
        about: "LOMO, AdaLOMO, BAdam by their authors' code, LISA as a loop over PyTorch's AdamW",
        runs: 27,
        exact: &[],
        limits: &[
            all("params", 0.000_001),
            all("grads", 0.000_001),
            all("optimizer_states", 0.000_001),
            all("optimizer_step", 0.000_001),
            all("forward", 0.000_26),
            all("backward", 0.000_26),
            all("peak_requested", 0.000_05),
            all("peak_allocated", 0.009_2),
        ],
        less_near: Some(LessNear {
            which: |s| s.optimizer == Optimizer::AdaLomo && s.model.architecture.tied,
            why: "of a tied weight's update by AdaLOMO it isn't known what it finds already freed",
            max: &[("backward", 0.008), ("peak_requested", 0.008)],
        }),
        ..NONE
    },
    Corpus {
        file: "goldens/zeroth_order.jsonl",
        about: "MeZO, written after its authors' trainer: forwards in inference mode, no backward",
        runs: 11,
        limits: &[
            all("optimizer_step", 0.000_001),
            all("forward", 0.000_13),
            all("peak_requested", 0.000_13),
        ],
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["liger", "loss"],
        about: "losses and Liger's kernels",
        runs: 26,
        limits: &phases(0.000_05),
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["compile"],
        about: "compiled layers and models",
        runs: 5,
        limits: &phases(0.000_2),
        ..NONE
    },
    Corpus {
        file: "goldens/kernels.jsonl",
        about: "losses, kernels, compilation, checkpointing: small models, of which a few blocks are a larger part",
        runs: 64,
        limits: &phases(0.005),
        less_near: Some(LessNear {
            which: |s| s.kernels.compile != Compile::Off && s.checkpointing != Checkpointing::Off,
            why: "what of a compiled layer's kept tensors is let go during its backward is not followed",
            max: &[("backward", 0.03), ("peak_requested", 0.03)],
        }),
        ..NONE
    },
    Corpus {
        file: "goldens/objectives.jsonl",
        about: "the objectives' loops, written after TRL's and transformers' forward",
        runs: 48,
        limits: &[all("backward", 0.001_2), all("peak_requested", 0.005), all("forward", 0.025)],
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["rl"],
        about: "group-relative loops",
        runs: 7,
        limits: &[all("forward", 0.000_3), all("peak_requested", 0.000_2)],
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["gen"],
        about: "generation",
        runs: 6,
        exact: &["params"],
        limits: &[all("peak_requested", 0.000_05)],
        ..NONE
    },
    Corpus {
        file: "goldens/goldens_parallel.jsonl",
        groups: &["v26"],
        about: "torch 2.6 with transformers 4.51",
        limits: &[all("peak_requested", 0.000_001)],
        ..NONE
    },
];
