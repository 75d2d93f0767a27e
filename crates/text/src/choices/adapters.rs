//! Names of the choices of parameter-efficient training.

use vram_core::scenario::{AdapterDtype, BaseDtype, LoraTargets};

use crate::Lang;

/// Which linear layers have an adapter.
pub const fn lora_targets(targets: LoraTargets, lang: Lang) -> &'static str {
    match targets {
        LoraTargets::QueryValue => lang.pick("q and v (or the fused projection)", "q 与 v（或融合的投影）"),
        LoraTargets::Attention => lang.pick("attention's projections", "注意力的各投影"),
        LoraTargets::AllLinear => lang.pick("all linear layers", "所有线性层"),
    }
}

/// Dtype of the adapters.
pub const fn adapter_dtype(dtype: AdapterDtype, lang: Lang) -> &'static str {
    match dtype {
        AdapterDtype::Fp32 => lang.pick("fp32 (PEFT's default)", "fp32（PEFT 默认）"),
        AdapterDtype::Bf16 => lang.pick("bf16 (TRL's QLoRA)", "bf16（TRL 的 QLoRA）"),
        AdapterDtype::Base => lang.pick("as the weights", "与权重相同"),
    }
}

/// Dtype of the frozen weights.
pub const fn base_dtype(dtype: BaseDtype, lang: Lang) -> &'static str {
    match dtype {
        BaseDtype::Recipe => lang.pick("as the precision says", "按精度设置"),
        BaseDtype::Bf16 => lang.pick("bf16", "bf16"),
    }
}
