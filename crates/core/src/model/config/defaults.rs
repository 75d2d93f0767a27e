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

#[expect(clippy::too_many_lines, reason = "a table, a family a row")]
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
        | Family::GraniteMoe
        | Family::Gpt2
        | Family::GptBigCode
        | Family::Opt
        | Family::Falcon
        | Family::Bloom
        | Family::Bert
        | Family::Roberta
        | Family::DistilBert
        | Family::ModernBert
        | Family::Vit
        | Family::ClipVision
        | Family::T5
        | Family::Mamba
        | Family::FalconMamba
        | Family::Whisper
        | Family::Mamba2
        | Family::Generic => llama,
        Family::GptNeox => {
            Defaults { vocabulary: 50_432, hidden: 6144, ffn: 24_576, layers: 44, heads: 64, ..llama }
        }
        Family::Mistral | Family::Ministral => {
            Defaults { ffn: 14_336, kv_heads: Some(8), window: Some(4096), ..llama }
        }
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
        Family::Gemma => Defaults {
            vocabulary: 256_000,
            hidden: 3072,
            ffn: 24_576,
            layers: 28,
            heads: 16,
            kv_heads: Some(16),
            head_dim: Some(256),
            tied: true,
            window: None,
        },
        Family::Phi => Defaults { vocabulary: 51_200, hidden: 2048, ffn: 8192, layers: 24, ..llama },
        Family::Smollm3 => Defaults {
            vocabulary: 128_256,
            hidden: 2048,
            layers: 36,
            heads: 16,
            kv_heads: Some(4),
            tied: true,
            ..llama
        },
        Family::Glm | Family::Glm4 => Defaults {
            vocabulary: 151_552,
            ffn: 13_696,
            layers: 40,
            kv_heads: Some(2),
            head_dim: Some(128),
            ..llama
        },
        Family::Cohere => Defaults {
            vocabulary: 256_000,
            hidden: 8192,
            ffn: 22_528,
            layers: 40,
            heads: 64,
            tied: true,
            ..llama
        },
        Family::Cohere2 => Defaults {
            vocabulary: 256_000,
            hidden: 8192,
            ffn: 22_528,
            layers: 40,
            heads: 64,
            tied: true,
            window: Some(4096),
            ..llama
        },
        Family::StableLm => {
            Defaults { vocabulary: 50_304, hidden: 2560, ffn: 6912, kv_heads: Some(32), ..llama }
        }
        Family::Olmo3 => Defaults { vocabulary: 50_304, window: Some(4096), ..llama },
        Family::Exaone4 => {
            Defaults { vocabulary: 102_400, ffn: 16_384, kv_heads: Some(32), window: Some(4096), ..llama }
        }
        Family::Ernie45 => Defaults {
            vocabulary: 103_424,
            hidden: 1024,
            ffn: 3072,
            layers: 18,
            heads: 16,
            kv_heads: Some(2),
            head_dim: Some(128),
            tied: true,
            window: None,
        },
        Family::HunyuanDense => Defaults { vocabulary: 290_943, ..llama },
        Family::Ministral3 => Defaults {
            vocabulary: 131_072,
            ffn: 14_336,
            layers: 34,
            kv_heads: Some(8),
            head_dim: Some(128),
            ..llama
        },
        Family::SeedOss => Defaults {
            vocabulary: 155_136,
            ffn: 27_648,
            layers: 64,
            heads: 80,
            kv_heads: Some(8),
            head_dim: Some(128),
            ..llama
        },
        Family::Nemotron => Defaults { vocabulary: 256_000, hidden: 6144, ffn: 24_576, heads: 48, ..llama },
        Family::Arcee => Defaults { hidden: 2560, ffn: 18_432, ..llama },
        Family::Helium => Defaults {
            vocabulary: 48_000,
            hidden: 2560,
            ffn: 7040,
            layers: 24,
            heads: 20,
            kv_heads: Some(20),
            head_dim: Some(128),
            ..llama
        },
        Family::Phimoe => Defaults { vocabulary: 32_064, ffn: 6400, kv_heads: Some(8), ..llama },
        Family::Jamba => Defaults { vocabulary: 65_536, ffn: 14_336, kv_heads: Some(8), ..llama },
        Family::Qwen3Next => Defaults {
            vocabulary: 151_936,
            hidden: 2048,
            ffn: 5632,
            layers: 48,
            heads: 16,
            kv_heads: Some(2),
            head_dim: Some(256),
            ..llama
        },
        Family::Qwen2Moe => Defaults {
            vocabulary: 151_936,
            hidden: 2048,
            ffn: 5632,
            layers: 24,
            heads: 16,
            kv_heads: Some(16),
            window: Some(4096),
            ..llama
        },
        Family::DeepseekV3 => {
            Defaults { vocabulary: 129_280, hidden: 7168, ffn: 18_432, layers: 61, heads: 128, ..llama }
        }
        Family::Glm4Moe => {
            Defaults { vocabulary: 151_552, ffn: 10_944, layers: 46, heads: 96, kv_heads: Some(8), ..llama }
        }
        Family::GptOss => Defaults {
            vocabulary: 201_088,
            hidden: 2880,
            ffn: 2880,
            layers: 36,
            heads: 64,
            kv_heads: Some(8),
            head_dim: Some(64),
            window: Some(128),
            ..llama
        },
        Family::Llama4Text => Defaults {
            vocabulary: 202_048,
            hidden: 5120,
            ffn: 16_384,
            layers: 48,
            heads: 40,
            kv_heads: Some(8),
            head_dim: Some(128),
            ..llama
        },
        Family::MinimaxM2 => Defaults {
            vocabulary: 200_064,
            hidden: 3072,
            ffn: 1536,
            layers: 62,
            heads: 48,
            kv_heads: Some(8),
            head_dim: Some(128),
            ..llama
        },
        Family::Olmo | Family::Olmo2 => Defaults { vocabulary: 50_304, ..llama },
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
