//! What a reader has to know of an answer beside its figures.

use vram_core::notice::Notice;

use crate::Lang;

/// The sentence of a notice.
pub const fn notice(notice: Notice, lang: Lang) -> &'static str {
    match notice {
        Notice::GenericDecoder => lang.pick(
            "This model's family is not known here: it was read by its keys as a decoder like Llama. What its own code does otherwise is not counted.",
            "未知的模型系列：按其配置中的字段当作类 Llama 的解码器估算，其自身代码的不同之处没有计入。",
        ),
    }
}
