//! What the configuration classes of decoders take where a key is absent.

use crate::model::Family;

/// What differs between the configuration classes of families whose keys are the same.
pub(super) struct Defaults {
    pub(super) vocabulary: u32,
    pub(super) hidden: u32,
    pub(super) ffn: u32,
    pub(super) layers: u32,
    pub(super) heads: u32,
    pub(super) kv_heads: Option<u32>,
    pub(super) head_dim: Option<u32>,
    pub(super) tied: bool,
    pub(super) window: Option<u32>,
}

pub(super) const fn defaults(family: Family) -> Defaults {
    let llama = Defaults {
        vocabulary: 32_000,
        hidden: 4096,
        ffn: 11_008,
        layers: 32,
        heads: 32,
        kv_heads: None,
        head_dim: None,
        tied: false,
        window: None,
    };
    match family {
        Family::Llama
        | Family::Granite
        | Family::Gpt2
        | Family::Bert
        | Family::Roberta
        | Family::DistilBert
        | Family::ModernBert
        | Family::Vit
        | Family::ClipVision
        | Family::T5 => llama,
        Family::GptNeox => {
            Defaults { vocabulary: 50_432, hidden: 6144, ffn: 24_576, layers: 44, heads: 64, ..llama }
        }
        Family::Mistral => Defaults { ffn: 14_336, kv_heads: Some(8), window: Some(4096), ..llama },
        Family::Qwen2 => {
            Defaults { vocabulary: 151_936, ffn: 22_016, kv_heads: Some(32), window: Some(4096), ..llama }
        }
        Family::Qwen3 => Defaults {
            vocabulary: 151_936,
            ffn: 22_016,
            kv_heads: Some(32),
            head_dim: Some(128),
            window: Some(4096),
            ..llama
        },
        Family::Mixtral => Defaults { ffn: 14_336, kv_heads: Some(8), ..llama },
        Family::Qwen3Moe => Defaults {
            vocabulary: 151_936,
            hidden: 2048,
            ffn: 6144,
            layers: 24,
            kv_heads: Some(4),
            window: Some(4096),
            ..llama
        },
        Family::Olmoe => {
            Defaults { vocabulary: 50_304, hidden: 2048, ffn: 2048, layers: 16, heads: 16, ..llama }
        }
        Family::Olmo2 => Defaults { vocabulary: 50_304, ..llama },
        Family::Starcoder2 => Defaults {
            vocabulary: 49_152,
            hidden: 3072,
            ffn: 12_288,
            layers: 30,
            heads: 24,
            kv_heads: Some(2),
            tied: true,
            ..llama
        },
        Family::DeepseekV2 => Defaults { vocabulary: 102_400, ..llama },
        Family::Phi3 => Defaults { vocabulary: 32_064, hidden: 3072, ffn: 8192, ..llama },
        Family::Gemma2 | Family::Gemma3Text => Defaults {
            vocabulary: if matches!(family, Family::Gemma2) { 256_000 } else { 262_208 },
            hidden: 2304,
            ffn: 9216,
            layers: 26,
            heads: 8,
            kv_heads: Some(4),
            head_dim: Some(256),
            tied: true,
            window: Some(4096),
        },
    }
}
