//! Names of everything that can be chosen, and of the parts of an answer.

use vram_core::ledger::{Category, Instant};
use vram_core::model::Family;
use vram_core::ready::Ready;
use vram_core::scenario::{
    AdapterDtype, Attention, AutocastScope, BaseDtype, Checkpointing, Held, KvCache, LogProbs, LoraTargets,
    Objective, Optimizer, Padding, Recipe, Stack, Trainer, ZeroGrad,
};

use crate::Lang;

/// A precision recipe.
pub const fn recipe(recipe: Recipe, lang: Lang) -> &'static str {
    match recipe {
        Recipe::Fp32 => lang.pick("fp32", "fp32"),
        Recipe::Bf16 => lang.pick("pure bf16", "纯 bf16"),
        Recipe::Bf16Mixed => lang.pick("bf16-mixed: fp32 + autocast", "bf16-mixed：fp32 权重 + autocast"),
        Recipe::Fp16Mixed => lang.pick("fp16-mixed: fp32 + autocast", "fp16-mixed：fp32 权重 + autocast"),
        Recipe::Bf16Master => lang.pick("bf16 with fp32 master weights", "bf16 + fp32 主权重"),
    }
}

/// An optimizer.
pub const fn optimizer(optimizer: Optimizer, lang: Lang) -> &'static str {
    match optimizer {
        Optimizer::AdamWForeach => {
            lang.pick("AdamW (PyTorch's default, foreach)", "AdamW（PyTorch 默认，foreach）")
        }
        Optimizer::AdamWFused => lang.pick("AdamW, fused", "AdamW，fused"),
        Optimizer::AdamWForLoop => lang.pick("AdamW, for-loop", "AdamW，for-loop"),
        Optimizer::AdamAmsgrad => lang.pick("Adam with amsgrad", "Adam，amsgrad"),
        Optimizer::AdamW8bit => lang.pick("8-bit AdamW (bitsandbytes)", "8-bit AdamW（bitsandbytes）"),
        Optimizer::NAdam => "NAdam",
        Optimizer::RAdam => "RAdam",
        Optimizer::Adamax => "Adamax",
        Optimizer::Sgd => "SGD",
        Optimizer::SgdMomentum => lang.pick("SGD with momentum", "SGD，带动量"),
        Optimizer::SgdNesterov => {
            lang.pick("SGD with Nesterov momentum and weight decay", "SGD，Nesterov 动量 + 权重衰减")
        }
        Optimizer::RmsProp => "RMSprop",
        Optimizer::Adagrad => "Adagrad",
        Optimizer::Adadelta => "Adadelta",
        Optimizer::AdafactorTorch => lang.pick("Adafactor (PyTorch)", "Adafactor（PyTorch）"),
        Optimizer::AdafactorHf => lang.pick("Adafactor (transformers)", "Adafactor（transformers）"),
        Optimizer::Lion => "Lion",
        Optimizer::Muon => lang.pick("Muon, with AdamW for the rest", "Muon，其余参数用 AdamW"),
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

/// The batch's attention mask.
pub const fn padding(padding: Padding, lang: Lang) -> &'static str {
    match padding {
        Padding::None => lang.pick("none: packed sequences", "无：序列已打包"),
        Padding::Ones => lang.pick("all ones: nothing is padding", "全 1：没有填充"),
        Padding::Padded => lang.pick("hides padding", "遮住填充"),
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
        Category::ReferenceModel => lang.pick("Reference model", "参考模型"),
    }
}

/// A moment, as the label of a bar.
pub const fn instant(instant: Instant, lang: Lang) -> &'static str {
    match instant {
        Instant::Forward => lang.pick("Forward", "前向"),
        Instant::Loss => lang.pick("Loss", "损失"),
        Instant::BackwardHead => lang.pick("Backward, head", "反向：输出头"),
        Instant::BackwardFirstVisited => lang.pick("Backward, last layer", "反向：最后一层"),
        Instant::BackwardLastVisited => lang.pick("Backward, first layer", "反向：第一层"),
        Instant::BackwardEmbedding => lang.pick("Backward, embedding", "反向：嵌入层"),
        Instant::OptimizerStep => lang.pick("Optimizer step", "优化器 step"),
    }
}

/// A moment, within a sentence.
pub const fn instant_in(instant: Instant, lang: Lang) -> &'static str {
    match instant {
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

/// A training loop.
pub const fn trainer(trainer: Trainer, lang: Lang) -> &'static str {
    match trainer {
        Trainer::Plain => lang.pick("plain loop, torchtune", "自写循环、torchtune"),
        Trainer::HuggingFace => lang.pick("Hugging Face Trainer", "Hugging Face Trainer"),
        Trainer::Trl => lang.pick("TRL", "TRL"),
        Trainer::Lightning => lang.pick("Lightning", "Lightning"),
    }
}
