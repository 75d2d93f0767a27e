//! Names of the choices of a quantised base.

use vram_core::scenario::QuantisedBase;

use crate::Lang;

/// How the frozen linear layers are held.
pub const fn quantised_base(base: QuantisedBase, lang: Lang) -> &'static str {
    match base {
        QuantisedBase::None => lang.pick("not quantised", "不量化"),
        QuantisedBase::Nf4 => lang.pick("NF4 (QLoRA)", "NF4（QLoRA）"),
        QuantisedBase::Fp4 => "FP4",
        QuantisedBase::Int8 => "LLM.int8()",
        QuantisedBase::Gptq => lang.pick("GPTQ, 4-bit", "GPTQ，4-bit"),
        QuantisedBase::Awq => lang.pick("AWQ, 4-bit", "AWQ，4-bit"),
    }
}
