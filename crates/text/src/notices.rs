//! What a reader has to know of an answer beside its figures.

use vram_core::link;
use vram_core::notice::Notice;

use crate::errors::field_words;
use crate::{Lang, choice, dimension};

/// The sentence of a notice.
pub const fn notice(notice: Notice, lang: Lang) -> &'static str {
    match notice {
        Notice::GenericDecoder => lang.pick(
            "This model's family is not known here: it was read by its keys as a decoder like Llama. What its own code does otherwise is not counted.",
            "未知的模型系列：按其配置中的字段当作类 Llama 的解码器估算，其自身代码的不同之处没有计入。",
        ),
        Notice::UnfusedScan => lang.pick(
            "Recurrent layers (gated delta net, Mamba, Mamba-2) are counted as transformers runs them in plain PyTorch. With the fused kernels of flash-linear-attention, mamba-ssm and causal-conv1d less is kept.",
            "循环层（门控 DeltaNet、Mamba、Mamba-2）按 transformers 的纯 PyTorch 实现估算；安装 flash-linear-attention、mamba-ssm、causal-conv1d 的融合内核后，保留的激活会更少。",
        ),
    }
}

/// Which choices no run of the code itself has shown ([`vram_core::evidence::derived`]); nothing where all of them were.
pub fn derived(choices: &[(&'static str, String)], lang: Lang) -> Option<String> {
    let named = |(key, given): &(&'static str, String)| {
        let known = link::words(key).iter().find(|&word| word == given);
        let said = known.and_then(|&word| choice(key, word, lang)).unwrap_or(given);
        let field = field_words(key, lang).map_or_else(|| dimension(key, lang), str::to_owned);
        match lang {
            Lang::En => format!("{field}: {said}"),
            Lang::Zh => format!("{field}：{said}"),
        }
    };
    let named: Vec<String> = choices.iter().map(named).collect();
    (!named.is_empty()).then(|| match lang {
        Lang::En => format!("Derived from the code, not measured: {}.", named.join("; ")),
        Lang::Zh => format!("由源代码推导，未经实测：{}。", named.join("；")),
    })
}
