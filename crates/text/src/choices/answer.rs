//! Names of the parts of an answer.

use vram_core::ledger::{Category, Instant};
use vram_core::model::Family;
use vram_core::ready::Ready;

use crate::Lang;

/// A category of entries.
pub const fn category(category: Category, lang: Lang) -> &'static str {
    match category {
        Category::Parameters => lang.pick("Weights", "权重"),
        Category::MasterWeights => lang.pick("Master weights", "主权重"),
        Category::Gradients => lang.pick("Gradients", "梯度"),
        Category::OptimizerStates => lang.pick("Optimizer states", "优化器状态"),
        Category::Activations => lang.pick("Activations", "激活"),
        Category::WeightCasts => lang.pick("Weight casts", "权重的 16 位副本"),
        Category::Temporaries => lang.pick("Temporaries", "临时张量"),
        Category::ReferenceModel => lang.pick("Reference model, others", "参考模型等"),
        Category::Communication => lang.pick("Gathered weights, buffers", "聚合的权重与通信缓冲"),
    }
}

/// A moment, as the label of a bar.
pub const fn instant(instant: Instant, lang: Lang) -> &'static str {
    match instant {
        Instant::Generation => lang.pick("Generation", "生成"),
        Instant::Scoring => lang.pick("Scoring", "打分"),
        Instant::Forward => lang.pick("Forward", "前向"),
        Instant::Loss => lang.pick("Loss", "损失"),
        Instant::BackwardHead => lang.pick("Backward, head", "反向：输出头"),
        Instant::BackwardFirstVisited => lang.pick("Backward, last layer", "反向：最后一层"),
        Instant::BackwardLastVisited => lang.pick("Backward, first layer", "反向：第一层"),
        Instant::BackwardEmbedding => lang.pick("Backward, embedding", "反向：嵌入层"),
        Instant::OptimizerStep => lang.pick("Optimizer step", "优化器 step"),
    }
}

/// A ready scenario, as the text of its link.
pub const fn ready(ready: Ready, lang: Lang) -> &'static str {
    match ready {
        Ready::ReferenceOnGpu => {
            lang.pick("the 62.6 GB estimate, reference on the GPU", "62.6 GB 的手算：参考模型在 GPU 上")
        }
        Ready::ReferenceOnCpu => {
            lang.pick("the 50.6 GB estimate, reference on the CPU", "50.6 GB 的手算：参考模型在 CPU 上")
        }
        Ready::Observed => lang.pick("the error at 76.72 GiB", "76.72 GiB 处的报错"),
    }
}

/// A family of models.
pub const fn family(family: Family) -> &'static str {
    family.key()
}

/// A moment, within a sentence.
pub const fn instant_in(instant: Instant, lang: Lang) -> &'static str {
    match instant {
        Instant::Generation => lang.pick("while completions are generated", "生成补全时"),
        Instant::Scoring => lang.pick("while completions are scored", "给补全打分时"),
        Instant::Forward => lang.pick("in the forward pass", "前向传播中"),
        Instant::Loss => lang.pick("at the loss", "计算损失时"),
        Instant::BackwardHead => lang.pick("in backward, at the head", "反向传播经过输出头时"),
        Instant::BackwardFirstVisited => {
            lang.pick("in backward, at the last layer", "反向传播经过最后一层时")
        }
        Instant::BackwardLastVisited => lang.pick("in backward, at the first layer", "反向传播经过第一层时"),
        Instant::BackwardEmbedding => lang.pick("in backward, at the embedding", "反向传播经过嵌入层时"),
        Instant::OptimizerStep => lang.pick("in the optimizer step", "优化器 step 中"),
    }
}
