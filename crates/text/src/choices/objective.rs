//! Names of objectives.

use vram_core::scenario::{LogProbs, Objective};

use crate::Lang;

/// Objective and reference model.
pub const fn objective(objective: Objective, lang: Lang) -> &'static str {
    match objective {
        Objective::CausalLm => lang.pick("none: next-token loss", "无：下一 token 损失"),
        Objective::DpoNoReference => {
            lang.pick("DPO, reference log-probabilities precomputed", "DPO，参考对数概率已预先算好")
        }
        Objective::DpoReferenceFp32 => {
            lang.pick("DPO, reference on the GPU in fp32", "DPO，参考模型在 GPU 上（fp32）")
        }
        Objective::DpoReferenceBf16 => {
            lang.pick("DPO, reference on the GPU in bf16", "DPO，参考模型在 GPU 上（bf16）")
        }
        Objective::DpoReferenceAdapter => {
            lang.pick("DPO, the model without its adapters as reference", "DPO，以关闭适配器的模型自身为参考")
        }
        Objective::DpoReferenceCpu => lang.pick("DPO, reference on the CPU", "DPO，参考模型在 CPU 上"),
    }
}

/// How DPO gets its log-probabilities.
pub const fn log_probs(log_probs: LogProbs, lang: Lang) -> &'static str {
    match log_probs {
        LogProbs::Selective => lang.pick("row by row (TRL)", "逐行计算（TRL）"),
        LogProbs::SelectiveFp32 => lang.pick("row by row, on fp32 logits", "逐行计算，logits 先转 fp32"),
        LogProbs::LogSoftmax => {
            lang.pick("one log_softmax of all logits", "对全部 logits 做一次 log_softmax")
        }
    }
}
