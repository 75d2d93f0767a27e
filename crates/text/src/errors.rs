//! A sentence for every error: which field, what was given, what is accepted.

use vram_core::{Error, Field};

use crate::{Lang, Word, format_count, hub};

/// A field in the reader's words, with its key.
pub fn field_name(field: &Field, lang: Lang) -> String {
    let key = field.key();
    match (field_words(key, lang), lang) {
        (Some(words), Lang::En) => format!("{words} (\"{key}\")"),
        (Some(words), Lang::Zh) => format!("{words}（\"{key}\"）"),
        (None, _) => format!("\"{key}\""),
    }
}

/// A field in the reader's words alone; none of a model's dimensions, and where there are none.
pub(crate) fn field_words(key: &str, lang: Lang) -> Option<&'static str> {
    let word = match key {
        "b" => Word::MicroBatch,
        "s" => Word::SequenceLength,
        "model" => Word::Model,
        "recipe" => Word::Precision,
        "optimizer" => Word::OptimizerLabel,
        "optimizer_rank" => Word::OptimizerRankLabel,
        "lbfgs_history" => Word::HistoryLabel,
        "shampoo_block" => Word::ShampooBlockLabel,
        "soap_widest" => Word::SoapWidestLabel,
        "in_backward" => Word::InBackwardLabel,
        "ema" => Word::EmaLabel,
        "state_bytes" => Word::StateBytesLabel,
        "step_bytes" => Word::StepBytesLabel,
        "attention" => Word::AttentionLabel,
        "loss" => Word::LossLabel,
        "shift" => Word::ShiftLabel,
        "loss_chunks" => Word::LossChunksLabel,
        "loss_chunk_tokens" => Word::LossChunkTokensLabel,
        "loss_last_tokens" => Word::LossLastTokensLabel,
        "norm_kernel" => Word::NormKernelLabel,
        "mlp_kernel" => Word::MlpKernelLabel,
        "compile" => Word::CompileLabel,
        "checkpoint_layers" => Word::CheckpointLayersLabel,
        "rope_kernel" => Word::RopeKernelLabel,
        "checkpointing" => Word::CheckpointingLabel,
        "accumulation" => Word::AccumulationLabel,
        "trainer" => Word::TrainerLabel,
        "zero_grad" => Word::ZeroGradLabel,
        "objective" => Word::ObjectiveLabel,
        "images" => Word::ImagesLabel,
        "frozen_tower" => Word::FrozenTowerLabel,
        "freeze_embedding" => Word::FreezeEmbeddingLabel,
        "freeze_layers" => Word::FreezeLayersLabel,
        "freeze_count" => Word::FreezeCountLabel,
        "freeze_head" => Word::FreezeHeadLabel,
        "trained_kinds" => Word::TrainedKindsLabel,
        "vocab_multiple" => Word::VocabularyMultiple,
        "peft" => Word::AdapterMethodLabel,
        "target_parameters" => Word::ExpertTargetsLabel,
        "modules_to_save" => Word::ModulesToSaveLabel,
        "prefix_projection" => Word::PrefixProjectionLabel,
        "peft_tokens" => Word::PromptTokensLabel,
        "labels" => Word::LabelsLabel,
        "reference" => Word::ReferenceLabel,
        "reference_millions" => Word::ReferenceMillions,
        "reward_model" => Word::RewardModelLabel,
        "reward_millions" => Word::RewardMillions,
        "teacher" => Word::TeacherLabel,
        "teacher_millions" => Word::TeacherMillions,
        "prompt" => Word::PromptLabel,
        "completion" => Word::CompletionLabel,
        "rejected" => Word::RejectedLabel,
        "batching" => Word::BatchingLabel,
        "longest" => Word::LongestLabel,
        "mean" => Word::MeanLabel,
        "generation" => Word::GenerationLabel,
        "generation_cache" => Word::GenerationCacheLabel,
        "vllm_share" => Word::VllmShareLabel,
        "group" => Word::GroupLabel,
        "calls" => Word::CallsLabel,
        "logits_to_keep" => Word::LogitsToKeepLabel,
        "temperature" => Word::TemperatureLabel,
        "entropy" => Word::EntropyLabel,
        "lora_rank" => Word::LoraRank,
        "lora_targets" => Word::LoraTargetsLabel,
        "lora_dropout" => Word::LoraDropoutLabel,
        "lora_dtype" => Word::LoraDtypeLabel,
        "base_dtype" => Word::BaseDtypeLabel,
        "quantised_base" => Word::QuantisedBaseLabel,
        "double_quant" => Word::DoubleQuantLabel,
        "quant_group" => Word::QuantGroupLabel,
        "kbit" => Word::KbitLabel,
        "log_probs" => Word::LogProbsLabel,
        "padding" => Word::PaddingLabel,
        "autocast_scope" => Word::AutocastScopeLabel,
        "held" => Word::HeldLabel,
        "kv_cache" => Word::KvCacheLabel,
        "stack" => Word::StackLabel,
        "hub_id" => Word::HubId,
        "hub" => Word::HubAddress,
        "gpu" | "gpu_mib" => Word::GpuLabel,
        key => of_several_gpus(key)?,
    };
    Some(word.in_lang(lang))
}

/// The names of the fields by which a run is spread over several GPUs.
fn of_several_gpus(key: &str) -> Option<Word> {
    Some(match key {
        "gpus" => Word::GpusLabel,
        "spread" => Word::SpreadLabel,
        "dp" => Word::DataParallelLabel,
        "shard_group" => Word::ShardGroupLabel,
        "reshard" => Word::ReshardLabel,
        "reduce_dtype" => Word::ReduceDtypeLabel,
        "gradient_sync" => Word::GradientSyncLabel,
        "bucket_views" => Word::BucketViewsLabel,
        "stays_gathered" => Word::StaysGatheredLabel,
        "cpu_offload" => Word::CpuOffloadLabel,
        "reduce_bucket" => Word::ReduceBucketLabel,
        "overlap_comm" => Word::OverlapLabel,
        "max_live" => Word::MaxLiveLabel,
        "max_reuse" => Word::MaxReuseLabel,
        "prefetch_bucket" => Word::PrefetchLabel,
        "persistence" => Word::PersistenceLabel,
        "sub_group" => Word::SubGroupLabel,
        "offload_optimizer" => Word::OffloadOptimizerLabel,
        "offload_param" => Word::OffloadWeightsLabel,
        "pin_memory" => Word::PinnedLabel,
        "last_rank" => Word::LastRankLabel,
        "tp" => Word::TensorParallelLabel,
        "sequence_parallel" => Word::SequenceParallelLabel,
        "loss_parallel" => Word::LossParallelLabel,
        "pp" => Word::PipelineLabel,
        "schedule" => Word::ScheduleLabel,
        "stage_chunks" => Word::StageChunksLabel,
        "stage" => Word::StageLabel,
        "cp" => Word::ContextParallelLabel,
        "cp_rotate" => Word::RotateLabel,
        "cp_repeats_keys" => Word::RepeatsKeysLabel,
        "ep" => Word::ExpertParallelLabel,
        "expert_imbalance" => Word::ExpertImbalanceLabel,
        "etp" => Word::ExpertTensorLabel,
        "mesh" => Word::MeshLabel,
        _ => return None,
    })
}

/// The sentence of an error.
pub fn error_sentence(error: &Error, lang: Lang) -> String {
    match lang {
        Lang::En => english(error),
        Lang::Zh => chinese(error),
    }
}

/// Why a word that names something real is none of the choices: of `torch.optim`'s optimizers one (`sparse_adam.py`, `SparseAdam.step`).
fn reason(field: &Field, given: &str) -> Option<Word> {
    let letters: String = given.chars().filter(char::is_ascii_alphabetic).collect();
    let is_sparse = field.key() == "optimizer" && letters.eq_ignore_ascii_case("sparseadam");
    is_sparse.then_some(Word::SparseAdamReason)
}

/// What is accepted; of a long list the first ones, and how many more there are.
fn listed(accepted: &[&str], between: &str) -> String {
    const MOST: usize = 40;
    const SHOWN: usize = 12;
    if accepted.len() <= MOST {
        return accepted.join(between);
    }
    let shown = accepted.get(..SHOWN).unwrap_or(accepted).join(between);
    format!("{shown}{between}… (+{})", accepted.len() - SHOWN)
}

/// The accepted numbers beside the one that was given.
fn nearest(below: u64, above: Option<u64>, between: &str) -> String {
    let numbers: Vec<String> = std::iter::once(below).chain(above).map(format_count).collect();
    numbers.join(between)
}

fn english(error: &Error) -> String {
    let name = |field: &Field| field_name(field, Lang::En);
    match error {
        Error::OutOfRange { field, given, min, max } => format!(
            "{}: \"{given}\" was given; a whole number from {} to {} is accepted.",
            name(field),
            format_count(*min),
            format_count(*max)
        ),
        Error::UnknownChoice { field, given, accepted } | Error::Unsupported { field, given, accepted } => {
            let accepted = listed(accepted, ", ");
            let reason = reason(field, given).map_or(String::new(), |word| format!(" {}", word.in_lang(Lang::En)));
            format!("{}: \"{given}\" was given; accepted are {accepted}.{reason}", name(field))
        }
        Error::Missing { field } => format!("{} is missing, and there is no default for it.", name(field)),
        Error::Doubled { field } => format!("{} is given twice; the first value counts.", name(field)),
        Error::NotDivisible { field, given, by, divisor } => format!(
            "{}: {} was given; a multiple of {} ({}) is accepted.",
            name(field),
            format_count(*given),
            name(by),
            format_count(*divisor)
        ),
        Error::DoesNotDivide { field, given, of, value, below, above } => {
            let nearest = nearest(*below, *above, " and ");
            let (given, value) = (format_count(*given), format_count(*value));
            format!(
                "{}: {given} was given, which doesn't divide {} ({value}); nearest accepted: {nearest}.",
                name(field),
                name(of)
            )
        }
        Error::NotJson { line, column } => {
            format!("This is not JSON: reading stopped at line {line}, column {column}.")
        }
        Error::WrongKind { field, given, accepted } => {
            format!("{}: {given} was given; a value of the kind \"{accepted}\" is accepted.", name(field))
        }
        Error::TooLong { field, given, max } => format!(
            "{}: {} bytes were given; at most {} are accepted.",
            name(field),
            format_count(*given),
            format_count(*max)
        ),
        Error::FutureVersion { given, newest } => format!(
            "The link's version (\"v\") is \"{given}\"; versions up to {newest} are accepted. What could be understood was taken."
        ),
        Error::BadEncoding { field, given } => format!(
            "{}: \"{given}\" was given; after each % two hexadecimal digits of UTF-8 text are accepted.",
            name(field)
        ),
        Error::Hub { id, hub, trouble } => hub::trouble(*trouble, id, hub, Lang::En),
        Error::TooLarge => {
            "Each value is accepted by itself, but together they need more than an exbibyte; smaller values are accepted.".to_owned()
        }
        other => other.to_string(),
    }
}

fn chinese(error: &Error) -> String {
    let name = |field: &Field| field_name(field, Lang::Zh);
    match error {
        Error::OutOfRange { field, given, min, max } => format!(
            "{}：给出的是“{given}”，应为 {} 到 {} 之间的整数。",
            name(field),
            format_count(*min),
            format_count(*max)
        ),
        Error::UnknownChoice { field, given, accepted } | Error::Unsupported { field, given, accepted } => {
            let accepted = listed(accepted, "、");
            let reason = reason(field, given).map_or("", |word| word.in_lang(Lang::Zh));
            format!("{}：给出的是“{given}”，可选值为 {accepted}。{reason}", name(field))
        }
        Error::Missing { field } => format!("缺少 {}，且它没有默认值。", name(field)),
        Error::Doubled { field } => format!("{} 出现了两次，以第一个值为准。", name(field)),
        Error::NotDivisible { field, given, by, divisor } => format!(
            "{}：给出的是 {}，应为 {}（{}）的整数倍。",
            name(field),
            format_count(*given),
            name(by),
            format_count(*divisor)
        ),
        Error::DoesNotDivide { field, given, of, value, below, above } => {
            let nearest = nearest(*below, *above, "、");
            let (given, value) = (format_count(*given), format_count(*value));
            format!(
                "{}：给出的是 {given}，不能整除 {}（{value}）；最接近的可用值：{nearest}。",
                name(field),
                name(of)
            )
        }
        Error::NotJson { line, column } => {
            format!("这不是 JSON：解析到第 {line} 行第 {column} 列时中断。")
        }
        Error::WrongKind { field, given, accepted } => {
            format!("{}：给出的是 {given}，应为 {}。", name(field), kind_in_chinese(accepted))
        }
        Error::TooLong { field, given, max } => format!(
            "{}：给出了 {} 字节，最多接受 {} 字节。",
            name(field),
            format_count(*given),
            format_count(*max)
        ),
        Error::FutureVersion { given, newest } => {
            format!("链接的版本（\"v\"）是“{given}”，目前支持到 {newest}；能识别的内容均已采用。")
        }
        Error::BadEncoding { field, given } => {
            format!(
                "{}：给出的是“{given}”，每个 % 之后应为两位十六进制数字，且解码后为 UTF-8 文本。",
                name(field)
            )
        }
        Error::Hub { id, hub, trouble } => hub::trouble(*trouble, id, hub, Lang::Zh),
        Error::TooLarge => "各个值单独看都可接受，但合起来需要超过 1 EiB 的显存，请改用较小的值。".to_owned(),
        other => other.to_string(),
    }
}

fn kind_in_chinese(accepted: &str) -> &str {
    match accepted {
        "object" => "JSON 对象",
        "owner/name" => "“所有者/名称”，如 Qwen/Qwen3-8B",
        "https://…" => "以 https:// 开头的地址",
        "readable file" => "可读取的文件",
        "tensor" => "带 dtype、shape 与 data_offsets 的张量",
        "file name" => "不含路径的文件名",
        "true or false" => "true 或 false",
        "bytes for each parameter, up to 1024" => "每参数字节数，不超过 1024",
        "number from 0 to 1" => "0 到 1 之间的数",
        other => other,
    }
}
