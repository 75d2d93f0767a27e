//! Running other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What went wrong, as one sentence for the reader.
pub(crate) type Done<T = ()> = Result<T, String>;

/// The project's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().and_then(Path::parent).unwrap_or(here).to_path_buf()
}

/// A program, called in the project's root.
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command and waits for it.
pub(crate) fn run(command: &mut Command) -> Done {
    let shown = shown(command);
    let status = command.status().map_err(|error| format!("`{shown}` could not be started: {error}."))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed ({status}).")) }
}

/// Runs a command in silence; whether it succeeded.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What a command prints.
pub(crate) fn output(command: &mut Command) -> Done<String> {
    let shown = shown(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("`{shown}` could not be started: {error}."))?;
    if !output.status.success() {
        return Err(format!("`{shown}` failed ({}).", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{shown}` printed what is no text."))
}

fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    command.get_args().fold(program, |shown, argument| shown + " " + &argument.to_string_lossy())
}
