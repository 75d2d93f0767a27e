//! Which modelling file runs, and what in it depends on memory.

/// Which of Hugging Face's modelling files runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `llama`
    Llama,
    /// `mistral`
    Mistral,
    /// `qwen2`
    Qwen2,
    /// `qwen3`
    Qwen3,
    /// `phi3`
    Phi3,
    /// `gemma2`
    Gemma2,
    /// `gemma3_text`
    Gemma3Text,
    /// `gpt2`
    Gpt2,
    /// `gpt_bigcode`
    GptBigCode,
    /// `opt`
    Opt,
    /// `falcon`
    Falcon,
    /// `bloom`
    Bloom,
    /// `gpt_neox`
    GptNeox,
    /// `mixtral`
    Mixtral,
    /// `qwen3_moe`
    Qwen3Moe,
    /// `olmoe`
    Olmoe,
    /// `deepseek_v2`
    DeepseekV2,
    /// `bert`
    Bert,
    /// `roberta`, `xlm-roberta`, `camembert`
    Roberta,
    /// `distilbert`
    DistilBert,
    /// `modernbert`
    ModernBert,
    /// `vit`
    Vit,
    /// `clip_vision_model`, a tower in front of a language model; no model of its own.
    ClipVision,
    /// `t5`
    T5,
    /// `whisper`
    Whisper,
    /// `granite`
    Granite,
    /// `olmo2`
    Olmo2,
    /// `starcoder2`
    Starcoder2,
    /// `gemma`
    Gemma,
    /// `phi`
    Phi,
    /// `smollm3`
    Smollm3,
    /// `glm`
    Glm,
    /// `glm4`
    Glm4,
    /// `cohere`
    Cohere,
    /// `cohere2`
    Cohere2,
    /// `stablelm`
    StableLm,
    /// `olmo`
    Olmo,
    /// `olmo3`
    Olmo3,
    /// `exaone4`
    Exaone4,
    /// `ernie4_5`
    Ernie45,
    /// `hunyuan_v1_dense`
    HunyuanDense,
    /// `ministral`
    Ministral,
    /// `ministral3`
    Ministral3,
    /// `seed_oss`
    SeedOss,
    /// `nemotron`
    Nemotron,
    /// `arcee`
    Arcee,
    /// `helium`
    Helium,
    /// `qwen2_moe`
    Qwen2Moe,
    /// `deepseek_v3`
    DeepseekV3,
    /// `glm4_moe`
    Glm4Moe,
    /// `gpt_oss`
    GptOss,
    /// `llama4_text`
    Llama4Text,
    /// `granitemoe`
    GraniteMoe,
    /// `minimax_m2`
    MinimaxM2,
    /// `phimoe`
    Phimoe,
    /// `qwen3_next`
    Qwen3Next,
    /// `mamba`
    Mamba,
    /// `falcon_mamba`
    FalconMamba,
    /// `mamba2`
    Mamba2,
    /// `jamba`
    Jamba,
    /// A decoder of no known family, read by its keys as `llama` is.
    Generic,
}

impl Family {
    /// Every family, in the order in which they are listed to readers.
    pub const ALL: [Self; 60] = [
        Self::Llama,
        Self::Mistral,
        Self::Qwen2,
        Self::Qwen3,
        Self::Phi3,
        Self::Gemma2,
        Self::Gemma3Text,
        Self::Gpt2,
        Self::GptBigCode,
        Self::Opt,
        Self::Falcon,
        Self::Bloom,
        Self::GptNeox,
        Self::Mixtral,
        Self::Qwen3Moe,
        Self::Olmoe,
        Self::DeepseekV2,
        Self::Bert,
        Self::Roberta,
        Self::DistilBert,
        Self::ModernBert,
        Self::Vit,
        Self::T5,
        Self::Whisper,
        Self::Granite,
        Self::Olmo2,
        Self::Starcoder2,
        Self::Gemma,
        Self::Phi,
        Self::Smollm3,
        Self::Glm,
        Self::Glm4,
        Self::Cohere,
        Self::Cohere2,
        Self::StableLm,
        Self::Olmo,
        Self::Olmo3,
        Self::Exaone4,
        Self::Ernie45,
        Self::HunyuanDense,
        Self::Ministral,
        Self::Ministral3,
        Self::SeedOss,
        Self::Nemotron,
        Self::Arcee,
        Self::Helium,
        Self::Qwen2Moe,
        Self::DeepseekV3,
        Self::Glm4Moe,
        Self::GptOss,
        Self::Llama4Text,
        Self::GraniteMoe,
        Self::MinimaxM2,
        Self::Phimoe,
        Self::Qwen3Next,
        Self::Mamba,
        Self::FalconMamba,
        Self::Mamba2,
        Self::Jamba,
        Self::Generic,
    ];

    /// The `model_type` of `config.json`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Phi3 => "phi3",
            Self::Gemma2 => "gemma2",
            Self::Gemma3Text => "gemma3_text",
            Self::Gpt2 => "gpt2",
            Self::GptBigCode => "gpt_bigcode",
            Self::Opt => "opt",
            Self::Falcon => "falcon",
            Self::Bloom => "bloom",
            Self::GptNeox => "gpt_neox",
            Self::Mixtral => "mixtral",
            Self::Qwen3Moe => "qwen3_moe",
            Self::Olmoe => "olmoe",
            Self::DeepseekV2 => "deepseek_v2",
            Self::Bert => "bert",
            Self::Roberta => "roberta",
            Self::DistilBert => "distilbert",
            Self::ModernBert => "modernbert",
            Self::Vit => "vit",
            Self::ClipVision => "clip_vision_model",
            Self::T5 => "t5",
            Self::Whisper => "whisper",
            Self::Granite => "granite",
            Self::Olmo2 => "olmo2",
            Self::Starcoder2 => "starcoder2",
            Self::Gemma => "gemma",
            Self::Phi => "phi",
            Self::Smollm3 => "smollm3",
            Self::Glm => "glm",
            Self::Glm4 => "glm4",
            Self::Cohere => "cohere",
            Self::Cohere2 => "cohere2",
            Self::StableLm => "stablelm",
            Self::Olmo => "olmo",
            Self::Olmo3 => "olmo3",
            Self::Exaone4 => "exaone4",
            Self::Ernie45 => "ernie4_5",
            Self::HunyuanDense => "hunyuan_v1_dense",
            Self::Ministral => "ministral",
            Self::Ministral3 => "ministral3",
            Self::SeedOss => "seed_oss",
            Self::Nemotron => "nemotron",
            Self::Arcee => "arcee",
            Self::Helium => "helium",
            Self::Qwen2Moe => "qwen2_moe",
            Self::DeepseekV3 => "deepseek_v3",
            Self::Glm4Moe => "glm4_moe",
            Self::GptOss => "gpt_oss",
            Self::Llama4Text => "llama4_text",
            Self::GraniteMoe => "granitemoe",
            Self::MinimaxM2 => "minimax_m2",
            Self::Phimoe => "phimoe",
            Self::Qwen3Next => "qwen3_next",
            Self::Mamba => "mamba",
            Self::FalconMamba => "falcon_mamba",
            Self::Mamba2 => "mamba2",
            Self::Jamba => "jamba",
            Self::Generic => "generic",
        }
    }

    /// The family of a `model_type`.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.key() == key)
    }
}

/// How a layer's input is normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NormKind {
    /// `LlamaRMSNorm`: statistics in fp32, back to the input's dtype, then the weight.
    Rms,
    /// `Olmo2RMSNorm`: all in fp32, the weight too, back to the input's dtype at the end.
    RmsWide,
    /// `T5LayerNorm`: the mean square in fp32, the product with the input, back to the weight's dtype, then the weight.
    T5,
    /// `Gemma2RMSNorm`: all in fp32 with `1 + weight`, back to the input's dtype at the end.
    RmsGemma,
    /// `torch.nn.LayerNorm`, with weight and bias.
    LayerNorm,
    /// The same with a weight alone.
    LayerNormWithoutBias,
    /// A layer norm with `1 + weight`, in autocast's dtype (`NemotronLayerNorm1P`).
    LayerNormOnePlus,
    /// The same without weight and bias, in fp32, back to the input's dtype (`OlmoLayerNorm`).
    LayerNormPlain,
    /// A layer norm written out in fp32, with a weight and no bias (`CohereLayerNorm`).
    Centred,
}

impl NormKind {
    /// Whether there is a weight.
    pub const fn has_weight(self) -> bool {
        !matches!(self, Self::LayerNormPlain)
    }

    /// Whether there is a bias.
    pub const fn has_bias(self) -> bool {
        matches!(self, Self::LayerNorm | Self::LayerNormOnePlus)
    }
}

/// The MLP's activation function, as far as memory depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Activation {
    /// One kernel that saves its input: `silu`, `gelu`, `gelu_pytorch_tanh`.
    OneKernel,
    /// `relu`, which saves its output.
    Relu,
    /// `relu2`: the square of `relu` (`ReLUSquaredActivation`), which saves what is squared.
    Relu2,
    /// The tanh formula written out in Python (`gelu_new`: `NewGELUActivation`), which saves each step.
    NewGelu,
    /// `x * sigmoid(1.702 * x)` in Python (`QuickGELUActivation`).
    QuickGelu,
}

impl Activation {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::OneKernel, Self::Relu, Self::Relu2, Self::NewGelu, Self::QuickGelu];
    /// The words of all kinds, in the same order.
    pub const KEYS: &'static [&'static str] = &["one_kernel", "relu", "relu2", "gelu_new", "quick_gelu"];

    /// The kind that a word names.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|activation| activation.key() == key)
    }

    /// The word that a link and a scenario file use.
    pub const fn key(self) -> &'static str {
        match self {
            Self::OneKernel => "one_kernel",
            Self::Relu => "relu",
            Self::Relu2 => "relu2",
            Self::NewGelu => "gelu_new",
            Self::QuickGelu => "quick_gelu",
        }
    }
}
