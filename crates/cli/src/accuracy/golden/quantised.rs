//! A quantised base as golden files say it: the section `quant` of a run.

use serde_json::Value;
use vram_core::Scenario;
use vram_core::scenario::{
    AdapterDtype, AdapterMethod, BaseDtype, DataParallel, GradientSync, Lora, Quantisation, QuantisedBase,
    Recipe,
};
use vram_core::units::Count;

use super::adapters::targets;
use super::{Unsupported, choice, number};

/// Gives the scenario the run's adapters and base. What isn't quantised is bf16 unless the run says otherwise.
pub(super) fn apply(run: &Value, scenario: &mut Scenario) -> Result<(), Unsupported> {
    let quant = &run["quant"];
    if quant.is_null() {
        return Ok(());
    }
    if !matches!(run["train"]["base_dtype"].as_str(), None | Some("bfloat16")) {
        return Err(Unsupported("base_dtype".to_owned()));
    }
    scenario.recipe = if quant["autocast"] == true { Recipe::Bf16Mixed } else { Recipe::Bf16 };
    scenario.lora = Lora {
        rank: Some(if quant["r"].is_null() { Count::new(16) } else { number(quant, "r")? }),
        method: if quant["dora"] == true { AdapterMethod::Dora } else { AdapterMethod::Lora },
        targets: targets(&quant["targets"], scenario.model.architecture.family)?,
        dropout: quant["dropout"].as_f64().is_some_and(|p| p > 0.0),
        adapters: if quant["adapters"] == "bf16" { AdapterDtype::Bf16 } else { AdapterDtype::Fp32 },
        base: BaseDtype::Bf16,
        ..Lora::default()
    };
    if !quant["fsdp"].is_null() {
        scenario.parallel.gpus = number(quant, "world_size")?;
        scenario.parallel.data = choice(quant, "fsdp", DataParallel::from_key)?;
        scenario.parallel.sync = GradientSync::EveryMicroBatch;
    }
    scenario.quantisation = Quantisation {
        base: choice(quant, "quant", QuantisedBase::from_key)?,
        double: quant["dq"] != false,
        prepared: quant["kbit"] == true,
        ..Quantisation::default()
    };
    Ok(())
}
