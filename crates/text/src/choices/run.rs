//! Names of the choices of the run: precision, kernels, training loop.

use vram_core::scenario::{
    Attention, AutocastScope, Checkpointing, Held, KvCache, Padding, Recipe, Stack, Trainer, ZeroGrad,
};

use crate::Lang;

/// A precision recipe.
pub const fn recipe(recipe: Recipe, lang: Lang) -> &'static str {
    match recipe {
        Recipe::Fp32 => lang.pick("fp32", "fp32"),
        Recipe::Bf16 => lang.pick("pure bf16", "纯 bf16"),
        Recipe::Bf16Mixed => lang.pick("bf16-mixed: fp32 + autocast", "bf16-mixed：fp32 权重 + autocast"),
        Recipe::Fp16Mixed => lang.pick("fp16-mixed: fp32 + autocast", "fp16-mixed：fp32 权重 + autocast"),
        Recipe::FsdpMixed => lang
            .pick("FSDP mixed precision: fp32 shards, bf16 compute", "FSDP 混合精度：fp32 分片，bf16 计算"),
        Recipe::Bf16Master => lang.pick("bf16 with fp32 master weights", "bf16 + fp32 主权重"),
    }
}

/// An implementation of attention.
pub const fn attention(attention: Attention, lang: Lang) -> &'static str {
    match attention {
        Attention::Sdpa => lang.pick("SDPA (flash or memory-efficient)", "SDPA（flash 或 memory-efficient）"),
        Attention::Eager => lang.pick("eager (scores as tensors)", "eager（分数矩阵显式存储）"),
    }
}

/// Activation checkpointing.
pub const fn checkpointing(checkpointing: Checkpointing, lang: Lang) -> &'static str {
    match checkpointing {
        Checkpointing::Off => lang.pick("off", "关闭"),
        Checkpointing::Layers => lang.pick("every layer", "逐层"),
        Checkpointing::LayersReentrant => {
            lang.pick("every layer (use_reentrant=True)", "逐层（use_reentrant=True）")
        }
        Checkpointing::EveryKth => lang.pick("every k-th layer", "每 k 层一个检查点"),
        Checkpointing::FirstK => lang.pick("the first k layers", "前 k 层"),
        Checkpointing::SelectiveOps => lang.pick(
            "selective (keeps attention and every other matmul)",
            "选择性（保留注意力输出，矩阵乘每两个保留一个）",
        ),
        Checkpointing::SelectiveAttention => {
            lang.pick("selective (keeps attention's output)", "选择性（保留注意力的输出）")
        }
        Checkpointing::OffloadedInputs => {
            lang.pick("every layer, inputs on the CPU", "逐层，检查点输入放在 CPU")
        }
    }
}

/// When gradients are freed.
pub const fn zero_grad(zero_grad: ZeroGrad, lang: Lang) -> &'static str {
    match zero_grad {
        ZeroGrad::AfterStep => {
            lang.pick("after the step (plain loop, HF Trainer)", "step 之后（普通循环、HF Trainer）")
        }
        ZeroGrad::BeforeBackward => {
            lang.pick("before backward (PyTorch Lightning)", "backward 之前（PyTorch Lightning）")
        }
    }
}

/// The batch's attention mask.
pub const fn padding(padding: Padding, lang: Lang) -> &'static str {
    match padding {
        Padding::None => lang.pick("none: packed sequences", "无：序列已打包"),
        Padding::Ones => lang.pick("all ones: no padding", "全 1：没有填充"),
        Padding::Padded => lang.pick("masks padding", "掩去填充"),
    }
}

/// What autocast is entered around.
pub const fn autocast_scope(scope: AutocastScope, lang: Lang) -> &'static str {
    match scope {
        AutocastScope::Step => {
            lang.pick("forward and loss (plain loop, Lightning)", "前向与损失（普通循环、Lightning）")
        }
        AutocastScope::Model => lang.pick(
            "the model alone (accelerate, HF Trainer, TRL)",
            "只包住模型（accelerate、HF Trainer、TRL）",
        ),
    }
}

/// The versions of torch and transformers.
pub const fn stack(stack: Stack, lang: Lang) -> &'static str {
    match stack {
        Stack::Current => lang.pick("torch 2.15, transformers 5.23", "torch 2.15、transformers 5.23"),
        Stack::Torch26 => lang.pick("torch 2.6, transformers 4.51", "torch 2.6、transformers 4.51"),
    }
}

/// What is held through backward.
pub const fn held(held: Held, lang: Lang) -> &'static str {
    match held {
        Held::Loss => lang.pick("only the loss", "只有损失"),
        Held::Outputs => lang.pick("the model's outputs with the logits", "模型输出，含 logits"),
    }
}

/// The key-value cache.
pub const fn kv_cache(cache: KvCache, lang: Lang) -> &'static str {
    match cache {
        KvCache::Off => lang.pick("off", "关闭"),
        KvCache::Filled => lang.pick("filled (use_cache=True)", "写入（use_cache=True）"),
    }
}

/// A training loop.
pub const fn trainer(trainer: Trainer, lang: Lang) -> &'static str {
    match trainer {
        Trainer::Plain => lang.pick("plain loop, torchtune", "自写循环、torchtune"),
        Trainer::HuggingFace => lang.pick("Hugging Face Trainer", "Hugging Face Trainer"),
        Trainer::Trl => lang.pick("TRL", "TRL"),
        Trainer::Lightning => lang.pick("Lightning", "Lightning"),
    }
}
