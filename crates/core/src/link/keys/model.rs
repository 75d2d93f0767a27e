//! The model: its name and its dimensions.

use super::{CUSTOM, Key, always, is_set, none_for_zero, pattern, unknown, zero_for_none};
use crate::error::{Error, Field};
use crate::link::count;
use crate::model::{Activation, Decoder, Experts, Family, Image, Latent, Recurrent, Scan, Tower};
use crate::presets;
use crate::scenario::{Scenario, limits};
use crate::units::Count;

/// A whole number of the image that is read.
macro_rules! of_image {
    ($name:literal, $range:expr, |$image:ident| $place:expr) => {
        Key {
            name: $name,
            write: |s| zero_for_none(image(s).map(|$image| $place)),
            read: |s, field, text| {
                let number = count(field, text, $range)?;
                let a = &mut s.model.architecture;
                if let Some($image) = a.image.as_mut().or(a.tower.as_mut().map(|tower| &mut tower.image)) {
                    $place = number;
                }
                Ok(())
            },
            words: &[],
            matters: |s| image(s).is_some(),
            applies: |s| image(s).is_some(),
        }
    };
}

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "model",
        write: |s| s.model.preset.clone().unwrap_or_else(|| CUSTOM.to_owned()),
        read: read_model,
        words: &[],
        matters: always,
        applies: always,
    },
    Key {
        name: "family",
        write: |s| s.model.architecture.family.key().to_owned(),
        read: |s, field, text| {
            let accepted = || Family::ALL.iter().map(|family| family.key()).collect();
            s.model.architecture.family = Family::from_key(text).ok_or_else(|| Error::UnknownChoice {
                field,
                given: Error::shown(text),
                accepted: accepted(),
            })?;
            Ok(())
        },
        words: &[],
        matters: always,
        applies: always,
    },
    number!("vocab", limits::VOCABULARY, |s| s.model.architecture.vocabulary),
    number!("hidden", limits::WIDTH, |s| s.model.architecture.hidden),
    number!("layers", limits::LAYERS, |s| s.model.architecture.layers),
    number!("heads", limits::HEADS, |s| s.model.architecture.heads),
    number!("kv_heads", limits::HEADS, |s| s.model.architecture.kv_heads),
    number!("head_dim", limits::HEADS, |s| s.model.architecture.head_dim),
    number!("ffn", limits::WIDTH, |s| s.model.architecture.ffn),
    flag!("tied", |s| s.model.architecture.tied),
    optional!("positions", limits::SEQUENCE_LENGTH, |s| s.model.architecture.positions),
    optional!("token_types", limits::VOCABULARY, |s| s.model.architecture.token_types),
    optional!("rotary", limits::HEADS, |s| s.model.architecture.rotary),
    flag!("parallel", |s| s.model.architecture.parallel_residual),
    flag!("qk_norm", |s| s.model.architecture.has_qk_norm)
        .when(|s| s.model.architecture.family.qk_norm_is_optional().is_some()),
    flag!("qkv_bias", |s| s.model.architecture.qkv_bias),
    flag!("o_bias", |s| s.model.architecture.output_bias),
    flag!("mlp_bias", |s| s.model.architecture.mlp_bias),
    flag!("head_bias", |s| s.model.architecture.head_bias)
        .when(|s| s.model.architecture.family.head_bias_is_optional()),
    choice!("act", Activation, |s| s.model.architecture.activation),
    Key {
        name: "window",
        write: |s| zero_for_none(s.model.architecture.window),
        read: |s, field, text| {
            let a = &mut s.model.architecture;
            a.window = none_for_zero(field, text, limits::SEQUENCE_LENGTH)?;
            pattern::follow_window(a);
            Ok(())
        },
        words: &[],
        matters: always,
        applies: always,
    },
    pattern::FIRST,
    pattern::FULL_EVERY,
    pattern::PATTERN,
    Key {
        name: "experts",
        write: |s| zero_for_none(s.model.architecture.experts.map(|experts| experts.count)),
        read: |s, field, text| {
            let count = none_for_zero(field, text, limits::EXPERTS)?;
            s.model.architecture.experts = count.map(|count| Experts { count, ..ONE_EXPERT });
            Ok(())
        },
        words: &[],
        matters: always,
        applies: always,
    },
    of_part!("experts_per_token", limits::EXPERTS, experts, Count::ONE, |experts| experts.per_token),
    of_part!("expert_ffn", limits::WIDTH, experts, Count::ONE, |experts| experts.ffn),
    optional_of_part!("shared_ffn", limits::WIDTH, experts, |experts| experts.shared_ffn),
    of_part!("dense_layers", (0, limits::LAYERS.1), experts, Count::new(0), |experts| experts.dense_layers),
    of_part!("sparse_every", limits::LAYERS, experts, Count::ONE, |experts| experts.every),
    of_part!("sparse_early", (0, limits::LAYERS.1), experts, Count::new(0), |experts| experts.early)
        .when(|s| s.model.architecture.experts.is_some_and(|experts| experts.early.get() > 0)),
    flag_of_part!("jitters", experts, |experts| experts.jitters)
        .when(|s| s.model.architecture.experts.is_some_and(|experts| experts.jitters)),
    flag_of_part!("renormalise", experts, |experts| experts.renormalises),
    Key {
        name: "latent",
        write: |s| zero_for_none(s.model.architecture.latent.map(|latent| latent.rank)),
        read: |s, field, text| {
            let rank = none_for_zero(field, text, limits::WIDTH)?;
            s.model.architecture.latent = rank.map(|rank| Latent { rank, query_rank: None, value: rank });
            Ok(())
        },
        words: &[],
        matters: always,
        applies: always,
    },
    optional_of_part!("query_latent", limits::WIDTH, latent, |latent| latent.query_rank),
    of_part!("value_dim", limits::HEADS, latent, Count::ONE, |latent| latent.value),
    Key {
        name: "scan",
        write: |s| s.model.architecture.recurrent.map_or("none", |layer| layer.scan.key()).to_owned(),
        read: |s, field, text| {
            let scan = Scan::from_key(text);
            if scan.is_none() && text != "none" {
                return Err(unknown(field, text, SCANS));
            }
            s.model.architecture.recurrent = scan.map(|scan| Recurrent { scan, ..ONE_STATE });
            Ok(())
        },
        words: SCANS,
        matters: is_recurrent,
        applies: is_recurrent,
    },
    of_part!("key_heads", limits::HEADS, recurrent, Count::ONE, |layer| layer.key_heads).when(is_recurrent),
    of_part!("key_dim", limits::HEADS, recurrent, Count::ONE, |layer| layer.key_dim).when(is_recurrent),
    of_part!("value_heads", limits::HEADS, recurrent, Count::ONE, |layer| layer.value_heads)
        .when(is_recurrent),
    of_part!("value_head_dim", limits::HEADS, recurrent, Count::ONE, |layer| layer.value_dim)
        .when(is_recurrent),
    of_part!("conv_kernel", limits::KERNEL, recurrent, Count::ONE, |layer| layer.kernel).when(is_recurrent),
    of_part!("chunk", limits::WIDTH, recurrent, Count::ONE, |layer| layer.chunk).when(is_recurrent),
    of_part!("step_rank", limits::WIDTH, recurrent, Count::ONE, |layer| layer.step_rank)
        .when(|s| s.model.architecture.recurrent.is_some_and(|layer| layer.scan == Scan::Selective)),
    flag_of_part!("conv_bias", recurrent, |layer| layer.conv_bias).when(is_recurrent),
    flag_of_part!("proj_bias", recurrent, |layer| layer.proj_bias).when(is_recurrent),
    flag_of_part!("residual_fp32", recurrent, |layer| layer.residual_fp32).when(is_recurrent),
    Key {
        name: "decoder_layers",
        write: |s| zero_for_none(s.model.architecture.decoder.map(|decoder| decoder.layers)),
        read: |s, field, text| {
            let layers = none_for_zero(field, text, limits::LAYERS)?;
            s.model.architecture.decoder = layers.map(|layers| Decoder { layers, ..ONE_LAYER });
            Ok(())
        },
        words: &[],
        matters: always,
        applies: always,
    },
    of_part!("buckets", limits::VOCABULARY, decoder, Count::ONE, |decoder| decoder.buckets),
    flag_of_part!("gated", decoder, |decoder| decoder.is_gated),
    flag_of_part!("scaled_output", decoder, |decoder| decoder.scales_output),
    Key {
        name: "image_size",
        write: |s| zero_for_none(image(s).map(|image| image.size)),
        read: |s, field, text| {
            let size = none_for_zero(field, text, limits::IMAGE_SIZE)?;
            match (size, &mut s.model.architecture.tower) {
                (Some(size), Some(tower)) => tower.image.size = size,
                (size, _) => s.model.architecture.image = size.map(|size| Image { size, ..ONE_PIXEL }),
            }
            Ok(())
        },
        words: &[],
        matters: |s| image(s).is_some(),
        applies: |s| image(s).is_some(),
    },
    of_image!("patch_size", limits::IMAGE_SIZE, |image| image.patch),
    of_image!("channels", limits::CHANNELS, |image| image.channels),
    Key {
        name: "tower_hidden",
        write: |s| zero_for_none(s.model.architecture.tower.map(|tower| tower.hidden)),
        read: |s, field, text| {
            let hidden = none_for_zero(field, text, limits::WIDTH)?;
            let a = &mut s.model.architecture;
            // The image is the tower's.
            a.tower = hidden.map(|hidden| {
                let image = a.image.take().or(a.tower.map(|tower| tower.image)).unwrap_or(ONE_PIXEL);
                Tower { image, hidden, ..ONE_TOWER }
            });
            Ok(())
        },
        words: &[],
        matters: has_tower,
        applies: has_tower,
    },
    of_part!("tower_layers", limits::LAYERS, tower, Count::ONE, |tower| tower.layers).when(has_tower),
    of_part!("tower_used", limits::LAYERS, tower, Count::ONE, |tower| tower.used).when(has_tower),
    of_part!("tower_heads", limits::HEADS, tower, Count::ONE, |tower| tower.heads).when(has_tower),
    of_part!("tower_ffn", limits::WIDTH, tower, Count::ONE, |tower| tower.ffn).when(has_tower),
    Key {
        name: "tower_act",
        write: |s| tower(s).activation.key().to_owned(),
        read: |s, field, text| {
            let activation =
                Activation::from_key(text).ok_or_else(|| unknown(field, text, Activation::KEYS))?;
            if let Some(tower) = &mut s.model.architecture.tower {
                tower.activation = activation;
            }
            Ok(())
        },
        words: Activation::KEYS,
        matters: has_tower,
        applies: has_tower,
    },
    flag_of_part!("tower_attn_drop", tower, |tower| tower.attention_dropout).when(has_tower),
    flag_of_part!("tower_class", tower, |tower| tower.keeps_class).when(has_tower),
    flag_of_part!("projector_bias", tower, |tower| tower.projector_bias).when(has_tower),
    flag!("attn_softcap", |s| s.model.architecture.attention_softcap),
    flag!("logit_softcap", |s| s.model.architecture.logit_softcap),
    flag!("embd_drop", |s| s.model.architecture.embedding_dropout),
    flag!("resid_drop", |s| s.model.architecture.residual_dropout),
    flag!("attn_drop", |s| s.model.architecture.attention_dropout),
];

/// What a link says nothing of, where it says that there are experts.
const ONE_EXPERT: Experts = Experts {
    count: Count::ONE,
    per_token: Count::ONE,
    ffn: Count::ONE,
    shared_ffn: None,
    dense_layers: Count::new(0),
    every: Count::ONE,
    early: Count::new(0),
    jitters: false,
    renormalises: false,
};

/// The same of layers that carry a state.
const ONE_STATE: Recurrent = Recurrent {
    scan: Scan::GatedDelta,
    key_heads: Count::ONE,
    key_dim: Count::ONE,
    value_heads: Count::ONE,
    value_dim: Count::ONE,
    kernel: Count::ONE,
    chunk: Count::ONE,
    step_rank: Count::ONE,
    conv_bias: false,
    proj_bias: false,
    residual_fp32: false,
};

/// The words of all scans, and of none.
const SCANS: &[&str] = &["none", "gated_delta", "mamba2", "selective"];

fn is_recurrent(scenario: &Scenario) -> bool {
    scenario.model.architecture.recurrent.is_some()
}

/// The same of a decoder behind an encoder.
const ONE_LAYER: Decoder =
    Decoder { layers: Count::ONE, buckets: Count::ONE, is_gated: false, scales_output: false };

/// And of an image.
const ONE_PIXEL: Image = Image { size: Count::ONE, patch: Count::ONE, channels: Count::ONE };

/// And of a vision tower.
const ONE_TOWER: Tower = Tower {
    image: ONE_PIXEL,
    hidden: Count::ONE,
    layers: Count::ONE,
    used: Count::ONE,
    heads: Count::ONE,
    ffn: Count::ONE,
    activation: Activation::QuickGelu,
    attention_dropout: false,
    keeps_class: false,
    projector_bias: true,
};

/// What is read of images, by the layers or by the tower in front of them.
fn image(scenario: &Scenario) -> Option<Image> {
    let a = &scenario.model.architecture;
    a.image.or(a.tower.map(|tower| tower.image))
}

fn tower(scenario: &Scenario) -> Tower {
    scenario.model.architecture.tower.unwrap_or(ONE_TOWER)
}

fn has_tower(scenario: &Scenario) -> bool {
    scenario.model.architecture.tower.is_some()
}

fn read_model(scenario: &mut Scenario, field: Field, text: &str) -> Result<(), Error> {
    if text == CUSTOM {
        scenario.model.preset = None;
        return Ok(());
    }
    let preset = presets::find(text).ok_or_else(|| Error::UnknownChoice {
        field,
        given: Error::shown(text),
        accepted: presets::all().iter().map(|preset| preset.id).collect(),
    })?;
    scenario.model = preset.model()?;
    Ok(())
}
