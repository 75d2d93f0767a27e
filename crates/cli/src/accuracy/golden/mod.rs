//! Golden files: runs of PyTorch with what they allocated, and the scenario that says the same.

mod adapters;
mod freezing;
mod kernels;
mod megatron;
mod objective;
mod optimizer;
mod parallel;
mod quantised;

use serde_json::Value;
use vram_core::model::{Model, from_config};
use vram_core::scenario::{
    Attention, AutocastScope, Checkpointing, Held, KvCache, LogProbs, Optimizer, Padding, Recipe, Stack,
    ZeroGrad,
};
use vram_core::units::Count;
use vram_core::{Error, Field, Scenario};
use vram_text::{Lang, error_sentence};

pub(super) use megatron::{MEGATRON, stages};

use super::FIGURES;
use crate::failure::{Failure, read};

/// Why a run can't be expressed as a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported(pub String);

/// A run of a golden file.
#[derive(Clone, Debug)]
pub struct Golden {
    /// Its identifier.
    pub id: String,
    /// Model, precision and shape, for reading.
    pub label: String,
    /// What kind of run it is.
    pub group: String,
    /// The same as a scenario.
    pub scenario: Result<Scenario, Unsupported>,
    /// What was measured, in bytes, in the order of [`FIGURES`].
    pub measured: [Option<u64>; FIGURES.len()],
}

/// Reads a golden file, a run a line.
///
/// # Errors
/// [`Failure::File`]; [`Failure::Input`] for a line that is no JSON.
pub fn read_file(path: &str) -> Result<Vec<Golden>, Failure> {
    let runs = lines(path)?;
    Ok(runs.iter().flat_map(|run| stages(run).unwrap_or_else(|| vec![Golden::of(run)])).collect())
}

/// A JSON value a line.
pub(super) fn lines(path: &str) -> Result<Vec<Value>, Failure> {
    let text = read(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| {
                Failure::Input(vec![Error::NotJson { line: index as u64 + 1, column: error.column() as u64 }])
            })
        })
        .collect()
}

impl Golden {
    /// One figure, where it was measured.
    pub(super) fn figure(&self, figure: &str) -> Option<u64> {
        FIGURES.iter().zip(self.measured).find(|(name, _)| **name == figure).and_then(|(_, bytes)| bytes)
    }

    fn of(run: &Value) -> Self {
        let (train, text) = (&run["train"], |value: &Value| value.as_str().unwrap_or("?").to_owned());
        let label = format!(
            "{} · {} · {} · {} × {}",
            text(if run["model"].is_null() { &run["config"]["model_type"] } else { &run["model"] }),
            text(&train["precision"]),
            text(&train["optimizer"]),
            train["micro_batch"],
            train["seq_len"]
        );
        Self {
            id: text(&run["id"]),
            label,
            group: group(run),
            scenario: scenario(run),
            measured: measured(run),
        }
    }
}

fn measured(run: &Value) -> [Option<u64>; FIGURES.len()] {
    let (figures, rank) = (&run["measured"], &run["measured"]["per_rank"]);
    let step = &figures["phase_peaks_requested"]["step2"];
    let first = |a: &Value, b: &Value| a.as_u64().or(b.as_u64());
    // A run that only generates has one phase; what stands at the others is that phase once more.
    let is_training = run["variant"]["generate"].is_null();
    let later = |phase: &Value| phase.as_u64().filter(|_| is_training);
    // A pipeline's schedule is forward and backward in one.
    let is_apart = run["parallel"]["kind"] != "pp";
    [
        first(&figures["param_bytes"], &rank["param_local"]),
        // DeepSpeed empties `.grad` when it has copied a gradient into a buffer of its own.
        first(&figures["grad_bytes"], &rank["grad_local"]).filter(|_| run["parallel"]["kind"] != "deepspeed"),
        first(&figures["optstate_bytes"], &rank["optstate_local"]),
        step["fwd"].as_u64().filter(|_| is_apart),
        later(&step["bwd"]).filter(|_| is_apart),
        later(&step["opt"]),
        figures["peak_requested"].as_u64(),
        figures["peak_allocated"].as_u64(),
        // Where collectives end at once it is only a lower bound.
        figures["peak_reserved"].as_u64().filter(|_| run["parallel"].is_null()),
    ]
}

/// The groups of the summary, from the run's own fields.
fn group(run: &Value) -> String {
    if let Some(group) = run["group"].as_str() {
        return group.to_owned();
    }
    let train = &run["train"];
    let family = run["config"]["model_type"].as_str().unwrap_or_default();
    let is_decoder = vram_core::model::Family::from_key(family).is_some();
    let is_default = |key: &str, default: &str| train[key].as_str().unwrap_or(default) == default;
    let group = if stack(run) != Some(Stack::Current) {
        "older stack"
    } else if run["parallel"]["kind"] == "pp" {
        "pp"
    } else if !train["peft"].is_null() || train["lora"]["dora"] == true {
        "other adapters"
    } else if !train["lora"].is_null() {
        "LoRA"
    } else if !train["freeze"].is_null() {
        "frozen in part"
    } else if !train["dpo"].is_null() {
        "DPO"
    } else if matches!(family, "bert" | "gpt_neox" | "t5") {
        "BERT, GPT-NeoX, T5"
    } else if family == "whisper" {
        "Whisper"
    } else if matches!(family, "mixtral" | "qwen3_moe" | "olmoe" | "deepseek_v2" | "phimoe") {
        "experts, latent attention"
    } else if matches!(family, "qwen3_next" | "mamba" | "falcon_mamba" | "mamba2" | "jamba") {
        "recurrent layers"
    } else if !is_decoder {
        "other families"
    } else if train["attention"] == "eager" {
        "eager attention"
    } else if !train["padding_mask"].is_null() {
        "padding mask"
    } else if train["grad_accum"].as_u64() > Some(1) || !is_default("zero_grad", "after_step") {
        "accumulation and zeroing"
    } else if train["keep_outputs"] == true || train["autocast_style"] == "accelerate" {
        "held outputs, accelerate"
    } else {
        "dense decoders, SDPA, full fine-tuning"
    };
    group.to_owned()
}

/// The stack that a run's torch belongs to.
fn stack(run: &Value) -> Option<Stack> {
    match run["stack"]["torch"].as_str()? {
        torch if torch.starts_with("2.15") => Some(Stack::Current),
        torch if torch.starts_with("2.6") => Some(Stack::Torch26),
        _ => None,
    }
}

/// The scenario that says the same as the run.
fn scenario(run: &Value) -> Result<Scenario, Unsupported> {
    let train = &run["train"];
    refuse_what_has_no_field(run)?;
    let architecture =
        from_config(&run["config"].to_string()).map_err(|error| Unsupported(unsupported(&error)))?;
    let mut scenario = Scenario { model: Model { preset: None, architecture }, ..Scenario::default() };
    scenario.parallel = parallel::parallel(run)?;
    scenario.stack = stack(run).unwrap_or(Stack::Current);
    scenario.micro_batch = number(train, "micro_batch")?;
    scenario.sequence_length = number(train, "seq_len")?;
    scenario.gradient_accumulation = number(train, "grad_accum")?;
    if let Some([one, count]) = parallel::micro_batches(run)? {
        (scenario.micro_batch, scenario.gradient_accumulation) = (one, count);
    }
    scenario.recipe = choice(train, "precision", Recipe::from_key)?;
    scenario.optimizer = match optimizer::in_backward(&run["variant"]) {
        Some(optimizer) => optimizer,
        None => optimizer_of(train)?,
    };
    if scenario.zero_stage().is_some() && scenario.recipe == Recipe::Bf16 {
        // DeepSpeed's engine has fp32 master weights.
        scenario.recipe = Recipe::Bf16Master;
    }
    optimizer::settings(run, &mut scenario.optimizer_settings);
    scenario.attention = choice(train, "attention", Attention::from_key)?;
    scenario.kernels = kernels::kernels(&run["variant"])?;
    scenario.checkpointing = choice(train, "checkpointing", checkpointing)?;
    kernels::checkpointing(&run["variant"], &mut scenario)?;
    scenario.zero_grad = choice(train, "zero_grad", ZeroGrad::from_key)?;
    scenario.freezing = freezing::freezing(&train["freeze"])?;
    scenario.objective = objective::objective(run, scenario.model.architecture.family)?;
    scenario.lora = adapters::lora(train, scenario.model.architecture.family)?;
    scenario.log_probs = word(&train["dpo"]["logps"], LogProbs::Selective, objective::log_probs)?;
    scenario.padding = word(&train["padding_mask"], Padding::None, padding)?;
    scenario.autocast_scope = word(&train["autocast_style"], AutocastScope::Step, autocast_scope)?;
    scenario.held = if train["keep_outputs"] == true { Held::Outputs } else { Held::Loss };
    scenario.kv_cache = if train["use_cache"] == true { KvCache::Filled } else { KvCache::Off };
    if !train["images"].is_null() {
        scenario.vision.images = number(train, "images")?;
    }
    scenario.vision.frozen_tower = frozen_tower(&train["frozen"])?;
    quantised::apply(run, &mut scenario)?;
    if !train["layers"].is_null() {
        scenario.model.architecture.layers = number(train, "layers")?;
    }
    if train["dropout"].as_f64() == Some(0.0) {
        scenario.model.architecture.embedding_dropout = false;
        scenario.model.architecture.residual_dropout = false;
        scenario.model.architecture.attention_dropout = false;
    }
    Ok(scenario)
}

/// Of what the kit freezes by part, the vision tower.
fn frozen_tower(frozen: &Value) -> Result<bool, Unsupported> {
    match frozen.as_array().map(Vec::as_slice) {
        None | Some([]) => Ok(false),
        Some([part]) if part == "vision_tower" => Ok(true),
        Some(_) => Err(Unsupported(format!("frozen {frozen}"))),
    }
}

fn unsupported(error: &Error) -> String {
    match error {
        Error::Unsupported { field, given, .. } => format!("{} {given}", field.key()),
        other => error_sentence(other, Lang::En),
    }
}

fn refuse_what_has_no_field(run: &Value) -> Result<(), Unsupported> {
    let train = &run["train"];
    let refused = [
        (stack(run).is_none(), "stack"),
        (
            run["mode"]
                .as_str()
                .is_some_and(|mode| !matches!(mode, "plain" | "special" | "qlora" | "ds" | "pp" | "cp")),
            "mode",
        ),
        (train["dropout"].as_f64().is_some_and(|p| p > 0.0), "dropout"),
    ];
    match refused.iter().find(|(is_refused, _)| *is_refused) {
        Some((_, what)) => Err(Unsupported((*what).to_owned())),
        None => Ok(()),
    }
}

fn number(train: &Value, key: &'static str) -> Result<Count, Unsupported> {
    let given = train[key].to_string();
    vram_core::link::count(Field::new(key), &given, (1, u32::MAX))
        .map_err(|_| Unsupported(format!("{key} {given}")))
}

/// Runs that train nothing have no optimizer.
fn optimizer_of(train: &Value) -> Result<Optimizer, Unsupported> {
    if train["optimizer"] == "none" {
        Ok(Optimizer::Sgd)
    } else {
        choice(train, "optimizer", optimizer::optimizer)
    }
}

fn choice<T>(
    train: &Value,
    key: &'static str,
    from_key: impl Fn(&str) -> Option<T>,
) -> Result<T, Unsupported> {
    let given = train[key].as_str().unwrap_or_default();
    from_key(given).ok_or_else(|| Unsupported(format!("{key} {given}")))
}

fn checkpointing(word: &str) -> Option<Checkpointing> {
    match word {
        "off" => Some(Checkpointing::Off),
        "nonreentrant" => Some(Checkpointing::Layers),
        "reentrant" => Some(Checkpointing::LayersReentrant),
        _ => None,
    }
}

/// A word that may be absent.
fn word<T>(value: &Value, absent: T, from_word: impl Fn(&str) -> Option<T>) -> Result<T, Unsupported> {
    match value.as_str() {
        None => Ok(absent),
        Some(given) => from_word(given).ok_or_else(|| Unsupported(given.to_owned())),
    }
}

fn padding(word: &str) -> Option<Padding> {
    match word {
        "ones" => Some(Padding::Ones),
        "pad" => Some(Padding::Padded),
        _ => None,
    }
}

fn autocast_scope(word: &str) -> Option<AutocastScope> {
    match word {
        "lightning" => Some(AutocastScope::Step),
        "accelerate" => Some(AutocastScope::Model),
        _ => None,
    }
}
