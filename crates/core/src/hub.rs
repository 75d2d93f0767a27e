//! A model on a hub: how its name is read, which address is asked, and what an answer means. Nothing is sent from here.
//!
//! The address is that of the Hugging Face hub and of its mirrors: `/{owner}/{name}/resolve/{revision}/{file}`
//! (`hf_hub_url`, `huggingface_hub/file_download.py`).

use crate::error::{Error, Field};
use crate::model::{Architecture, from_config};

/// The hub that is asked unless the reader names another.
pub const DEFAULT_HUB: &str = "https://huggingface.co";
/// The revision that is asked for unless the reader names another.
pub const DEFAULT_REVISION: &str = "main";
/// The longest `config.json` that is read, in bytes; reading stops there.
pub const LONGEST_CONFIG: u64 = 2_000_000;
/// How long an answer may take, in seconds.
pub const PATIENCE: u64 = 20;

/// A model on a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// `owner/name`
    id: String,
    /// A branch, a tag or a commit.
    revision: String,
    /// The hub's address, without a slash at its end.
    hub: String,
}

/// Why a hub gave no configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// 401 or 403: gated, private, or not there for somebody who is not signed in.
    Gated,
    /// 404.
    Missing,
    /// Another status than 200.
    Refused(u16),
    /// No connection: no network, no such host, or not allowed from another site.
    Unreachable,
    /// No whole answer within [`PATIENCE`] seconds.
    Slow,
    /// More than [`LONGEST_CONFIG`] bytes.
    TooLong,
    /// An answer that is no JSON object, such as a page for signing in.
    NoConfiguration,
}

impl Trouble {
    /// What a status says; none for success.
    pub const fn of_status(status: u16) -> Option<Self> {
        match status {
            200..=299 => None,
            401 | 403 => Some(Self::Gated),
            404 => Some(Self::Missing),
            other => Some(Self::Refused(other)),
        }
    }
}

impl Repository {
    /// Reads `owner/name`, `owner/name@revision`, or the address of the model's page.
    ///
    /// ```
    /// use vram_core::hub::{DEFAULT_HUB, Repository};
    /// let repository = Repository::new("Qwen/Qwen3-8B", DEFAULT_HUB)?;
    /// assert_eq!(repository.address("config.json"), "https://huggingface.co/Qwen/Qwen3-8B/resolve/main/config.json");
    /// # Ok::<(), vram_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongKind`] for a name that no model has (field `hub_id`), or an address that is none (field `hub`).
    pub fn new(given: &str, hub: &str) -> Result<Self, Error> {
        let hub = checked_hub(hub)?;
        let named = given.trim();
        let named = named.strip_prefix(hub.as_str()).map_or(named, |path| path.trim_start_matches('/'));
        let (id, revision) = named.split_once('@').unwrap_or((named, DEFAULT_REVISION));
        let id = id.trim_end_matches('/');
        let are_names = id.split('/').count() == 2 && id.split('/').all(is_name);
        // A branch such as `refs/pr/1` has slashes.
        if !are_names || !revision.split('/').all(is_name) {
            return Err(Error::WrongKind {
                field: Field::new("hub_id"),
                given: format!("\"{}\"", Error::shown(given)),
                accepted: "owner/name",
            });
        }
        Ok(Self { id: id.to_owned(), revision: revision.to_owned(), hub })
    }

    /// `owner/name`
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The hub's address.
    pub fn hub(&self) -> &str {
        &self.hub
    }

    /// The address of a file. A slash within the revision is escaped, as `hf_hub_url` does.
    pub fn address(&self, file: &str) -> String {
        format!("{}/{}/resolve/{}/{file}", self.hub, self.id, self.revision.replace('/', "%2F"))
    }

    /// The error of a trouble with this model.
    pub fn error(&self, trouble: Trouble) -> Error {
        Error::Hub { id: self.id.clone(), hub: self.hub.clone(), trouble }
    }

    /// The dimensions that an answer states.
    ///
    /// # Errors
    /// [`Error::Hub`] where the answer is no JSON object; otherwise those of [`from_config`].
    pub fn architecture(&self, answer: &str) -> Result<Architecture, Error> {
        match from_config(answer) {
            Err(Error::NotJson { .. }) => Err(self.error(Trouble::NoConfiguration)),
            Err(Error::WrongKind { field, .. }) if field.key() == "config.json" => {
                Err(self.error(Trouble::NoConfiguration))
            }
            Err(Error::TooLong { .. }) => Err(self.error(Trouble::TooLong)),
            read => read,
        }
    }
}

/// Whether a model could be meant: `owner/name`, perhaps with a revision.
pub fn is_id(given: &str) -> bool {
    Repository::new(given, DEFAULT_HUB).is_ok()
}

/// A hub's address, without a slash at its end; `http` is for a hub on one's own network.
fn checked_hub(given: &str) -> Result<String, Error> {
    let hub = given.trim().trim_end_matches('/');
    let host = hub.strip_prefix("https://").or_else(|| hub.strip_prefix("http://"));
    let is_address = host.is_some_and(|host| {
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:/[]~".contains(c))
    });
    if is_address {
        Ok(hub.to_owned())
    } else {
        Err(Error::WrongKind {
            field: Field::new("hub"), given: Error::shown(given), accepted: "https://…"
        })
    }
}

/// `REPO_ID_REGEX` of `huggingface_hub/utils/_validators.py`: letters, digits, `-`, `_`, `.`; no dot at either end, no two in a row.
fn is_name(text: &str) -> bool {
    (1..=96).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && !text.starts_with(['.', '-'])
        && !text.ends_with(['.', '-'])
        && !text.contains("..")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

    use super::*;

    #[test]
    fn names_are_read_with_revision_or_as_an_address() {
        let address = |given| Repository::new(given, DEFAULT_HUB).unwrap().address("config.json");
        let main = "https://huggingface.co/Qwen/Qwen3-8B/resolve/main/config.json";
        assert_eq!(address(" Qwen/Qwen3-8B "), main);
        assert_eq!(address("https://huggingface.co/Qwen/Qwen3-8B/"), main);
        assert_eq!(address("a/b@refs/pr/1"), "https://huggingface.co/a/b/resolve/refs%2Fpr%2F1/config.json");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for given in
            ["", "gpt2", "a/b/c", "../x", "a/..", "a b/c", "a/b?x", "a/b@", "a/b#c", "//", "a/b@../x", "-a/b"]
        {
            assert!(Repository::new(given, DEFAULT_HUB).is_err(), "{given}");
        }
        for hub in
            ["", "huggingface.co", "ftp://x", "https://", "https://a b", "javascript:alert(1)", "https://x?y"]
        {
            assert!(Repository::new("a/b", hub).is_err(), "{hub}");
        }
    }

    #[test]
    fn an_answer_that_is_no_configuration_says_so() {
        let repository = Repository::new("a/b", DEFAULT_HUB).unwrap();
        for answer in ["<!doctype html>", "", "[]", "\u{0}\u{1}", "3"] {
            assert_eq!(repository.architecture(answer), Err(repository.error(Trouble::NoConfiguration)));
        }
        let long = " ".repeat(3_000_000);
        assert_eq!(repository.architecture(&long), Err(repository.error(Trouble::TooLong)));
        assert!(matches!(repository.architecture("{}"), Err(Error::Missing { .. })));
    }
}
