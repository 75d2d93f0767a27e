//! Layers that carry a state in place of attention.

use super::Config;
use crate::error::{Error, Field};
use crate::model::{Activation, Architecture, Family, Mixer, Pattern, Recurrent, Scan};
use crate::scenario::limits;
use crate::units::Count;

/// `torch_chunk_gated_delta_rule`, `chunk_size`.
const DELTA_CHUNK: Count = Count::new(64);

impl Config {
    /// The dimensions of the layers without attention, where a family has such.
    pub(super) fn recurrent(&self, family: Family) -> Result<Option<Recurrent>, Error> {
        match family {
            Family::Qwen3Next => self.gated_delta().map(Some),
            Family::Jamba => self.jamba_mixer().map(Some),
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
            step_rank: Count::ONE,
            conv_bias: false,
            proj_bias: false,
            residual_fp32: false,
        })
    }

    /// `Mamba2ForCausalLM`: no attention and no MLP anywhere.
    pub(super) fn mamba2(&self) -> Result<Architecture, Error> {
        let hidden = self.count("hidden_size", limits::WIDTH, 4096)?;
        let heads = self.count("num_heads", limits::HEADS, 128)?;
        let head_dim = self.count("head_dim", limits::HEADS, 64)?;
        let expand = self.count("expand", limits::HEADS, 2)?;
        let groups = self.count("n_groups", limits::HEADS, 8)?;
        let inner = hidden.get().saturating_mul(expand.get());
        if inner != heads.get().saturating_mul(head_dim.get()) {
            return Err(Error::Unsupported {
                field: Field::new("num_heads"),
                given: heads.to_string(),
                accepted: vec!["expand * hidden_size / head_dim"],
            });
        }
        super::divides(("num_heads", heads), ("n_groups", groups))?;
        Ok(Architecture {
            family: Family::Mamba2,
            vocabulary: self.count("vocab_size", limits::VOCABULARY, 32_768)?,
            hidden,
            layers: self.count("num_hidden_layers", limits::LAYERS, 64)?,
            tied: self.flag("tie_word_embeddings", false)?,
            has_qk_norm: false,
            activation: self.activation("hidden_act", Activation::OneKernel)?,
            pattern: Pattern::all(Mixer::Recurrent),
            recurrent: Some(Recurrent {
                scan: Scan::Mamba2,
                key_heads: groups,
                key_dim: self.count("state_size", limits::HEADS, 128)?,
                value_heads: heads,
                value_dim: head_dim,
                kernel: self.count("conv_kernel", limits::KERNEL, 4)?,
                chunk: self.count("chunk_size", limits::WIDTH, 256)?,
                step_rank: Count::ONE,
                conv_bias: self.flag("use_conv_bias", true)?,
                proj_bias: self.flag("use_bias", false)?,
                residual_fp32: self.flag("residual_in_fp32", true)?,
            }),
            ..Architecture::PLAIN
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
