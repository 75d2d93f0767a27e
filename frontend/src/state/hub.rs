//! Asks a hub for a model's configuration and for the headers of its weights. Nothing else of the page talks to another site, and this
//! only when the reader says so; no cookies, no referrer and no token go along.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::set_timeout_with_handle;
use vram_core::Error;
use vram_core::hub::{LONGEST_CONFIG, PATIENCE, Repository, Trouble};
use vram_core::model::Architecture;
use vram_core::model::weights::{self, Comparison, Evidence, INDEX, LENGTH_BYTES, ONE_FILE, Tensor};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, ReferrerPolicy, RequestCredentials, RequestInit,
    Response,
};

/// The longest index that is read, in bytes.
const LONGEST_INDEX: u64 = 20_000_000;
/// The longest header of one file that is read here, in bytes; files of some gigabytes have some hundred thousand.
const LONGEST_HEADER: u64 = 20_000_000;

/// What of a file is asked for.
#[derive(Clone, Copy)]
enum Part {
    /// All of it, which is refused beyond so many bytes.
    Whole(u64),
    /// So many bytes from a place on.
    Some { from: u64, count: u64 },
}

/// The text of the model's `config.json`.
pub(super) async fn configuration(repository: &Repository) -> Result<String, Error> {
    let bytes = ask(repository, "config.json", Part::Whole(LONGEST_CONFIG)).await?;
    String::from_utf8(bytes).map_err(|_| repository.error(Trouble::NoConfiguration))
}

/// What the headers of the model's weights say; none where it has no safetensors files.
pub(super) async fn evidence(
    repository: &Repository,
    architecture: &Architecture,
) -> Result<Option<Evidence>, Error> {
    let files = match ask(repository, INDEX, Part::Whole(LONGEST_INDEX)).await {
        Ok(bytes) => weights::index(&String::from_utf8_lossy(&bytes))?.files.into_iter().collect(),
        Err(Error::Hub { trouble: Trouble::Missing, .. }) => vec![ONE_FILE.to_owned()],
        Err(error) => return Err(error),
    };
    let mut tensors = Vec::new();
    for file in files {
        match header(repository, &file).await {
            Ok(of_file) => tensors.extend(of_file),
            Err(Error::Hub { trouble: Trouble::Missing, .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(Evidence::Tensors(Comparison::of(&tensors, architecture))))
}

async fn header(repository: &Repository, file: &str) -> Result<Vec<Tensor>, Error> {
    let begin = LENGTH_BYTES as u64;
    let first = ask(repository, file, Part::Some { from: 0, count: begin }).await?;
    let first = first.try_into().map_err(|_| repository.error(Trouble::NoConfiguration))?;
    let count = weights::header_length(first)?;
    if count > LONGEST_HEADER {
        return Err(repository.error(Trouble::TooLong));
    }
    let json = ask(repository, file, Part::Some { from: begin, count }).await?;
    weights::header(&String::from_utf8_lossy(&json))
}

/// Asks for a file, and gives up after [`PATIENCE`] seconds.
async fn ask(repository: &Repository, file: &str, part: Part) -> Result<Vec<u8>, Error> {
    let is_late = Rc::new(Cell::new(false));
    let abort = AbortController::new().map_err(|_| repository.error(Trouble::Unreachable))?;
    let timer = {
        let (is_late, abort) = (is_late.clone(), abort.clone());
        let give_up = move || {
            is_late.set(true);
            abort.abort();
        };
        set_timeout_with_handle(give_up, Duration::from_secs(PATIENCE)).ok()
    };
    let answer = fetch(&repository.address(file), part, &abort).await;
    if let Some(timer) = timer {
        timer.clear();
    }
    answer.map_err(|trouble| repository.error(if is_late.get() { Trouble::Slow } else { trouble }))
}

async fn fetch(address: &str, part: Part, abort: &AbortController) -> Result<Vec<u8>, Trouble> {
    let asked = (|| {
        let init = RequestInit::new();
        init.set_signal(Some(&abort.signal()));
        init.set_credentials(RequestCredentials::Omit);
        init.set_referrer_policy(ReferrerPolicy::NoReferrer);
        if let Part::Some { from, count } = part {
            let headers = Headers::new()?;
            headers.set("Range", &format!("bytes={from}-{}", (from + count).saturating_sub(1)))?;
            init.set_headers(&headers);
        }
        let window = web_sys::window().ok_or(JsValue::NULL)?;
        Ok::<_, JsValue>(window.fetch_with_str_and_init(address, &init))
    })();
    let unreachable = |_: JsValue| Trouble::Unreachable;
    let response = JsFuture::from(asked.map_err(unreachable)?).await.map_err(unreachable)?;
    let response: Response = response.dyn_into().map_err(unreachable)?;
    if let Some(trouble) = Trouble::of_status(response.status()) {
        return Err(trouble);
    }
    let is_part = response.status() == 206;
    let bytes = match part {
        Part::Whole(most) => read(&response, most.saturating_add(1)).await?,
        Part::Some { count, .. } if is_part => read(&response, count).await?,
        // A server that knows no ranges sends all; what follows is not read.
        Part::Some { from, count } => read(&response, from.saturating_add(count)).await?,
    };
    abort.abort();
    match part {
        Part::Whole(most) if bytes.len() as u64 > most => Err(Trouble::TooLong),
        Part::Some { from, .. } if !is_part => {
            Ok(usize::try_from(from).ok().and_then(|from| bytes.get(from..)).unwrap_or_default().to_vec())
        }
        _ => Ok(bytes),
    }
}

/// The first bytes of an answer, at most so many; the rest is never loaded.
async fn read(response: &Response, most: u64) -> Result<Vec<u8>, Trouble> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let Some(body) = response.body() else { return Ok(Vec::new()) };
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    let mut bytes = Vec::new();
    while bytes.len() < most {
        let piece = JsFuture::from(reader.read()).await.map_err(|_| Trouble::Unreachable)?;
        let get = |key: &str| js_sys::Reflect::get(&piece, &JsValue::from_str(key)).ok();
        if get("done").is_none_or(|done| done.is_truthy()) {
            break;
        }
        if let Some(piece) = get("value").and_then(|value| value.dyn_into::<js_sys::Uint8Array>().ok()) {
            bytes.extend(piece.to_vec());
        }
    }
    bytes.truncate(most);
    Ok(bytes)
}
