//! Models that read images: a classifier, and language models behind a vision tower.

use serde_json::Value;

use super::{Config, divides, wrong_kind};
use crate::error::{Error, Field};
use crate::model::{Activation, Architecture, Family, Image, Tower};
use crate::scenario::limits;
use crate::units::Count;

impl Config {
    /// `ViTForImageClassification`; `vocabulary` is the number of its classes.
    pub(super) fn vit(&self) -> Result<Architecture, Error> {
        let hidden = self.count("hidden_size", limits::WIDTH, 768)?;
        let heads = self.count("num_attention_heads", limits::HEADS, 12)?;
        let dropout = self.dropout("hidden_dropout_prob", 0.0)?;
        Ok(Architecture {
            family: Family::Vit,
            vocabulary: self.classes()?,
            hidden,
            layers: self.count("num_hidden_layers", limits::LAYERS, 12)?,
            heads,
            kv_heads: heads,
            head_dim: self.head_dim(hidden, heads, None)?,
            ffn: self.count("intermediate_size", limits::WIDTH, 3072)?,
            qkv_bias: self.flag("qkv_bias", true)?,
            output_bias: true,
            mlp_bias: true,
            activation: self.activation("hidden_act", Activation::OneKernel)?,
            embedding_dropout: dropout,
            residual_dropout: dropout,
            attention_dropout: self.dropout("attention_probs_dropout_prob", 0.0)?,
            image: Some(self.image(224, 16)?),
            ..Architecture::PLAIN
        })
    }

    /// Labels have names (`id2label`), of which there are two where nothing is said (`PreTrainedConfig.num_labels`).
    fn classes(&self) -> Result<Count, Error> {
        let named = self.get("id2label").and_then(Value::as_object).map(serde_json::Map::len);
        let named = named.and_then(|names| u32::try_from(names).ok()).filter(|&names| names > 0);
        self.count("num_labels", limits::VOCABULARY, named.unwrap_or(2))
    }

    fn image(&self, size: u32, patch: u32) -> Result<Image, Error> {
        let image = Image {
            size: self.count("image_size", limits::IMAGE_SIZE, size)?,
            patch: self.count("patch_size", limits::IMAGE_SIZE, patch)?,
            channels: self.count("num_channels", limits::CHANNELS, 3)?,
        };
        if image.patches() > 0 {
            return Ok(image);
        }
        let (field, given) = (Field::new("patch_size"), image.patch.to_string());
        Err(Error::OutOfRange { field, given, min: 1, max: image.size.get() })
    }

    /// `LlavaForConditionalGeneration`: the language model of `text_config` behind the tower of `vision_config`.
    pub(super) fn llava(&self) -> Result<Architecture, Error> {
        let text = self.part("text_config", "llama")?;
        let family = text.family()?;
        let architecture = text.of_family(family)?;
        if family != Family::Llama && family != Family::Mistral && family != Family::Qwen2 {
            let (field, given) = (Field::new("text_config"), family.key().to_owned());
            return Err(Error::Unsupported { field, given, accepted: vec!["llama", "mistral", "qwen2"] });
        }
        let vision = self.part("vision_config", "clip_vision_model")?;
        let kind = vision.get("model_type").and_then(Value::as_str).unwrap_or_default();
        if kind != Family::ClipVision.key() {
            let (field, given) = (Field::new("vision_config"), Error::shown(kind));
            return Err(Error::Unsupported { field, given, accepted: vec![Family::ClipVision.key()] });
        }
        Ok(Architecture { tower: Some(self.tower(&vision)?), ..architecture })
    }

    fn tower(&self, vision: &Self) -> Result<Tower, Error> {
        let is_named = self.get("vision_config").is_some();
        // Without a `vision_config`, the tower is that of `LlavaConfig.sub_configs_defaults`.
        let or = |usual: u32, of_llava: u32| if is_named { usual } else { of_llava };
        let hidden = vision.count("hidden_size", limits::WIDTH, or(768, 1024))?;
        let heads = vision.count("num_attention_heads", limits::HEADS, or(12, 16))?;
        divides(("hidden_size", hidden), ("num_attention_heads", heads))?;
        let layers = vision.count("num_hidden_layers", limits::LAYERS, or(12, 24))?;
        self.activation("projector_hidden_act", Activation::OneKernel).and_then(one_kernel)?;
        Ok(Tower {
            image: vision.image(or(224, 336), or(32, 14))?,
            hidden,
            layers,
            used: self.used_layers(layers)?,
            heads,
            ffn: vision.count("intermediate_size", limits::WIDTH, or(3072, 4096))?,
            activation: vision.activation("hidden_act", Activation::QuickGelu)?,
            attention_dropout: vision.dropout("attention_dropout", 0.0)?,
            keeps_class: self.keeps_class()?,
            projector_bias: self.flag("multimodal_projector_bias", true)?,
        })
    }

    /// `vision_feature_layer`, an index into the hidden states, of which the first is the embedding: -2 is what the last layer reads.
    fn used_layers(&self, layers: Count) -> Result<Count, Error> {
        let key = "vision_feature_layer";
        let index = match self.get(key) {
            None => -2,
            Some(value) => value.as_i64().ok_or_else(|| wrong_kind(key, value, "number of one layer"))?,
        };
        let layers = i64::try_from(layers.get()).unwrap_or(i64::MAX);
        let used = if index < 0 { layers.saturating_add(index).saturating_add(1) } else { index };
        u32::try_from(used)
            .ok()
            .filter(|&used| used > 0 && i64::from(used) <= layers)
            .map(Count::new)
            .ok_or_else(|| Error::OutOfRange {
                field: Field::new(key),
                given: index.to_string(),
                min: 1,
                max: u64::try_from(layers).unwrap_or_default(),
            })
    }

    fn keeps_class(&self) -> Result<bool, Error> {
        let key = "vision_feature_select_strategy";
        match self.get(key).map_or(Some("default"), Value::as_str) {
            Some("default") => Ok(false),
            Some("full") => Ok(true),
            other => Err(Error::Unsupported {
                field: Field::new(key),
                given: Error::shown(other.unwrap_or_default()),
                accepted: vec!["default", "full"],
            }),
        }
    }

    /// A configuration within this one, with the family that it has where it names none.
    fn part(&self, key: &'static str, family: &str) -> Result<Self, Error> {
        let mut keys = match self.get(key) {
            None => serde_json::Map::new(),
            Some(Value::Object(keys)) => keys.clone(),
            Some(other) => return Err(wrong_kind(key, other, "object")),
        };
        keys.entry("model_type").or_insert_with(|| family.into());
        Ok(Self { keys })
    }
}

fn one_kernel(activation: Activation) -> Result<(), Error> {
    if activation == Activation::OneKernel {
        return Ok(());
    }
    let (field, given) = (Field::new("projector_hidden_act"), activation.key().to_owned());
    Err(Error::Unsupported { field, given, accepted: vec!["gelu"] })
}
