//! How layers differ in what they attend to: `sliding_window`, `layer_types`, and what families say instead.

use serde_json::Value;

use super::Config;
use crate::error::{Error, Field};
use crate::model::{Family, Mixer, Pattern};
use crate::scenario::limits;
use crate::units::Count;

impl Config {
    /// The window of the layers that have one, and how each layer mixes tokens.
    pub(super) fn window(
        &self,
        family: Family,
        layers: Count,
        default: Option<u32>,
    ) -> Result<(Option<Count>, Pattern), Error> {
        if family == Family::Llama4Text {
            return self.chunks(layers);
        }
        if family == Family::Qwen3Next {
            return Ok((None, self.linear_attention(layers)?));
        }
        if family == Family::Jamba {
            return Ok((None, self.attention_among_states()?));
        }
        let without_window = match family {
            Family::Smollm3 => self.positions_in(layers, Mixer::Full)?,
            _ => Pattern::all(Mixer::Full),
        };
        let Some(pattern) = self.pattern(family)? else {
            return Ok((None, without_window));
        };
        let is_null = self.keys.get("sliding_window").is_some_and(Value::is_null);
        let size = match self.optional("sliding_window", limits::SEQUENCE_LENGTH)? {
            Some(size) => size,
            None if is_null => return Ok((None, without_window)),
            None => match default {
                Some(size) => Count::new(size),
                None => return Ok((None, without_window)),
            },
        };
        let pattern = self.layer_types(layers)?.unwrap_or(pattern);
        // Their layers without a window have no positions (`Cohere2Attention`, `Exaone4Attention`).
        let pattern = if matches!(family, Family::Cohere2 | Family::Exaone4) {
            pattern.map(|mixer| if mixer == Mixer::Full { Mixer::FullNoPositions } else { mixer })
        } else {
            pattern
        };
        Ok((pattern.has(Mixer::Window).then_some(size), pattern))
    }

    /// Llama 4: chunks, and layers without positions, which attend to everything (`no_rope_layers`).
    fn chunks(&self, layers: Count) -> Result<(Option<Count>, Pattern), Error> {
        let key = "attention_chunk_size";
        let size = self.count(key, limits::SEQUENCE_LENGTH, 8192)?;
        Ok((Some(size), self.positions_in(layers, Mixer::Window)?))
    }

    /// The layers with positions, which are of a kind, and those without: one in four, or as listed.
    fn positions_in(&self, layers: Count, kind: Mixer) -> Result<Pattern, Error> {
        let key = "no_rope_layers";
        let listed = self.get(key).filter(|value| value.as_array().is_none_or(|listed| !listed.is_empty()));
        let Some(value) = listed else {
            let interval = "no_rope_layer_interval";
            let every = self.count(interval, limits::LAYERS, 4)?;
            return Pattern::one_in(every.get(), Mixer::FullNoPositions, kind)
                .ok_or_else(|| too_many(interval, every));
        };
        let unsupported = || Error::Unsupported {
            field: Field::new(key),
            given: Error::shown(&value.to_string()),
            accepted: vec!["[1, 1, 1, 0, …]"],
        };
        let flags = value.as_array().filter(|flags| flags.len() as u64 == layers.get());
        let mixer = |flag: &Value| match flag.as_u64()? {
            0 => Some(Mixer::FullNoPositions),
            _ => Some(kind),
        };
        let mixers = flags.and_then(|flags| flags.iter().map(mixer).collect::<Option<Vec<_>>>());
        mixers.and_then(|mixers| Pattern::of_list(&mixers)).ok_or_else(unsupported)
    }

    /// What the configuration class takes where there is no `layer_types`; none: no layer has a window.
    fn pattern(&self, family: Family) -> Result<Option<Pattern>, Error> {
        let all = Pattern::all(Mixer::Window);
        let one_in = |every: Count| Pattern::one_in(every.get(), Mixer::Full, Mixer::Window);
        match family {
            Family::Mistral
            | Family::Mixtral
            | Family::Phi3
            | Family::Phimoe
            | Family::Starcoder2
            | Family::Ministral
            | Family::Ministral3
            | Family::Generic => Ok(Some(all)),
            Family::Gemma2 | Family::GptOss => Ok(one_in(Count::new(2))),
            Family::Olmo3 => Ok(one_in(Count::new(4))),
            Family::Cohere2 | Family::Exaone4 | Family::Gemma3Text => {
                let key = "sliding_window_pattern";
                let usual = if family == Family::Gemma3Text { 6 } else { 4 };
                let every = self.count(key, limits::LAYERS, usual)?;
                one_in(every).map(Some).ok_or_else(|| too_many(key, every))
            }
            Family::Qwen2 | Family::Qwen3 | Family::Qwen3Moe if self.flag("use_sliding_window", false)? => {
                let key = "max_window_layers";
                let first = self.count(key, (0, limits::LAYERS.1), 28)?;
                all.after(first.get(), Mixer::Full).map(Some).ok_or_else(|| too_many(key, first))
            }
            _ => Ok(None),
        }
    }

    /// The layers one by one, where they are listed.
    pub(super) fn layer_types(&self, layers: Count) -> Result<Option<Pattern>, Error> {
        let key = "layer_types";
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let unsupported = || Error::Unsupported {
            field: Field::new(key),
            given: Error::shown(&value.to_string()),
            accepted: vec!["sliding_attention", "chunked_attention", "full_attention"],
        };
        let types = value.as_array().filter(|types| types.len() as u64 == layers.get());
        let mixer = |kind: &Value| match kind.as_str()? {
            "sliding_attention" | "chunked_attention" => Some(Mixer::Window),
            "full_attention" => Some(Mixer::Full),
            "linear_attention" if self.family() == Ok(Family::Qwen3Next) => Some(Mixer::Recurrent),
            _ => None,
        };
        let mixers = types.and_then(|types| types.iter().map(mixer).collect::<Option<Vec<_>>>());
        let pattern = mixers.and_then(|mixers| Pattern::of_list(&mixers));
        pattern.map(Some).ok_or_else(unsupported)
    }
}

fn too_many(key: &'static str, given: Count) -> Error {
    Error::OutOfRange {
        field: Field::new(key),
        given: given.to_string(),
        min: 0,
        max: Pattern::LONGEST as u64 - 1,
    }
}
