//! Files that the reader has chosen or dropped: a configuration, an index of weights, weights of which only the header is read.

use vram_core::Error;
use vram_core::error::Field;
use vram_core::hub::LONGEST_CONFIG;
use vram_core::model::weights::{self, LENGTH_BYTES, Tensor};
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

/// What some files say together.
#[derive(Default)]
pub(super) struct Read {
    /// The text of the configuration.
    pub(super) config: Option<String>,
    /// The tensors of all files of weights.
    pub(super) tensors: Vec<Tensor>,
    /// The bytes that the index states.
    pub(super) total: Option<u64>,
}

/// Reads them by their names' endings.
pub(super) async fn read(files: Vec<File>) -> Result<Read, Error> {
    let mut read = Read::default();
    for file in files {
        let name = file.name();
        if name.ends_with(".safetensors") {
            read.tensors.extend(header(&file).await?);
        } else if name.ends_with(".index.json") {
            read.total = weights::index(&text(&file).await?)?.total_size;
        } else {
            read.config = Some(text(&file).await?);
        }
    }
    Ok(read)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a file's size is a whole number"
)]
async fn text(file: &File) -> Result<String, Error> {
    let given = file.size() as u64;
    // An index is longer than a configuration; neither is as long as weights.
    let max = LONGEST_CONFIG.saturating_mul(10);
    if given > max {
        return Err(Error::TooLong { field: Field::given(file.name()), given, max });
    }
    let read = JsFuture::from(file.text()).await.ok().and_then(|text| text.as_string());
    read.ok_or_else(|| unreadable(file))
}

async fn header(file: &File) -> Result<Vec<Tensor>, Error> {
    let begin = LENGTH_BYTES as u64;
    let first = bytes(file, 0, begin).await?;
    let length = weights::header_length(first.try_into().map_err(|_| unreadable(file))?)?;
    weights::header(&String::from_utf8_lossy(&bytes(file, begin, length).await?))
}

#[expect(clippy::cast_precision_loss, reason = "places in a file below 2^53")]
async fn bytes(file: &File, from: u64, count: u64) -> Result<Vec<u8>, Error> {
    let piece = file.slice_with_f64_and_f64(from as f64, from.saturating_add(count) as f64);
    let piece = piece.map_err(|_| unreadable(file))?;
    let buffer = JsFuture::from(piece.array_buffer()).await.map_err(|_| unreadable(file))?;
    Ok(js_sys::Uint8Array::new(&buffer).to_vec())
}

fn unreadable(file: &File) -> Error {
    Error::WrongKind { field: Field::given(file.name()), given: String::new(), accepted: "readable file" }
}
