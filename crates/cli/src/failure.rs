//! Why a command could not do what it was asked; each becomes a sentence on standard error and exit status 2.

use vram_core::Error;
use vram_text::{Lang, error_sentence};

/// Why a command stopped.
#[derive(Debug)]
pub enum Failure {
    /// Fields of the scenario that could not be taken.
    Input(Vec<Error>),
    /// A file that could not be read, and why.
    File {
        /// Its path as given.
        path: String,
        /// The system's reason.
        reason: String,
    },
    /// Output that could not be written or made.
    Output(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Input(vec![error])
    }
}

impl Failure {
    /// The sentences, one a line.
    pub fn sentences(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::Input(errors), _) => {
                errors.iter().map(|error| error_sentence(error, lang)).collect::<Vec<_>>().join("\n")
            }
            (Self::File { path, reason }, Lang::En) => {
                format!("\"{path}\" could not be read ({reason}); a readable file of UTF-8 text is accepted.")
            }
            (Self::File { path, reason }, Lang::Zh) => {
                format!("无法读取“{path}”（{reason}）；应为可读的 UTF-8 文本文件。")
            }
            (Self::Output(reason), Lang::En) => {
                format!("The output could not be written: {reason}.")
            }
            (Self::Output(reason), Lang::Zh) => format!("无法写出结果：{reason}。"),
        }
    }
}

/// Reads a text file; `-` is standard input.
///
/// # Errors
/// [`Failure::File`].
pub fn read(path: &str) -> Result<String, Failure> {
    let read =
        if path == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    read.map_err(|error| Failure::File { path: path.to_owned(), reason: error.to_string() })
}
