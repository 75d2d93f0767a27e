//! What the page asks for: a field that isn't asked for changes nothing, and one that is asked for can change something.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use vram_core::scenario::LoraTargets;
use vram_core::{Estimate, Scenario, estimate, link};

/// Runs that differ in which fields they have.
const RUNS: &[&[(&str, &str)]] = &[
    &[],
    &[("recipe", "bf16")],
    &[("recipe", "bf16-mixed"), ("accumulation", "4")],
    &[("objective", "dpo"), ("reference", "none")],
    &[("objective", "dpo_ref_bf16"), ("recipe", "bf16-mixed")],
    &[("objective", "ipo"), ("reference", "cpu")],
    &[("objective", "dpo"), ("prompt", "64"), ("completion", "128")],
    &[("objective", "kto"), ("reference", "bf16")],
    &[("objective", "simpo")],
    &[("objective", "reward")],
    &[("objective", "sequence_classification")],
    &[("objective", "distillation"), ("teacher", "bf16")],
    &[("objective", "grpo"), ("generation", "policy"), ("reference", "bf16")],
    &[("objective", "grpo"), ("generation", "vllm"), ("reward_model", "bf16")],
    &[("objective", "grpo"), ("generation", "elsewhere")],
    &[("objective", "ppo"), ("generation", "policy"), ("reward_model", "cpu")],
    &[("objective", "generate")],
    &[("peft", "lora")],
    &[("peft", "lora"), ("quantised_base", "nf4")],
    &[("peft", "lora"), ("quantised_base", "nf4"), ("recipe", "bf16")],
    &[("peft", "lora"), ("quantised_base", "gptq")],
    &[("peft", "dora")],
    &[("peft", "vera")],
    &[("peft", "ia3")],
    &[("peft", "prompt")],
    &[("peft", "prefix")],
    &[("freeze_layers", "first")],
    &[("freeze_layers", "all")],
    &[("optimizer", "galore_adamw")],
    &[("optimizer", "custom")],
    &[("batching", "longest"), ("longest", "128")],
    &[("batching", "mean")],
    &[("loss", "chunked")],
    &[("loss", "last_tokens")],
    &[("loss", "recomputed_chunks")],
    &[("optimizer", "lbfgs")],
    &[("optimizer", "shampoo")],
    &[("optimizer", "soap")],
    &[("checkpointing", "first_k")],
    &[("model", "mixtral-8x7b")],
    &[("model", "vit-base-patch16-224")],
    &[("model", "llava-1.5-7b"), ("s", "2048")],
    &[("spread", "ddp")],
    &[("spread", "ddp"), ("accumulation", "4")],
    &[("spread", "ddp"), ("dp", "ddp_zero1")],
    &[("spread", "fsdp2")],
    &[("spread", "fsdp2"), ("accumulation", "4")],
    &[("spread", "accelerate")],
    &[("model", "llama-3.1-8b"), ("spread", "fsdp2_tp")],
    &[("model", "llama-3.1-8b"), ("gpus", "4"), ("cp", "4"), ("recipe", "bf16")],
    &[("model", "llama-3.1-8b"), ("s", "8192"), ("gpus", "8"), ("cp", "8"), ("recipe", "bf16")],
    &[("model", "llama-3.1-8b"), ("recipe", "bf16"), ("accumulation", "8"), ("gpus", "4"), ("pp", "4")],
    &[
        ("model", "llama-3.1-8b"),
        ("recipe", "bf16"),
        ("accumulation", "8"),
        ("gpus", "4"),
        ("pp", "4"),
        ("schedule", "interleaved"),
    ],
    &[("spread", "deepspeed")],
    &[("spread", "deepspeed"), ("offload_param", "1")],
    &[("model", "llama-3.2-1b"), ("spread", "deepspeed"), ("max_live", "100000000")],
    &[("recipe", "bf16-master"), ("gpus", "8"), ("dp", "zero2")],
    &[("recipe", "bf16-master"), ("gpus", "8"), ("dp", "zero1"), ("offload_optimizer", "1")],
    &[("model", "llama-3.1-8b"), ("spread", "megatron")],
    &[("model", "llama-3.1-8b"), ("spread", "megatron"), ("accumulation", "8"), ("pp", "2"), ("tp", "2")],
    &[("model", "llama-3.1-8b"), ("spread", "megatron"), ("tp", "2"), ("cp", "2"), ("cp_rotate", "alltoall")],
    &[("model", "qwen3-30b-a3b"), ("spread", "megatron")],
    &[("model", "qwen3-30b-a3b"), ("spread", "megatron"), ("ep", "2")],
    &[("model", "qwen3-30b-a3b"), ("lora_targets", "attention"), ("peft", "lora")],
];

/// Numbers that fields are tried with.
const NUMBERS: &[&str] =
    &["0", "1", "2", "3", "4", "8", "16", "64", "100", "150", "1024", "4096", "100000", "10000000"];

fn scenario(run: &[(&str, &str)]) -> Scenario {
    let mut scenario = Scenario::default();
    for (key, value) in run {
        let set = link::set(&mut scenario, key, value);
        assert_eq!(set, Ok(()), "{key}={value}");
    }
    scenario
}

/// The answers of a scenario with the values of a field that are accepted.
fn others(of: &Scenario, key: &'static str) -> impl Iterator<Item = Estimate> {
    let values = match link::words(key) {
        _ if key == "lora_targets" => LoraTargets::KEYS,
        [] => NUMBERS,
        words => words,
    };
    values.iter().filter_map(move |value| {
        let mut scenario = of.clone();
        link::set(&mut scenario, key, value).ok()?;
        estimate(&scenario).ok()
    })
}

fn fields() -> impl Iterator<Item = &'static str> {
    link::keys().filter(|key| !link::is_dimension(key) && !matches!(*key, "model" | "gpu" | "gpu_mib"))
}

/// Whether another value of a field changes an answer.
fn can_change(of: &Scenario, answer: &Estimate, key: &'static str) -> bool {
    others(of, key).any(|other| other != *answer)
}

#[test]
fn what_is_not_asked_for_changes_nothing() {
    for run in RUNS {
        let of = scenario(run);
        let answer = estimate(&of).unwrap();
        for key in fields().filter(|key| !link::applies(&of, key)) {
            assert!(!can_change(&of, &answer, key), "{key} of {run:?}");
        }
    }
}

#[test]
fn what_is_asked_for_changes_something_somewhere() {
    let runs: Vec<_> = RUNS.iter().map(|run| scenario(run)).collect();
    let changes_one = |key: &'static str| {
        let mut asking = runs.iter().filter(|run| link::applies(run, key));
        asking.any(|run| estimate(run).is_ok_and(|answer| can_change(run, &answer, key)))
    };
    let idle: Vec<_> = fields().filter(|key| !changes_one(key)).collect();
    assert_eq!(idle, Vec::<&str>::new());
}

/// What belongs to a method, a framework or a kind of adapter: asked for only where it changes something.
#[test]
fn what_belongs_to_a_method_is_not_asked_for_without_it() {
    let of_methods = [
        "bucket_views",
        "gradient_sync",
        "stays_gathered",
        "reduce_bucket",
        "overlap_comm",
        "offload_optimizer",
        "offload_param",
        "pin_memory",
        "sub_group",
        "persistence",
        "loss_parallel",
        "stage_chunks",
        "schedule",
        "stage",
        "cp_repeats_keys",
        "ep",
        "etp",
        "freeze_count",
        "modules_to_save",
        "lora_dropout",
        "peft_tokens",
        "lora_dtype",
        "quantised_base",
        "double_quant",
        "quant_group",
        "labels",
        "reference_millions",
        "reward_millions",
        "teacher_millions",
        "longest",
        "mean",
        "generation",
        "generation_cache",
        "vllm_share",
        "group",
        "calls",
        "logits_to_keep",
        "temperature",
        "entropy",
        "log_probs",
        "loss_chunks",
        "loss_chunk_tokens",
        "loss_last_tokens",
        "checkpoint_layers",
        "optimizer_rank",
        "state_bytes",
        "step_bytes",
    ];
    for run in RUNS {
        let of = scenario(run);
        let answer = estimate(&of).unwrap();
        for key in of_methods.into_iter().filter(|key| link::applies(&of, key)) {
            assert!(can_change(&of, &answer, key), "{key} of {run:?}");
        }
    }
}
