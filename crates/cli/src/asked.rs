//! The scenario that was asked for: a link or a file, then flags on top of it.

use std::path::Path;

use clap::Args;
use serde_json::Value;
use vram_core::link::{self, Reading};
use vram_core::model::{Model, from_config};
use vram_core::{Error, Field, Scenario};

use crate::failure::{Failure, read};

/// How a scenario is given. Flags win over a link or a file, which win over the defaults.
#[derive(Args, Clone, Debug, Default)]
pub struct Asked {
    /// A link of the page, or its query
    #[arg(long, value_name = "URL", conflicts_with = "scenario")]
    pub link: Option<String>,
    /// A scenario as JSON: the keys of a link as an object; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<String>,
    /// A model by name (see `vram models`)
    #[arg(long)]
    pub model: Option<String>,
    /// A model's config.json, or the folder that holds it
    #[arg(long, value_name = "PATH", conflicts_with = "model")]
    pub config: Option<String>,
    /// Samples in one forward pass
    #[arg(short = 'b', long = "micro-batch", value_name = "N")]
    pub micro_batch: Option<String>,
    /// Tokens of each sequence
    #[arg(short = 's', long = "sequence-length", value_name = "N")]
    pub sequence_length: Option<String>,
    /// Micro-batches before an optimizer step
    #[arg(long = "gradient-accumulation", value_name = "N")]
    pub gradient_accumulation: Option<String>,
    /// fp32, bf16, bf16-mixed, fp16-mixed, bf16-master
    #[arg(long)]
    pub recipe: Option<String>,
    /// adamw_foreach, adamw_fused, adamw_8bit, sgd, lion, …
    #[arg(long)]
    pub optimizer: Option<String>,
    /// sdpa, eager
    #[arg(long)]
    pub attention: Option<String>,
    /// off, layers, `layers_reentrant`
    #[arg(long)]
    pub checkpointing: Option<String>,
    /// plain, `hf_trainer`, trl, lightning: sets the fields by which training loops differ
    #[arg(long)]
    pub trainer: Option<String>,
    /// after_step, before_backward
    #[arg(long = "zero-grad")]
    pub zero_grad: Option<String>,
    /// causal_lm, dpo, dpo_ref_fp32, dpo_ref_bf16, dpo_ref_adapter, dpo_ref_cpu
    #[arg(long)]
    pub objective: Option<String>,
    /// Rank of LoRA's adapters; 0: full fine-tuning
    #[arg(long = "lora-rank", value_name = "N")]
    pub lora_rank: Option<String>,
    /// `q_v`, attention, `all_linear`
    #[arg(long = "lora-targets")]
    pub lora_targets: Option<String>,
    /// 0, 1
    #[arg(long = "lora-dropout")]
    pub lora_dropout: Option<String>,
    /// fp32, base
    #[arg(long = "lora-dtype")]
    pub lora_dtype: Option<String>,
    /// recipe, bf16: dtype of the frozen weights below LoRA
    #[arg(long = "base-dtype")]
    pub base_dtype: Option<String>,
    /// selective, selective_fp32, log_softmax
    #[arg(long = "log-probs")]
    pub log_probs: Option<String>,
    /// none, ones, padded
    #[arg(long)]
    pub padding: Option<String>,
    /// step, model
    #[arg(long = "autocast-scope")]
    pub autocast_scope: Option<String>,
    /// loss, outputs
    #[arg(long)]
    pub held: Option<String>,
    /// off, filled
    #[arg(long = "kv-cache")]
    pub kv_cache: Option<String>,
    /// current, torch_2.6: the versions of torch and transformers
    #[arg(long)]
    pub stack: Option<String>,
    /// A GPU by name (see `vram gpus`)
    #[arg(long)]
    pub gpu: Option<String>,
    /// The GPU's memory in MiB, as nvidia-smi reports it
    #[arg(long = "gpu-mib", value_name = "MIB")]
    pub gpu_mib: Option<String>,
}

impl Asked {
    /// The scenario.
    ///
    /// # Errors
    /// [`Failure::Input`] with every field that could not be taken; [`Failure::File`].
    pub fn scenario(&self) -> Result<Scenario, Failure> {
        let mut scenario = self.base()?;
        let mut problems = Vec::new();
        if let Some(path) = &self.config {
            scenario.model = Model { preset: None, architecture: from_config(&read(&config_path(path))?)? };
        }
        for (key, value) in self.flags() {
            if let Some(value) = value
                && let Err(error) = link::set(&mut scenario, key, value)
            {
                problems.push(error);
            }
        }
        link::forget_name_of_other_dimensions(&mut scenario);
        problems.extend(scenario.validate().err());
        if problems.is_empty() { Ok(scenario) } else { Err(Failure::Input(problems)) }
    }

    fn base(&self) -> Result<Scenario, Failure> {
        let reading = match (&self.link, &self.scenario) {
            (Some(link), _) => link::read(link),
            (None, Some(path)) => from_json(&read(path)?)?,
            (None, None) => return Ok(Scenario::default()),
        };
        if reading.problems.is_empty() { Ok(reading.scenario) } else { Err(Failure::Input(reading.problems)) }
    }

    fn flags(&self) -> [(&'static str, Option<&String>); 24] {
        [
            ("model", self.model.as_ref()),
            ("b", self.micro_batch.as_ref()),
            ("s", self.sequence_length.as_ref()),
            ("accumulation", self.gradient_accumulation.as_ref()),
            ("recipe", self.recipe.as_ref()),
            ("optimizer", self.optimizer.as_ref()),
            ("attention", self.attention.as_ref()),
            ("checkpointing", self.checkpointing.as_ref()),
            ("trainer", self.trainer.as_ref()),
            ("zero_grad", self.zero_grad.as_ref()),
            ("objective", self.objective.as_ref()),
            ("lora_rank", self.lora_rank.as_ref()),
            ("lora_targets", self.lora_targets.as_ref()),
            ("lora_dropout", self.lora_dropout.as_ref()),
            ("lora_dtype", self.lora_dtype.as_ref()),
            ("base_dtype", self.base_dtype.as_ref()),
            ("log_probs", self.log_probs.as_ref()),
            ("padding", self.padding.as_ref()),
            ("autocast_scope", self.autocast_scope.as_ref()),
            ("held", self.held.as_ref()),
            ("kv_cache", self.kv_cache.as_ref()),
            ("stack", self.stack.as_ref()),
            ("gpu", self.gpu.as_ref()),
            ("gpu_mib", self.gpu_mib.as_ref()),
        ]
    }
}

fn config_path(path: &str) -> String {
    let folder = Path::new(path);
    if folder.is_dir() { folder.join("config.json").to_string_lossy().into_owned() } else { path.to_owned() }
}

/// A scenario file: an object with the keys of a link.
///
/// # Errors
/// [`Error::NotJson`], [`Error::WrongKind`]; unknown keys and bad values are problems of the reading.
pub fn from_json(text: &str) -> Result<Reading, Error> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| Error::NotJson { line: error.line() as u64, column: error.column() as u64 })?;
    let Value::Object(object) = value else {
        let given = Error::shown(&value.to_string());
        return Err(Error::WrongKind { field: Field::new("scenario"), given, accepted: "object" });
    };
    let fields: Vec<(String, String)> = object
        .into_iter()
        .map(|(key, value)| match value {
            Value::String(text) => (key, text),
            other => (key, other.to_string()),
        })
        .collect();
    let mut reading = link::from_fields(&fields);
    let unknown = fields.iter().filter(|(key, _)| key != "v" && !link::keys().any(|known| known == key));
    reading.problems.extend(unknown.map(|(key, _)| Error::UnknownChoice {
        field: Field::new("key"),
        given: Error::shown(key),
        accepted: link::keys().collect(),
    }));
    Ok(reading)
}
