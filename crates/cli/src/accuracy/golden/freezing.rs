//! What is frozen, as golden files say it (`tests/oracle/memory_oracle/freezing.py`).

use serde_json::Value;
use vram_core::scenario::{Freezing, FrozenLayers, TrainedKinds};
use vram_core::units::Count;

use super::{Unsupported, word};

pub(super) fn freezing(given: &Value) -> Result<Freezing, Unsupported> {
    if let Some(drawn) = given["drawn"].as_u64().and_then(|drawn| u32::try_from(drawn).ok()) {
        let layers = if given["kept"] == true { FrozenLayers::LisaKept } else { FrozenLayers::Lisa };
        return Ok(Freezing { layers, count: Count::new(drawn), ..Freezing::default() });
    }
    let frozen: Vec<u64> =
        given["layers"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    if !(0..).zip(&frozen).all(|(expected, &layer)| expected == layer) {
        return Err(Unsupported("layers that are frozen above others".to_owned()));
    }
    let default = Freezing::default();
    let count = u32::try_from(frozen.len()).ok().filter(|&count| count > 0).map(Count::new);
    Ok(Freezing {
        embedding: given["embedding"] == true,
        layers: if count.is_some() { FrozenLayers::First } else { FrozenLayers::None },
        count: count.unwrap_or(default.count),
        head: given["head"] == true,
        kinds: word(&given["only"], default.kinds, TrainedKinds::from_key)?,
    })
}
