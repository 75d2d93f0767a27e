//! Words of the panel "How accurate is this".

use crate::Lang;

/// What was compared, and how close it is at the peak: median, 95 in 100, all.
pub fn how_it_is_known(runs: usize, expressed: usize, peak: &[String; 3], lang: Lang) -> String {
    let [median, p95, max] = peak;
    match lang {
        Lang::En => format!(
            "PyTorch's own code ran {runs} training steps, and its allocator was asked. {expressed} of them can be expressed here. At the peak, half are off by at most {median}, 95 in 100 by at most {p95}, the worst by {max}."
        ),
        Lang::Zh => format!(
            "用 PyTorch 自己的代码运行了 {runs} 个训练步，并读取其分配器的统计。其中 {expressed} 个可以在这里表达。峰值误差：中位数 {median}，95% 的情形不超过 {p95}，最差 {max}。"
        ),
    }
}

/// The columns of the groups.
pub const fn group_columns(lang: Lang) -> [&'static str; 7] {
    match lang {
        Lang::En => [
            "Kind of run",
            "Expressed",
            "Peak, median",
            "Peak, worst",
            "Allocated, worst",
            "Reserved, median",
            "Reserved, 95 %",
        ],
        Lang::Zh => [
            "运行类型",
            "可表达",
            "峰值中位误差",
            "峰值最大误差",
            "已分配最大误差",
            "已保留中位误差",
            "已保留 95% 误差",
        ],
    }
}

/// A kind of run, by the name that the golden files give it, in words.
pub fn group(name: &str, lang: Lang) -> &str {
    let (en, zh) = match name {
        "older stack" => ("older versions (torch 2.6)", "旧版本（torch 2.6）"),
        "v26" => ("FSDP2, older versions (torch 2.6)", "FSDP2，旧版本（torch 2.6）"),
        "BERT, GPT-NeoX, T5" => (name, "BERT、GPT-NeoX、T5"),
        "experts, latent attention" => (name, "混合专家、潜在注意力"),
        "eager attention" => (name, "eager 注意力"),
        "settings at random" => ("small models, settings at random", "随机设置的小模型"),
        "padding mask" => (name, "填充掩码"),
        "recurrent layers" => (name, "循环层"),
        "accumulation and zeroing" => ("gradient accumulation, zero_grad", "梯度累积与清零时机"),
        "held outputs, accelerate" => {
            ("outputs held, autocast of accelerate", "保留输出、accelerate 的 autocast")
        }
        "dense decoders, SDPA, full fine-tuning" => (name, "稠密解码器，SDPA，全参数微调"),
        "frozen in part" => ("partly frozen models", "部分冻结的模型"),
        "other adapters" => (name, "其他适配器"),
        "other families" => ("other model families", "其他模型系列"),
        "modules to save" => ("modules_to_save beside adapters", "适配器外另训练的模块（modules_to_save）"),
        "prefix tuning" => (name, "前缀微调"),
        "LoRA on experts" => (name, "专家上的 LoRA"),
        "MeZO" => (name, name),
        "qlora" => ("QLoRA and other quantised bases", "QLoRA 等量化基座"),
        "kernels" => ("losses and fused kernels", "损失与融合内核"),
        "liger" => ("Liger kernels", "Liger 内核"),
        "loss" => ("chunked and compiled losses", "分块或编译的损失"),
        "compile" => ("torch.compile", "torch.compile"),
        "compiled and checkpointed" => ("torch.compile with checkpointing", "torch.compile 与激活检查点"),
        "objectives" => ("preference, reward and other objectives", "偏好、奖励等训练目标"),
        "rl" => ("GRPO", "GRPO"),
        "gen" => ("generation", "生成"),
        "opts" => ("other optimizers", "其他优化器"),
        "oib" => ("optimizer step in backward", "反向中更新参数"),
        "ga" => ("FSDP2 with gradient accumulation", "FSDP2 与梯度累积"),
        "rank" => ("FSDP2, last rank", "FSDP2，最后一个 rank"),
        "ddp" => ("DDP", "DDP"),
        "fsdp1" => ("FSDP1", "FSDP1"),
        "fsdp2" => ("FSDP2", "FSDP2"),
        "deepspeed" => ("DeepSpeed ZeRO", "DeepSpeed ZeRO"),
        "ds" => ("DeepSpeed ZeRO, large models", "DeepSpeed ZeRO，大模型"),
        "tensor parallel" => ("tensor parallelism", "张量并行"),
        "tp" => ("tensor parallelism, large models", "张量并行，大模型"),
        "pp" => ("pipeline parallelism", "流水线并行"),
        "cp" => ("context parallelism", "上下文并行"),
        "Megatron-LM on B200" => (name, "Megatron-LM（B200）"),
        other => (other, other),
    };
    lang.pick(en, zh)
}

/// Above the worst runs.
pub const fn worst(lang: Lang) -> &'static str {
    lang.pick("The worst runs at the peak:", "峰值误差最大的运行：")
}

/// The columns of the worst runs.
pub const fn worst_columns(lang: Lang) -> [&'static str; 2] {
    match lang {
        Lang::En => ["Run", "Error"],
        Lang::Zh => ["运行", "误差"],
    }
}

/// Above the runs on real GPUs.
pub fn on_real_gpus(runs: usize, expressed: usize, lang: Lang) -> String {
    match lang {
        Lang::En => format!(
            "Others published the memory of {runs} runs on real GPUs, one or several, with everything that it depends on. {expressed} of them can be expressed; the others use fused losses, quantised weights or models that are not read yet."
        ),
        Lang::Zh => format!(
            "另有 {runs} 个公开的单卡或多卡实测运行，其配置完整。其中 {expressed} 个可以表达；其余的用了融合损失、量化权重，或尚不支持的模型。"
        ),
    }
}

/// The columns of the runs on real GPUs.
pub const fn measured_columns(lang: Lang) -> [&'static str; 4] {
    match lang {
        Lang::En => ["Run", "Allocated", "Resident", "On the device"],
        Lang::Zh => ["运行", "已分配", "常驻", "设备占用"],
    }
}

/// Above the reasons why runs can't be expressed.
pub const fn not_expressed(lang: Lang) -> &'static str {
    lang.pick(
        "What can't be expressed yet, and how many runs need it:",
        "尚不能表达的内容，以及涉及的运行数：",
    )
}
