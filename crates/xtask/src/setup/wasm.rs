//! The standard library for wasm32-unknown-unknown: the toolchain's own, rustup's, or built from source.

use std::path::Path;
use std::process::Command;

use super::{announce, can_install_packages, install_packages};
use crate::run::{Done, output, program, root, succeeds};

const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's pair of a compiler and its library's source, of one version, with clippy and a linker.
const PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy", "lld-19"];
const SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/src/lib.rs";

/// How code for wasm is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// With the active toolchain.
    Active,
    /// With Debian's, which builds the standard library from its source.
    FromSource,
}

impl Compiler {
    /// The one that this machine has, after installing what is missing.
    pub(crate) fn find() -> Done<Self> {
        if active_has_library() {
            return Ok(Self::Active);
        }
        if has_source() {
            return Ok(Self::FromSource);
        }
        announce("Rust's standard library for WebAssembly", "the page is compiled to it", "10 seconds");
        if succeeds(&mut program("timeout", &["120", "rustup", "target", "add", TARGET]))
            && active_has_library()
        {
            return Ok(Self::Active);
        }
        if can_install_packages() {
            println!("  rustup could not fetch it here; it will be built from source.");
            announce("Debian's rustc-web with its source", "it can build that library", "half a minute");
            if install_packages(&PACKAGES) && has_source() {
                return Ok(Self::FromSource);
            }
        }
        Err(format!(
            "The standard library for {TARGET} is missing and could not be installed: \
             run `rustup target add {TARGET}`, or, as root on Debian, `apt-get install {}`.",
            PACKAGES.join(" ")
        ))
    }

    /// Sets the environment of a command that compiles for wasm, `tools` first on its path.
    pub(crate) fn prepare(self, command: &mut Command, tools: &Path) {
        let path = std::env::var("PATH").unwrap_or_default();
        let node = root().join("tests/e2e/node_modules/.bin");
        let own = format!("{}:{}", tools.join("bin").display(), node.display());
        command.env("CARGO_TARGET_DIR", root().join("target/wasm"));
        // Trunk takes NO_COLOR for a flag with a value and refuses it. The variables that cargo sets for this program are not the build's.
        for variable in ["NO_COLOR", "RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTFLAGS"] {
            command.env_remove(variable);
        }
        match self {
            Self::Active => command.env("PATH", format!("{own}:{path}")),
            Self::FromSource => command
                .env("PATH", format!("/usr/bin:{own}:{path}"))
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-19"),
        };
    }

    /// The cargo that goes with it.
    pub(crate) const fn cargo(self) -> &'static str {
        match self {
            Self::Active => "cargo",
            Self::FromSource => "/usr/bin/cargo",
        }
    }
}

fn active_has_library() -> bool {
    let Ok(folder) = output(&mut program("rustc", &["--print", "target-libdir", "--target", TARGET])) else {
        return false;
    };
    Path::new(folder.trim()).read_dir().is_ok_and(|mut files| files.next().is_some())
}

fn has_source() -> bool {
    Path::new(SOURCE).exists()
        && ["/usr/bin/rustc", "/usr/bin/cargo", "/usr/bin/wasm-ld-19", "/usr/bin/clippy-driver"]
            .iter()
            .all(|file| Path::new(file).exists())
}
