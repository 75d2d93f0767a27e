//! Names of objectives, and of what belongs to them.

use vram_core::scenario::{Batching, Generation, GenerationCache, LogProbs, Objective, Place};

use crate::Lang;

/// Objective and reference model.
pub fn objective(objective: Objective, lang: Lang) -> &'static str {
    objective_word(objective.word(), lang)
}

/// The objective that a link's word names.
pub fn objective_word(word: &'static str, lang: Lang) -> &'static str {
    match word {
        "causal_lm" => {
            lang.pick("next-token prediction (pre-training, SFT)", "下一 token 预测（预训练、SFT）")
        }
        "masked_lm" => lang.pick("masked language modelling", "掩码语言建模"),
        "sequence_classification" => lang.pick("sequence classification", "序列分类"),
        "reward" => lang.pick("reward modelling (pairs)", "奖励建模（成对样本）"),
        "dpo" => lang.pick("DPO, reference log-probabilities precomputed", "DPO，参考对数概率已预先算好"),
        "dpo_ref_fp32" => lang.pick("DPO, reference on the GPU in fp32", "DPO，参考模型在 GPU 上（fp32）"),
        "dpo_ref_bf16" => lang.pick("DPO, reference on the GPU in bf16", "DPO，参考模型在 GPU 上（bf16）"),
        "dpo_ref_adapter" => {
            lang.pick("DPO, the model without its adapters as reference", "DPO，以关闭适配器的模型自身为参考")
        }
        "dpo_ref_cpu" => lang.pick("DPO, reference on the CPU", "DPO，参考模型在 CPU 上"),
        "ipo" => lang.pick("IPO (same tensors as DPO)", "IPO（张量与 DPO 相同）"),
        "kto" => "KTO",
        "orpo" => lang.pick("ORPO (no reference model)", "ORPO（不需要参考模型）"),
        "simpo" => lang.pick("SimPO (no reference model)", "SimPO（不需要参考模型）"),
        "cpo" => lang.pick(
            "CPO (SimPO plus the language-model loss of the chosen sequences)",
            "CPO（SimPO 加上 chosen 序列的语言模型损失）",
        ),
        "ppo" => lang.pick("PPO with a value model", "PPO，带价值模型"),
        "grpo" => "GRPO",
        "rloo" => lang.pick("RLOO (same tensors as GRPO)", "RLOO（张量与 GRPO 相同）"),
        "dapo" => lang.pick("DAPO (same tensors as GRPO)", "DAPO（张量与 GRPO 相同）"),
        "dr_grpo" => lang.pick("Dr. GRPO (same tensors as GRPO)", "Dr. GRPO（张量与 GRPO 相同）"),
        "gspo" => lang.pick("GSPO (same tensors as GRPO)", "GSPO（张量与 GRPO 相同）"),
        "distillation" => lang.pick("distillation from a teacher (GKD)", "从教师模型蒸馏（GKD）"),
        "generate" => lang.pick("generation only (no training)", "只生成（不训练）"),
        other => other,
    }
}

/// Where another model stands.
pub const fn place(place: Place, lang: Lang) -> &'static str {
    match place {
        Place::None => lang.pick("none, or precomputed", "没有，或已预先算好"),
        Place::Fp32 => lang.pick("on the GPU in fp32", "在 GPU 上（fp32）"),
        Place::Bf16 => lang.pick("on the GPU in bf16", "在 GPU 上（bf16）"),
        Place::Int8 => lang.pick("on the GPU in 8 bits", "在 GPU 上（8 位）"),
        Place::Nf4 => lang.pick("on the GPU in 4 bits (NF4)", "在 GPU 上（4 位 NF4）"),
        Place::Cpu => lang.pick("on the CPU", "在 CPU 上"),
        Place::Adapter => lang.pick("the model without its adapters", "关闭适配器的模型自身"),
    }
}

/// How samples of different lengths become a batch.
pub const fn batching(batching: Batching, lang: Lang) -> &'static str {
    match batching {
        Batching::Fixed => lang.pick("all at the sequence length", "一律为序列长度"),
        Batching::Longest => lang.pick("padded to the longest sample", "填充到最长样本"),
        Batching::Mean => lang.pick("as if all had the mean length", "都按平均长度计"),
        Batching::Packed => lang.pick("packed into the sequence length", "打包到序列长度"),
    }
}

/// Where completions are generated.
pub const fn generation(generation: Generation, lang: Lang) -> &'static str {
    match generation {
        Generation::Elsewhere => lang.pick("outside this process", "在本进程之外"),
        Generation::Policy => lang.pick("by the policy in this process", "由策略模型在本进程内生成"),
        Generation::Vllm => lang.pick("by vLLM in this process", "由本进程内的 vLLM 生成"),
        Generation::VllmSleep => {
            lang.pick("by vLLM in this process, asleep while training", "由本进程内的 vLLM 生成，训练时休眠")
        }
    }
}

/// The cache of generation.
pub const fn generation_cache(cache: GenerationCache, lang: Lang) -> &'static str {
    match cache {
        GenerationCache::Dynamic => lang.pick("dynamic: grows token by token", "动态：逐 token 增长"),
        GenerationCache::Static => {
            lang.pick("static: allocated in full at the start", "静态：一开始就完整分配")
        }
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
