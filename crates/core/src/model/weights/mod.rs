//! What a model's files of weights say of its tensors: the header of a safetensors file, or `model.safetensors.index.json`.
//!
//! Source: the format's description in the README of `huggingface/safetensors` (8 bytes of length, little-endian, then that many bytes
//! of JSON: name → `dtype`, `shape`, `data_offsets`; `__metadata__` apart), and `split_torch_state_dict_into_shards` of
//! `huggingface_hub` for the index (`metadata.total_size` in bytes, `weight_map`: name → file).

mod compare;

pub use compare::{Comparison, Evidence, Group};

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::error::{Error, Field};

/// The longest header that is read, in bytes: what the format's own reader allows (`MAX_HEADER_SIZE`).
pub const LONGEST_HEADER: u64 = 100_000_000;
/// Bytes before the header, which say its length.
pub const LENGTH_BYTES: usize = 8;
/// The name of the index.
pub const INDEX: &str = "model.safetensors.index.json";
/// The name of the weights where they are one file.
pub const ONE_FILE: &str = "model.safetensors";

/// A tensor in a file of weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name, such as `model.layers.0.self_attn.q_proj.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<u64>,
    /// Its dtype in the format's word, such as `BF16`.
    pub dtype: String,
}

impl Tensor {
    /// Its elements.
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1, |product: u64, &size| product.saturating_mul(size))
    }
}

/// An index: which file has which tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Bytes of all tensors, where it says so.
    pub total_size: Option<u64>,
    /// Names of all tensors.
    pub tensors: Vec<String>,
    /// The files that hold them; plain names, without a folder.
    pub files: BTreeSet<String>,
}

/// The length of the header, from the file's first eight bytes.
///
/// # Errors
/// [`Error::TooLong`] beyond [`LONGEST_HEADER`], which is also what other files' first bytes say.
pub fn header_length(first: [u8; LENGTH_BYTES]) -> Result<u64, Error> {
    let given = u64::from_le_bytes(first);
    if given > LONGEST_HEADER {
        return Err(Error::TooLong { field: Field::new("safetensors"), given, max: LONGEST_HEADER });
    }
    Ok(given)
}

/// Reads the header of a safetensors file (without the eight bytes before it).
///
/// # Errors
/// [`Error::NotJson`]; [`Error::WrongKind`] where a tensor has no dtype, or no shape that its place in the file allows.
pub fn header(json: &str) -> Result<Vec<Tensor>, Error> {
    let keys = object(json, "safetensors")?;
    keys.iter().filter(|(name, _)| *name != "__metadata__").map(|(name, value)| tensor(name, value)).collect()
}

/// Reads a `model.safetensors.index.json`.
///
/// # Errors
/// [`Error::NotJson`]; [`Error::Missing`] without a `weight_map`; [`Error::WrongKind`] where it names what is no plain file name.
pub fn index(json: &str) -> Result<Index, Error> {
    let keys = object(json, INDEX)?;
    let map = keys.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or(Error::Missing { field: Field::new("weight_map") })?;
    let files =
        map.values().map(|file| plain_name(file).ok_or_else(|| wrong("weight_map", file, "file name")));
    Ok(Index {
        // Written as a float by some libraries.
        total_size: keys.get("metadata").and_then(|metadata| metadata.get("total_size")).and_then(whole),
        tensors: map.keys().cloned().collect(),
        files: files.collect::<Result<_, _>>()?,
    })
}

fn object(json: &str, what: &'static str) -> Result<Map<String, Value>, Error> {
    match serde_json::from_str(json) {
        Ok(Value::Object(keys)) => Ok(keys),
        Ok(other) => Err(wrong(what, &other, "object")),
        Err(error) => Err(Error::NotJson { line: error.line() as u64, column: error.column() as u64 }),
    }
}

fn tensor(name: &str, value: &Value) -> Result<Tensor, Error> {
    let broken = || wrong("safetensors", value, "tensor");
    let dtype = value.get("dtype").and_then(Value::as_str).ok_or_else(broken)?;
    let shape = value.get("shape").and_then(Value::as_array).ok_or_else(broken)?;
    let shape = shape.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>().ok_or_else(broken)?;
    let tensor = Tensor { name: name.to_owned(), shape, dtype: dtype.to_owned() };
    let ends = value.get("data_offsets").and_then(Value::as_array).map(Vec::as_slice);
    let Some([begin, end]) = ends else { return Err(broken()) };
    let bytes = begin.as_u64().zip(end.as_u64()).and_then(|(begin, end)| end.checked_sub(begin));
    let bits = bits(dtype).map(|bits| tensor.elements().saturating_mul(bits));
    match bytes {
        Some(bytes) if bits.is_none_or(|bits| bits.div_ceil(8) == bytes) => Ok(tensor),
        _ => Err(broken()),
    }
}

/// Bits of an element; none for a dtype that is not known here.
pub fn bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F64" | "I64" | "U64" | "C64" => 64,
        "F32" | "I32" | "U32" => 32,
        "F16" | "BF16" | "I16" | "U16" => 16,
        "F8_E4M3" | "F8_E5M2" | "F8_E8M0" | "I8" | "U8" | "BOOL" => 8,
        "F4" => 4,
        _ => return None,
    })
}

/// A file's name that leads to no other folder.
fn plain_name(value: &Value) -> Option<String> {
    let is_plain = |name: &&str| {
        !name.is_empty()
            && !name.starts_with('.')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    value.as_str().filter(is_plain).map(str::to_owned)
}

/// A whole number, also where it is written with a point.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole, and below 2^53"
)]
fn whole(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..9e15).contains(number));
    value.as_u64().or_else(|| float().map(|number| number as u64))
}

fn wrong(field: &'static str, given: &Value, accepted: &'static str) -> Error {
    Error::WrongKind { field: Field::new(field), given: Error::shown(&given.to_string()), accepted }
}
