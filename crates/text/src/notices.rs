//! What a reader has to know of an answer beside its figures.

use vram_core::Field;
use vram_core::notice::Notice;

use crate::{Lang, field_name};

/// The sentence of a notice.
pub const fn notice(notice: Notice, lang: Lang) -> &'static str {
    match notice {
        Notice::GenericDecoder => lang.pick(
            "This model's family is not known here: it was read by its keys as a decoder like Llama. What its own code does otherwise is not counted.",
            "未知的模型系列：按其配置中的字段当作类 Llama 的解码器估算，其自身代码的不同之处没有计入。",
        ),
        Notice::UnfusedScan => lang.pick(
            "Layers with a state (gated delta net, Mamba, Mamba-2) are counted as transformers runs them in plain PyTorch. With the fused kernels of flash-linear-attention, mamba-ssm and causal-conv1d less is kept.",
            "带状态的层（门控 DeltaNet、Mamba、Mamba-2）按 transformers 的纯 PyTorch 实现估算；安装 flash-linear-attention、mamba-ssm、causal-conv1d 的融合内核后，保留的激活会更少。",
        ),
    }
}

/// Which choices no run of the code itself has shown ([`vram_core::evidence::derived`]); nothing where all of them were.
pub fn derived(choices: &[(&'static str, String)], lang: Lang) -> Option<String> {
    let named = |(key, choice): &(&'static str, String)| match lang {
        Lang::En => format!("{}: {choice}", field_name(&Field::new(key), lang)),
        Lang::Zh => format!("{}：{choice}", field_name(&Field::new(key), lang)),
    };
    let named: Vec<String> = choices.iter().map(named).collect();
    (!named.is_empty()).then(|| match lang {
        Lang::En => format!("Derived from the code, not measured: {}.", named.join("; ")),
        Lang::Zh => format!("由源代码推导，未经实测：{}。", named.join("；")),
    })
}
