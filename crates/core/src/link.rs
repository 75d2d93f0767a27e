//! The permalink: a flat query, the version first, every field written.
//!
//! One table says how each field is written and read. Links, scenario files and the command's flags all go through it.
//! Dimensions stand in the link beside the model's name, and win over it: a link keeps its figures although a preset or
//! a default changes later.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::{Error, Field};
use crate::gpu;
use crate::model::{Activation, Architecture, Family, SlidingWindow};
use crate::presets;
use crate::scenario::{
    AdapterDtype, Attention, AutocastScope, BaseDtype, Checkpointing, Held, KvCache, LogProbs, LoraTargets,
    Objective, Optimizer, Padding, Recipe, Scenario, Stack, ZeroGrad, limits,
};
use crate::units::{Bytes, Count};

/// The version that is written.
pub const VERSION: u64 = 1;
/// The longest link that is read, in bytes.
pub const LONGEST: usize = 8192;
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// What a link says: a scenario, and what in it could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The scenario; a field that could not be taken keeps its default.
    pub scenario: Scenario,
    /// What could not be taken.
    pub problems: Vec<Error>,
}

/// A field of the link.
struct Key {
    name: &'static str,
    write: fn(&Scenario) -> String,
    read: fn(&mut Scenario, Field, &str) -> Result<(), Error>,
}

/// A whole number at a place of the scenario.
macro_rules! number {
    ($name:literal, $range:expr, |$scenario:ident| $place:expr) => {
        Key {
            name: $name,
            write: |$scenario| $place.to_string(),
            read: |$scenario, field, text| {
                $place = count(field, text, $range)?;
                Ok(())
            },
        }
    };
}

/// One of the words of an enum.
macro_rules! choice {
    ($name:literal, $kind:ty, |$scenario:ident| $place:expr) => {
        Key {
            name: $name,
            write: |$scenario| $place.key().to_owned(),
            read: |$scenario, field, text| {
                $place = <$kind>::from_key(text).ok_or_else(|| unknown(field, text, <$kind>::KEYS))?;
                Ok(())
            },
        }
    };
}

/// `0` or `1`.
macro_rules! flag {
    ($name:literal, |$scenario:ident| $place:expr) => {
        Key {
            name: $name,
            write: |$scenario| u8::from($place).to_string(),
            read: |$scenario, field, text| {
                $place = match text {
                    "1" | "true" => true,
                    "0" | "false" => false,
                    _ => return Err(unknown(field, text, &["0", "1"])),
                };
                Ok(())
            },
        }
    };
}

const KEYS: &[Key] = &[
    Key {
        name: "model",
        write: |s| s.model.preset.clone().unwrap_or_else(|| CUSTOM.to_owned()),
        read: read_model,
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
    },
    number!("vocab", limits::VOCABULARY, |s| s.model.architecture.vocabulary),
    number!("hidden", limits::WIDTH, |s| s.model.architecture.hidden),
    number!("layers", limits::LAYERS, |s| s.model.architecture.layers),
    number!("heads", limits::HEADS, |s| s.model.architecture.heads),
    number!("kv_heads", limits::HEADS, |s| s.model.architecture.kv_heads),
    number!("head_dim", limits::HEADS, |s| s.model.architecture.head_dim),
    number!("ffn", limits::WIDTH, |s| s.model.architecture.ffn),
    flag!("tied", |s| s.model.architecture.tied),
    Key {
        name: "positions",
        write: |s| zero_for_none(s.model.architecture.positions),
        read: |s, field, text| {
            s.model.architecture.positions = none_for_zero(field, text, limits::SEQUENCE_LENGTH)?;
            Ok(())
        },
    },
    Key {
        name: "rotary",
        write: |s| zero_for_none(s.model.architecture.rotary),
        read: |s, field, text| {
            s.model.architecture.rotary = none_for_zero(field, text, limits::HEADS)?;
            Ok(())
        },
    },
    flag!("parallel", |s| s.model.architecture.parallel_residual),
    flag!("qkv_bias", |s| s.model.architecture.qkv_bias),
    flag!("o_bias", |s| s.model.architecture.output_bias),
    flag!("mlp_bias", |s| s.model.architecture.mlp_bias),
    choice!("act", Activation, |s| s.model.architecture.activation),
    Key {
        name: "window",
        write: |s| zero_for_none(s.model.architecture.window.map(|window| window.size)),
        read: |s, field, text| {
            let size = none_for_zero(field, text, limits::SEQUENCE_LENGTH)?;
            s.model.architecture.window =
                size.map(|size| SlidingWindow { size, ..window(&s.model.architecture) });
            Ok(())
        },
    },
    Key {
        name: "window_first",
        write: |s| window(&s.model.architecture).first.to_string(),
        read: |s, field, text| {
            let first = count(field, text, (0, limits::LAYERS.1))?;
            s.model.architecture.window =
                s.model.architecture.window.map(|window| SlidingWindow { first, ..window });
            Ok(())
        },
    },
    Key {
        name: "window_full_every",
        write: |s| zero_for_none(window(&s.model.architecture).full_every),
        read: |s, field, text| {
            let full_every = none_for_zero(field, text, limits::LAYERS)?;
            s.model.architecture.window =
                s.model.architecture.window.map(|window| SlidingWindow { full_every, ..window });
            Ok(())
        },
    },
    flag!("attn_softcap", |s| s.model.architecture.attention_softcap),
    flag!("logit_softcap", |s| s.model.architecture.logit_softcap),
    flag!("embd_drop", |s| s.model.architecture.embedding_dropout),
    flag!("resid_drop", |s| s.model.architecture.residual_dropout),
    flag!("attn_drop", |s| s.model.architecture.attention_dropout),
    number!("b", limits::MICRO_BATCH, |s| s.micro_batch),
    number!("s", limits::SEQUENCE_LENGTH, |s| s.sequence_length),
    number!("accumulation", limits::GRADIENT_ACCUMULATION, |s| s.gradient_accumulation),
    choice!("recipe", Recipe, |s| s.recipe),
    choice!("optimizer", Optimizer, |s| s.optimizer),
    choice!("attention", Attention, |s| s.attention),
    choice!("checkpointing", Checkpointing, |s| s.checkpointing),
    choice!("zero_grad", ZeroGrad, |s| s.zero_grad),
    choice!("objective", Objective, |s| s.objective),
    Key {
        name: "lora_rank",
        write: |s| zero_for_none(s.lora.rank),
        read: |s, field, text| {
            s.lora.rank = none_for_zero(field, text, limits::LORA_RANK)?;
            Ok(())
        },
    },
    choice!("lora_targets", LoraTargets, |s| s.lora.targets),
    flag!("lora_dropout", |s| s.lora.dropout),
    choice!("lora_dtype", AdapterDtype, |s| s.lora.adapters),
    choice!("base_dtype", BaseDtype, |s| s.lora.base),
    choice!("log_probs", LogProbs, |s| s.log_probs),
    choice!("padding", Padding, |s| s.padding),
    choice!("autocast_scope", AutocastScope, |s| s.autocast_scope),
    choice!("held", Held, |s| s.held),
    choice!("kv_cache", KvCache, |s| s.kv_cache),
    choice!("stack", Stack, |s| s.stack),
    Key { name: "gpu", write: |s| s.gpu.id.clone(), read: read_gpu },
    Key {
        name: "gpu_mib",
        write: |s| (s.gpu.capacity.get() >> 20).to_string(),
        read: |s, field, text| {
            s.gpu.capacity = Bytes::mib(count(field, text, limits::CAPACITY_MIB)?.get());
            Ok(())
        },
    },
];

/// The word for a model or a GPU of the reader's own.
pub const CUSTOM: &str = "custom";

/// The keys of a link, in the order in which they are written.
pub fn keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|key| key.name)
}

/// The fields of a scenario with their values, in the order of the link.
pub fn fields(scenario: &Scenario) -> impl Iterator<Item = (&'static str, String)> {
    KEYS.iter().map(move |key| (key.name, (key.write)(scenario)))
}

/// The value of one field; none for a key that links don't have.
pub fn value(scenario: &Scenario, name: &str) -> Option<String> {
    KEYS.iter().find(|key| key.name == name).map(|key| (key.write)(scenario))
}

/// The link of a scenario.
///
/// ```
/// use vram_core::{Scenario, link};
/// let link = link::write(&Scenario::default());
/// assert!(link.starts_with("?v=1&model=phi-3-mini-4k-instruct&family=phi3&vocab=32064&"));
/// assert_eq!(link::read(&link).scenario, Scenario::default());
/// ```
pub fn write(scenario: &Scenario) -> String {
    let mut link = format!("?v={VERSION}");
    for (name, value) in fields(scenario) {
        link.push('&');
        link.push_str(name);
        link.push('=');
        link.extend(utf8_percent_encode(&value, KEPT));
    }
    link
}

/// Sets one field. A model's name brings its dimensions.
///
/// # Errors
/// [`Error::UnknownChoice`] or [`Error::OutOfRange`], by the field's key; the scenario then stays as it was.
pub fn set(scenario: &mut Scenario, name: &str, value: &str) -> Result<(), Error> {
    let key = KEYS.iter().find(|key| key.name == name).ok_or_else(|| Error::UnknownChoice {
        field: Field::new("key"),
        given: Error::shown(name),
        accepted: keys().collect(),
    })?;
    (key.read)(scenario, Field::new(key.name), value)
}

/// Reads a link: a whole address, or only its query. Keys that are not known are ignored.
pub fn read(link: &str) -> Reading {
    let mut problems = Vec::new();
    if link.len() > LONGEST {
        let field = Field::new("link");
        problems.push(Error::TooLong { field, given: link.len() as u64, max: LONGEST as u64 });
        return Reading { scenario: Scenario::default(), problems };
    }
    let query = link.split_once('#').map_or(link, |(before, _)| before);
    let query = query.split_once('?').map_or(query, |(_, query)| query);
    let pairs = pairs(query, &mut problems);
    check_version(&pairs, &mut problems);
    let scenario = from_pairs(&pairs, &mut problems);
    Reading { scenario, problems }
}

/// Reads fields that were given as name and value.
pub fn from_fields(fields: &[(String, String)]) -> Reading {
    let mut problems = Vec::new();
    let scenario = from_pairs(fields, &mut problems);
    Reading { scenario, problems }
}

/// Names and values, decoded; of a doubled name the first value counts.
fn pairs(query: &str, problems: &mut Vec<Error>) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for piece in query.split('&').filter(|piece| !piece.is_empty()) {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let field = || Field::given(Error::shown(name));
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            problems.push(Error::BadEncoding { field: field(), given: Error::shown(value) });
            continue;
        };
        let is_known = name == "v" || keys().any(|key| key == name);
        if !is_known {
            continue;
        }
        if pairs.iter().any(|(earlier, _)| *earlier == name) {
            problems.push(Error::Doubled { field: field() });
        } else {
            pairs.push((name, value));
        }
    }
    pairs
}

/// Percent-decodes; none where a `%` is not followed by two hexadecimal digits or the bytes are no UTF-8.
fn decode(text: &str) -> Option<String> {
    let is_whole = text.split('%').skip(1).all(|after| {
        let mut digits = after.chars();
        digits.next().is_some_and(|c| c.is_ascii_hexdigit())
            && digits.next().is_some_and(|c| c.is_ascii_hexdigit())
    });
    if !is_whole {
        return None;
    }
    let spaces = text.replace('+', " ");
    percent_decode_str(&spaces).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn check_version(pairs: &[(String, String)], problems: &mut Vec<Error>) {
    if let Some((_, given)) = pairs.iter().find(|(name, _)| name == "v")
        && given.parse() != Ok(VERSION)
    {
        problems.push(Error::FutureVersion { given: Error::shown(given), newest: VERSION });
    }
}

fn from_pairs(pairs: &[(String, String)], problems: &mut Vec<Error>) -> Scenario {
    let mut scenario = Scenario::default();
    for key in KEYS {
        let Some((_, value)) = pairs.iter().find(|(name, _)| name == key.name) else {
            continue;
        };
        if let Err(error) = (key.read)(&mut scenario, Field::new(key.name), value) {
            problems.push(error);
        }
    }
    forget_name_of_other_dimensions(&mut scenario);
    if let Err(error) = scenario.validate() {
        keep_what_fits(&mut scenario, &error);
        problems.push(error);
    }
    scenario
}

/// A model whose dimensions are not the preset's is the reader's own.
pub fn forget_name_of_other_dimensions(scenario: &mut Scenario) {
    let is_preset = scenario.model.preset.as_deref().and_then(presets::find).is_some_and(|preset| {
        preset.architecture().is_ok_and(|architecture| architecture == scenario.model.architecture)
    });
    if !is_preset {
        scenario.model.preset = None;
    }
}

/// Numbers that are in range but don't go together: the model or the sequence length falls back to the default.
fn keep_what_fits(scenario: &mut Scenario, error: &Error) {
    let default = Scenario::default();
    if error.field().is_some_and(|field| field.key() == "s") {
        scenario.sequence_length = default.sequence_length;
    } else {
        scenario.model = default.model.clone();
    }
    if scenario.validate().is_err() {
        *scenario = default;
    }
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

fn read_gpu(scenario: &mut Scenario, field: Field, text: &str) -> Result<(), Error> {
    if text == CUSTOM {
        CUSTOM.clone_into(&mut scenario.gpu.id);
        return Ok(());
    }
    let known = gpu::find(text).ok_or_else(|| Error::UnknownChoice {
        field,
        given: Error::shown(text),
        accepted: gpu::all().iter().map(|gpu| gpu.id).collect(),
    })?;
    scenario.gpu = known.gpu();
    Ok(())
}

fn window(architecture: &Architecture) -> SlidingWindow {
    architecture.window.unwrap_or(SlidingWindow { size: Count::ONE, first: Count::new(0), full_every: None })
}

fn unknown(field: Field, text: &str, accepted: &[&'static str]) -> Error {
    Error::UnknownChoice { field, given: Error::shown(text), accepted: accepted.to_vec() }
}

fn zero_for_none(count: Option<Count>) -> String {
    count.map_or_else(|| "0".to_owned(), |count| count.to_string())
}

fn none_for_zero(field: Field, text: &str, (_, max): (u32, u32)) -> Result<Option<Count>, Error> {
    Ok(Some(count(field, text, (0, max))?).filter(|count| count.get() > 0))
}

/// A whole number in a range.
///
/// # Errors
/// [`Error::OutOfRange`] for anything else.
pub fn count(field: Field, text: &str, (min, max): (u32, u32)) -> Result<Count, Error> {
    text.trim().parse::<u32>().ok().filter(|number| (min..=max).contains(number)).map(Count::new).ok_or_else(
        || Error::OutOfRange { field, given: Error::shown(text), min: min.into(), max: max.into() },
    )
}
