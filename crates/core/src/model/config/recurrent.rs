//! Layers that carry a state in place of attention.

use super::Config;
use crate::error::{Error, Field};
use crate::model::{Family, Mixer, Pattern, Recurrent, Scan};
use crate::scenario::limits;
use crate::units::Count;

/// `torch_chunk_gated_delta_rule`, `chunk_size`.
const DELTA_CHUNK: Count = Count::new(64);

impl Config {
    /// The dimensions of the layers without attention, where a family has such.
    pub(super) fn recurrent(&self, family: Family) -> Result<Option<Recurrent>, Error> {
        match family {
            Family::Qwen3Next => self.gated_delta().map(Some),
            _ => Ok(None),
        }
    }

    /// `Qwen3NextGatedDeltaNet`.
    fn gated_delta(&self) -> Result<Recurrent, Error> {
        let key_heads = self.count("linear_num_key_heads", limits::HEADS, 16)?;
        let value_heads = self.count("linear_num_value_heads", limits::HEADS, 32)?;
        super::divides(("linear_num_value_heads", value_heads), ("linear_num_key_heads", key_heads))?;
        Ok(Recurrent {
            scan: Scan::GatedDelta,
            key_heads,
            key_dim: self.count("linear_key_head_dim", limits::HEADS, 128)?,
            value_heads,
            value_dim: self.count("linear_value_head_dim", limits::HEADS, 128)?,
            kernel: self.count("linear_conv_kernel_dim", limits::KERNEL, 4)?,
            chunk: DELTA_CHUNK,
            conv_bias: false,
            proj_bias: false,
        })
    }

    /// `Qwen3NextConfig.layer_types`, or full attention in one layer of so many.
    pub(super) fn linear_attention(&self, layers: Count) -> Result<Pattern, Error> {
        if let Some(pattern) = self.layer_types(layers)? {
            return Ok(pattern);
        }
        let key = "full_attention_interval";
        let every = self.count(key, limits::LAYERS, 4)?;
        Pattern::one_in(every.get(), Mixer::Full, Mixer::Recurrent).ok_or_else(|| Error::OutOfRange {
            field: Field::new(key),
            given: every.to_string(),
            min: 1,
            max: Pattern::LONGEST as u64,
        })
    }
}
