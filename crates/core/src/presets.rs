//! Models that can be chosen by name: Hugging Face's `config.json` of each, with what memory depends on.

use crate::error::Error;
use crate::model::{Architecture, Model, from_config};

/// A model that can be chosen by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Identifier such as `phi-3-mini-4k-instruct`.
    pub id: &'static str,
    /// Name as its makers write it.
    pub name: &'static str,
    /// The repository on the Hugging Face hub whose `config.json` it is.
    pub source: &'static str,
    /// The licence that the repository states.
    pub licence: &'static str,
    /// The `config.json`.
    pub config: &'static str,
}

impl Preset {
    /// Its dimensions.
    ///
    /// # Errors
    /// Those of [`from_config`]; the tests read every preset.
    pub fn architecture(&self) -> Result<Architecture, Error> {
        from_config(self.config)
    }

    /// The same as part of a scenario.
    ///
    /// # Errors
    /// Those of [`from_config`]; the tests read every preset.
    pub fn model(&self) -> Result<Model, Error> {
        Ok(Model { preset: Some(self.id.to_owned()), architecture: self.architecture()? })
    }
}

/// A row of the table; the file is named after the identifier.
macro_rules! presets {
    ($($id:literal, $name:literal, $source:literal, $licence:literal;)+) => {
        &[$(Preset {
            id: $id,
            name: $name,
            source: $source,
            licence: $licence,
            config: include_str!(concat!("../../../assets/models/", $id, ".json")),
        },)+]
    };
}

const PRESETS: &[Preset] = presets! {
    "phi-3-mini-4k-instruct", "Phi-3-mini-4k-instruct", "microsoft/Phi-3-mini-4k-instruct", "MIT";
    "phi-3-medium-4k-instruct", "Phi-3-medium-4k-instruct", "microsoft/Phi-3-medium-4k-instruct", "MIT";
    "llama-2-7b", "Llama-2-7B", "meta-llama/Llama-2-7b-hf", "Llama 2 Community License";
    "llama-3.1-8b", "Llama-3.1-8B", "meta-llama/Llama-3.1-8B", "Llama 3.1 Community License";
    "llama-3.1-70b", "Llama-3.1-70B", "meta-llama/Llama-3.1-70B", "Llama 3.1 Community License";
    "llama-3.2-1b", "Llama-3.2-1B", "meta-llama/Llama-3.2-1B", "Llama 3.2 Community License";
    "llama-3.2-3b", "Llama-3.2-3B", "meta-llama/Llama-3.2-3B", "Llama 3.2 Community License";
    "mistral-7b-v0.1", "Mistral-7B-v0.1", "mistralai/Mistral-7B-v0.1", "Apache-2.0";
    "qwen2.5-0.5b", "Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B", "Apache-2.0";
    "qwen2.5-7b", "Qwen2.5-7B", "Qwen/Qwen2.5-7B", "Apache-2.0";
    "qwen2.5-14b", "Qwen2.5-14B", "Qwen/Qwen2.5-14B", "Apache-2.0";
    "qwen3-8b", "Qwen3-8B", "Qwen/Qwen3-8B", "Apache-2.0";
    "gemma-2-2b", "Gemma-2-2B", "google/gemma-2-2b", "Gemma Terms of Use";
    "gemma-3-1b", "Gemma-3-1B", "google/gemma-3-1b-pt", "Gemma Terms of Use";
    "gpt2", "GPT-2", "openai-community/gpt2", "MIT";
    "pythia-1.4b", "Pythia-1.4B", "EleutherAI/pythia-1.4b", "Apache-2.0";
    "bert-base-uncased", "BERT base", "google-bert/bert-base-uncased", "Apache-2.0";
    "t5-base", "T5 base", "google-t5/t5-base", "Apache-2.0";
    "mixtral-8x7b", "Mixtral-8x7B", "mistralai/Mixtral-8x7B-v0.1", "Apache-2.0";
    "qwen3-30b-a3b", "Qwen3-30B-A3B", "Qwen/Qwen3-30B-A3B", "Apache-2.0";
    "olmoe-1b-7b", "OLMoE-1B-7B", "allenai/OLMoE-1B-7B-0924", "Apache-2.0";
    "deepseek-v2-lite", "DeepSeek-V2-Lite", "deepseek-ai/DeepSeek-V2-Lite", "DeepSeek Model License";
    "tinyllama-1.1b", "TinyLlama-1.1B", "TinyLlama/TinyLlama-1.1B-Chat-v1.0", "Apache-2.0";
};

/// Every model that can be chosen by name.
pub const fn all() -> &'static [Preset] {
    PRESETS
}

/// The model with that identifier.
pub fn find(id: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.id == id)
}
