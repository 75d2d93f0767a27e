//! What the build needs beyond cargo: each is looked for, and installed where it is missing.

pub(crate) mod browser;
pub(crate) mod node;
pub(crate) mod tools;
pub(crate) mod wasm;

use std::path::PathBuf;

use crate::run::root;

/// Where tools are installed: beside the build, so that a second run finds them and nothing outside the project changes.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("VRAM_TOOLS").map_or_else(|| root().join("target/tools"), PathBuf::from)
}

/// Says what is installed, why, and how long it usually takes.
pub(crate) fn announce(what: &str, why: &str, how_long: &str) {
    println!("→ Installing {what}: {why}. This usually takes {how_long}.");
}

/// Whether this is Debian or one of its kin, with the right to install packages.
pub(crate) fn can_install_packages() -> bool {
    let is_root =
        crate::run::output(&mut crate::run::program("id", &["-u"])).is_ok_and(|id| id.trim() == "0");
    is_root && crate::run::succeeds(&mut crate::run::program("apt-get", &["--version"]))
}

/// Installs Debian packages.
pub(crate) fn install_packages(packages: &[&str]) -> bool {
    let mut update = crate::run::program("apt-get", &["update", "-qq"]);
    let mut install = crate::run::program("apt-get", &["install", "-y", "-qq", "--no-install-recommends"]);
    install.args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    crate::run::succeeds(&mut update) && crate::run::succeeds(&mut install)
}
