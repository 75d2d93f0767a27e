//! Asks a hub for a model's `config.json` and for the headers of its weights: the only code that talks to a network.

use std::io::Read as _;
use std::time::Duration;

use ureq::config::RedirectAuthHeaders;
use ureq::{Agent, Body, http::Response};
use vram_core::Error;
use vram_core::hub::{LONGEST_CONFIG, PATIENCE, Repository, Trouble};
use vram_core::model::Architecture;
use vram_core::model::weights::{
    self, Comparison, Evidence, INDEX, LENGTH_BYTES, LONGEST_HEADER, ONE_FILE, Tensor,
};

/// The longest index that is read, in bytes: that of DeepSeek-V3 has nine million.
const LONGEST_INDEX: u64 = 50_000_000;

/// The dimensions that the hub's `config.json` states.
///
/// # Errors
/// [`Error::Hub`], or what is wrong with the configuration.
pub fn architecture(repository: &Repository) -> Result<Architecture, Error> {
    let answer = get(repository, "config.json", None)?;
    repository.architecture(&text(repository, answer, LONGEST_CONFIG)?)
}

/// What the headers of the hub's weights say; none where it has no safetensors files.
///
/// # Errors
/// [`Error::Hub`], or what is wrong with a header.
pub fn evidence(repository: &Repository, architecture: &Architecture) -> Result<Option<Evidence>, Error> {
    let files: Vec<String> = match get(repository, INDEX, None) {
        Ok(answer) => {
            let index = weights::index(&text(repository, answer, LONGEST_INDEX)?)?;
            index.files.into_iter().collect()
        }
        Err(Error::Hub { trouble: Trouble::Missing, .. }) => vec![ONE_FILE.to_owned()],
        Err(error) => return Err(error),
    };
    let mut tensors = Vec::new();
    for file in files {
        match header(repository, &file) {
            Ok(of_file) => tensors.extend(of_file),
            Err(Error::Hub { trouble: Trouble::Missing, .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(Evidence::Tensors(Comparison::of(&tensors, architecture))))
}

/// Only the header of a file is asked for: its length, then itself. A hub that ignores the range is not read to its end either.
fn header(repository: &Repository, file: &str) -> Result<Vec<Tensor>, Error> {
    let mut first = [0; LENGTH_BYTES];
    let answer = get(repository, file, Some((0, LENGTH_BYTES as u64)))?;
    reader(answer, LENGTH_BYTES as u64).read_exact(&mut first).map_err(|error| broken(repository, &error))?;
    let length = weights::header_length(first)?;
    let begin = LENGTH_BYTES as u64;
    let answer = get(repository, file, Some((begin, length)))?;
    let is_whole = answer.status() == 200;
    let mut reader = reader(answer, LONGEST_HEADER.saturating_add(begin));
    if is_whole {
        reader.read_exact(&mut first).map_err(|error| broken(repository, &error))?;
    }
    let mut json = Vec::new();
    reader.take(length).read_to_end(&mut json).map_err(|error| broken(repository, &error))?;
    weights::header(&String::from_utf8_lossy(&json))
}

fn get(repository: &Repository, file: &str, range: Option<(u64, u64)>) -> Result<Response<Body>, Error> {
    let patience = Duration::from_secs(patience());
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(patience))
        .http_status_as_error(false)
        // A token is only for the hub, not for where it sends one on to.
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .user_agent(concat!("vram-ledger/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut request = agent.get(repository.address(file));
    if let Ok(token) = std::env::var("HF_TOKEN")
        && !token.trim().is_empty()
    {
        request = request.header("Authorization", format!("Bearer {}", token.trim()));
    }
    if let Some((begin, length)) = range {
        let last = begin.saturating_add(length).saturating_sub(1);
        request = request.header("Range", format!("bytes={begin}-{last}"));
    }
    let answer = request.call().map_err(|error| match error {
        ureq::Error::Timeout(_) => repository.error(Trouble::Slow),
        _ => repository.error(Trouble::Unreachable),
    })?;
    match Trouble::of_status(answer.status().as_u16()) {
        None => Ok(answer),
        Some(trouble) => Err(repository.error(trouble)),
    }
}

/// Seconds that an answer may take; the tests have less time.
fn patience() -> u64 {
    let named = std::env::var("VRAM_HUB_TIMEOUT").ok().and_then(|text| text.parse().ok());
    named.filter(|seconds| (1..=600).contains(seconds)).unwrap_or(PATIENCE)
}

fn reader(answer: Response<Body>, most: u64) -> impl std::io::Read {
    answer.into_body().into_with_config().limit(most.saturating_add(1)).reader()
}

/// The text of an answer, read no further than `most` bytes.
fn text(repository: &Repository, answer: Response<Body>, most: u64) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let read = reader(answer, most).take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| broken(repository, &error))?;
    if bytes.len() as u64 > most {
        return Err(repository.error(Trouble::TooLong));
    }
    String::from_utf8(bytes).map_err(|_| repository.error(Trouble::NoConfiguration))
}

fn broken(repository: &Repository, error: &std::io::Error) -> Error {
    let is_slow = error.kind() == std::io::ErrorKind::TimedOut;
    repository.error(if is_slow { Trouble::Slow } else { Trouble::Unreachable })
}
