//! Selective state spaces: `MambaForCausalLM`, `FalconMambaForCausalLM`, `JambaForCausalLM`.

use super::Config;
use crate::error::{Error, Field};
use crate::model::{Activation, Architecture, Family, Mixer, Pattern, Recurrent, Scan};
use crate::scenario::limits;
use crate::units::Count;

/// The keys of a mixer, which Jamba calls otherwise.
struct Keys {
    state: &'static str,
    kernel: &'static str,
    expand: &'static str,
    rank: &'static str,
    conv_bias: &'static str,
    bias: &'static str,
}

const MAMBA: Keys = Keys {
    state: "state_size",
    kernel: "conv_kernel",
    expand: "expand",
    rank: "time_step_rank",
    conv_bias: "use_conv_bias",
    bias: "use_bias",
};

const JAMBA: Keys = Keys {
    state: "mamba_d_state",
    kernel: "mamba_d_conv",
    expand: "mamba_expand",
    rank: "mamba_dt_rank",
    conv_bias: "mamba_conv_bias",
    bias: "mamba_proj_bias",
};

impl Config {
    /// No attention and no MLP anywhere. Defaults: `configuration_mamba.py`, `configuration_falcon_mamba.py`.
    pub(super) fn mamba(&self, family: Family) -> Result<Architecture, Error> {
        let hidden = self.count("hidden_size", limits::WIDTH, 768)?;
        let residual_fp32 = self.flag("residual_in_fp32", true)?;
        let layer = Recurrent { residual_fp32, ..self.selective(hidden, &MAMBA)? };
        Ok(Architecture {
            family,
            vocabulary: self.count("vocab_size", limits::VOCABULARY, 50_280)?,
            hidden,
            layers: self.count("num_hidden_layers", limits::LAYERS, 32)?,
            tied: self.flag("tie_word_embeddings", true)?,
            has_qk_norm: false,
            activation: self.activation("hidden_act", Activation::OneKernel)?,
            pattern: Pattern::all(Mixer::Recurrent),
            recurrent: Some(layer),
            ..Architecture::PLAIN
        })
    }

    /// `JambaMambaMixer`.
    pub(super) fn jamba_mixer(&self) -> Result<Recurrent, Error> {
        let hidden = self.count("hidden_size", limits::WIDTH, 4096)?;
        self.selective(hidden, &JAMBA)
    }

    /// Each channel is a head of width one.
    fn selective(&self, hidden: Count, keys: &Keys) -> Result<Recurrent, Error> {
        self.refuse_other_scans()?;
        self.refuse_other_activations()?;
        let expand = self.count(keys.expand, limits::HEADS, 2)?;
        let inner = hidden.get().saturating_mul(expand.get());
        let (min, max) = limits::HEADS;
        let channels = u32::try_from(inner).ok().filter(|channels| (min..=max).contains(channels));
        Ok(Recurrent {
            scan: Scan::Selective,
            key_heads: Count::ONE,
            key_dim: self.count(keys.state, limits::HEADS, 16)?,
            value_heads: Count::new(channels.ok_or_else(|| Error::OutOfRange {
                field: Field::new(keys.expand),
                given: expand.to_string(),
                min: u64::from(min),
                max: u64::from(max) / hidden.get().max(1),
            })?),
            value_dim: Count::ONE,
            kernel: self.count(keys.kernel, limits::KERNEL, 4)?,
            chunk: Count::ONE,
            step_rank: self.step_rank(hidden, keys.rank)?,
            conv_bias: self.flag(keys.conv_bias, true)?,
            proj_bias: self.flag(keys.bias, false)?,
            residual_fp32: false,
        })
    }

    /// A number, or `"auto"`: a sixteenth of the model's width.
    fn step_rank(&self, hidden: Count, key: &'static str) -> Result<Count, Error> {
        let is_auto = self.get(key).is_none_or(|value| value.as_str() == Some("auto"));
        if is_auto {
            return Ok(Count::new(u32::try_from(hidden.get().div_ceil(16)).unwrap_or(limits::WIDTH.1)));
        }
        self.count(key, limits::WIDTH, 1)
    }

    /// The scan of the package mambapy keeps other tensors, which no run has shown.
    fn refuse_other_scans(&self) -> Result<(), Error> {
        for key in ["use_mambapy", "use_falcon_mambapy"] {
            if self.flag(key, false)? {
                let given = "true".to_owned();
                return Err(Error::Unsupported { field: Field::new(key), given, accepted: vec!["false"] });
            }
        }
        Ok(())
    }

    /// The gate is `F.silu` whatever the file says; of the convolution's activation no run has shown another.
    fn refuse_other_activations(&self) -> Result<(), Error> {
        let given = self.activation("hidden_act", Activation::OneKernel)?;
        if given == Activation::OneKernel {
            return Ok(());
        }
        let (field, given) = (Field::new("hidden_act"), given.key().to_owned());
        Err(Error::Unsupported { field, given, accepted: vec!["silu", "gelu"] })
    }

    /// `JambaConfig.layers_block_type`: attention in one layer of `attn_layer_period`, the first of them at `attn_layer_offset`.
    pub(super) fn attention_among_states(&self) -> Result<Pattern, Error> {
        let key = "attn_layer_period";
        let (every, offset) = self.period_and_offset((key, 8), ("attn_layer_offset", 4))?;
        let too_long = || Error::OutOfRange {
            field: Field::new(key),
            given: every.to_string(),
            min: 1,
            max: Pattern::LONGEST as u64,
        };
        if every.get() > Pattern::LONGEST as u64 {
            return Err(too_long());
        }
        let mixer = |at| if at == offset.get() { Mixer::Full } else { Mixer::Recurrent };
        let period: Vec<Mixer> = (0..every.get()).map(mixer).collect();
        Pattern::new(&[], &period).ok_or_else(too_long)
    }

    /// How often, and where first (`JambaConfig.validate_architecture`).
    pub(super) fn period_and_offset(
        &self,
        (period, every): (&'static str, u32),
        (key, first): (&'static str, u32),
    ) -> Result<(Count, Count), Error> {
        let every = self.count(period, limits::LAYERS, every)?;
        let offset = self.count(key, (0, limits::LAYERS.1), first)?;
        if offset < every {
            return Ok((every, offset));
        }
        let max = every.get().saturating_sub(1);
        Err(Error::OutOfRange { field: Field::new(key), given: offset.to_string(), min: 0, max })
    }
}
