//! Optimizers as golden files say them.

use serde_json::Value;
use vram_core::scenario::{Ema, Optimizer, OptimizerSettings};
use vram_core::units::Count;

/// The rank of projected gradients in the runs that have any.
const RANK: u32 = 64;

/// The golden files' words for optimizers: those of bitsandbytes and torchao have their classes' names.
pub(super) fn optimizer(word: &str) -> Option<Optimizer> {
    use Optimizer as O;
    Some(match word {
        "adamw_default" | "adam_weight_decay" => O::AdamWForeach,
        "bnb_AdamW8bit" => O::AdamW8bit,
        "bnb_PagedAdamW8bit" => O::PagedAdamW8bit,
        "bnb_AdamW" => O::AdamW32bit,
        "bnb_PagedAdamW" | "bnb_PagedAdamW32bit" => O::PagedAdamW32bit,
        "bnb_Lion8bit" => O::Lion8bit,
        "bnb_PagedLion8bit" => O::PagedLion8bit,
        "bnb_Lion" => O::Lion32bit,
        "bnb_AdEMAMix8bit" => O::AdEmaMix8bit,
        "bnb_PagedAdEMAMix8bit" => O::PagedAdEmaMix8bit,
        "bnb_AdEMAMix" => O::AdEmaMix32bit,
        "bnb_SGD8bit" => O::Sgd8bit,
        "bnb_RMSprop8bit" => O::RmsProp8bit,
        "bnb_Adagrad8bit" => O::Adagrad8bit,
        "bnb_SGD" => O::Sgd32bit,
        "bnb_RMSprop" => O::RmsProp32bit,
        "bnb_Adagrad" => O::Adagrad32bit,
        "bnb_LAMB" => O::Lamb32bit,
        "bnb_LARS" => O::Lars32bit,
        "ao_AdamW8bit" => O::AoAdamW8bit,
        "ao_AdamW4bit" => O::AoAdamW4bit,
        "ao_AdamWFp8" => O::AoAdamWFp8,
        "galore_adamw8bit" => O::GaLore8bit,
        other => return super::parallel::zero1(other).or_else(|| O::from_key(other)),
    })
}

/// The optimizer that runs inside backward.
pub(super) fn in_backward(variant: &Value) -> Option<Optimizer> {
    match variant["opt_in_bwd"].as_str()? {
        "foreach" => Some(Optimizer::AdamWForeach),
        "fused" => Some(Optimizer::AdamWFused),
        _ => None,
    }
}

/// What the runs' optimizers were told where it isn't a library's default.
pub(super) fn settings(run: &Value, settings: &mut OptimizerSettings) {
    settings.in_backward = in_backward(&run["variant"]).is_some();
    if run["variant"]["ema"] == "torch" {
        settings.ema = Ema::Weights;
    }
    let word = run["train"]["optimizer"].as_str().unwrap_or_default();
    if word.starts_with("galore") || word.starts_with("apollo") {
        settings.rank = Count::new(RANK);
    }
}
