//! Trunk and wasm-bindgen, in the versions that the build is known to work with.

use std::path::PathBuf;

use super::{announce, folder};
use crate::run::{Done, output, program, run};

struct Tool {
    name: &'static str,
    package: &'static str,
    version: &'static str,
    why: &'static str,
    how_long: &'static str,
    /// wasm-bindgen-cli's lock names a crate newer than some registries' copies.
    is_locked: bool,
}

const TOOLS: [Tool; 2] = [
    Tool {
        name: "wasm-bindgen",
        package: "wasm-bindgen-cli",
        version: "0.2.130",
        why: "it joins WebAssembly to JavaScript and must equal the version in Cargo.lock",
        how_long: "2 minutes",
        is_locked: false,
    },
    Tool {
        name: "trunk",
        package: "trunk",
        version: "0.21.14",
        why: "it builds the static site",
        how_long: "5 to 12 minutes",
        is_locked: true,
    },
];

/// Installs the tools that are missing; the folder whose `bin` holds them.
pub(crate) fn ready() -> Done<PathBuf> {
    let folder = folder();
    for tool in TOOLS {
        if !is_there(&tool, &folder) {
            install(&tool, &folder)?;
        }
    }
    Ok(folder)
}

fn is_there(tool: &Tool, folder: &std::path::Path) -> bool {
    let path = folder.join("bin").join(tool.name);
    path.exists()
        && output(&mut program(path, &["--version"])).is_ok_and(|text| text.trim().ends_with(tool.version))
}

fn install(tool: &Tool, folder: &std::path::Path) -> Done {
    announce(&format!("{} {}", tool.name, tool.version), tool.why, tool.how_long);
    let mut install =
        program("cargo", &["install", "--quiet", tool.package, "--version", tool.version, "--root"]);
    install.arg(folder).env_remove("CARGO_TARGET_DIR");
    if tool.is_locked {
        install.arg("--locked");
    }
    run(&mut install).map_err(|error| {
        format!("{} {} could not be installed from the crates registry: {error}", tool.name, tool.version)
    })
}
