//! Names of the choices of parameter-efficient training.

use vram_core::scenario::{
    AdapterDtype, AdapterMethod, BaseDtype, ExpertTargets, LoraTargets, ModulesToSave,
};

use crate::Lang;

/// What is trained beside a frozen model.
pub const fn adapter_method(method: AdapterMethod, lang: Lang) -> &'static str {
    match method {
        AdapterMethod::Lora => "LoRA",
        AdapterMethod::RsLora => lang.pick("rsLoRA (the memory of LoRA)", "rsLoRA（显存与 LoRA 相同）"),
        AdapterMethod::Dora => "DoRA",
        AdapterMethod::Vera => "VeRA",
        AdapterMethod::Ia3 => lang.pick("(IA)³", "(IA)³"),
        AdapterMethod::Prefix => lang.pick("prefix tuning", "前缀微调（prefix tuning）"),
        AdapterMethod::Prompt => lang.pick("prompt tuning", "提示微调（prompt tuning）"),
    }
}

/// Matrices of all experts that have adapters.
pub const fn expert_targets(targets: ExpertTargets, lang: Lang) -> &'static str {
    match targets {
        ExpertTargets::None => lang.pick("none", "无"),
        ExpertTargets::Up => "gate_up_proj",
        ExpertTargets::Down => "down_proj",
        ExpertTargets::Both => "gate_up_proj, down_proj",
    }
}

/// Modules of which a copy is trained.
pub const fn modules_to_save(saves: ModulesToSave, lang: Lang) -> &'static str {
    match saves {
        ModulesToSave::None => lang.pick("nothing", "无"),
        ModulesToSave::Embedding => "embed_tokens",
        ModulesToSave::Head => "lm_head",
        ModulesToSave::Both => "embed_tokens, lm_head",
    }
}

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
