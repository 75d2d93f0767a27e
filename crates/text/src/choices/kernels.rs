//! Names of implementations: of the loss, of norms, MLPs and rotary positions.

use vram_core::scenario::{Compile, Fused, LossKernel, Shift};

use crate::Lang;

/// How logits and cross entropy are computed.
pub const fn loss_kernel(loss: LossKernel, lang: Lang) -> &'static str {
    match loss {
        LossKernel::Eager => {
            lang.pick("eager (transformers: logits in fp32)", "eager（transformers：fp32 logits）")
        }
        LossKernel::NoUpcast => lang.pick("eager, without the upcast", "eager，不转 fp32"),
        LossKernel::Chunked => lang.pick("chunked (torchtune)", "分块（torchtune）"),
        LossKernel::ChunkedCompiled => {
            lang.pick("chunked and compiled (torchtune)", "分块并编译（torchtune）")
        }
        LossKernel::RecomputedChunks => {
            lang.pick("checkpointed chunks of head and loss", "输出层与损失分块，逐块重计算")
        }
        LossKernel::Compiled => lang.pick("compiled cross entropy", "编译的交叉熵"),
        LossKernel::CompiledLinear => {
            lang.pick("head and cross entropy compiled together", "输出层与交叉熵一起编译")
        }
        LossKernel::TrlTiles => lang.pick("tiles of logits (TRL)", "logits 分片（TRL）"),
        LossKernel::Liger => lang.pick("Liger cross entropy", "Liger 交叉熵"),
        LossKernel::TransformerEngine => {
            lang.pick("Transformer Engine (Megatron-LM)", "Transformer Engine（Megatron-LM）")
        }
        LossKernel::LigerFusedLinear => {
            lang.pick("Liger fused linear cross entropy", "Liger 融合输出层与交叉熵")
        }
        LossKernel::CutCrossEntropy => {
            lang.pick("cut cross-entropy (Apple; derived)", "cut cross-entropy（Apple；推导所得）")
        }
        LossKernel::LastTokens => lang.pick("logits of the last tokens only", "只算末尾若干 token 的 logits"),
    }
}

/// A module's own code, or a library's kernel.
pub const fn fused(kernel: Fused, lang: Lang) -> &'static str {
    match kernel {
        Fused::Model => lang.pick("the model's own", "模型自带"),
        Fused::Liger => "Liger",
    }
}

/// What is moved by one token.
pub const fn shift(shift: Shift, lang: Lang) -> &'static str {
    match shift {
        Shift::Labels => lang.pick("labels", "标签"),
        Shift::Logits => lang.pick("logits, as a copy", "logits（复制一份）"),
        Shift::WideLogits => {
            lang.pick("logits made fp32 first, as a copy", "先转为 fp32 的 logits（复制一份）")
        }
    }
}

/// What is compiled.
pub const fn compile(compile: Compile, lang: Lang) -> &'static str {
    match compile {
        Compile::Off => lang.pick("off", "关闭"),
        Compile::Layers => lang.pick("each decoder layer", "逐层编译"),
        Compile::Model => lang.pick("the whole model with its loss", "整个模型（含损失）"),
    }
}
