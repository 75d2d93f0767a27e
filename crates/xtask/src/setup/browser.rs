//! Chromium, for the end-to-end tests, the benchmark and the pictures.

use std::path::Path;

use super::{announce, can_install_packages, install_packages};
use crate::run::{Done, program, succeeds};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const CHINESE_FONT: &str = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc";

/// The browser's program, installed where there is none.
pub(crate) fn ready() -> Done<String> {
    let has_font = Path::new(CHINESE_FONT).exists();
    if let Some(browser) = find().filter(|_| has_font || !can_install_packages()) {
        return Ok(browser);
    }
    if can_install_packages() {
        announce(
            "Chromium and a Chinese font",
            "the page is tested and pictured in a real browser",
            "1 minute",
        );
        install_packages(&["chromium", "fonts-noto-cjk"]);
    }
    find().ok_or_else(|| {
        "Chromium is missing: install it from your system's packages, or set CHROMIUM to its program."
            .to_owned()
    })
}

/// The first usual name that is on the path, as a whole path: that is what the tests' driver wants.
fn find() -> Option<String> {
    let named = std::env::var("CHROMIUM").ok();
    named
        .or_else(|| NAMES.iter().find_map(|name| on_path(name)))
        .filter(|path| succeeds(&mut program(path, &["--version"])))
}

fn on_path(name: &str) -> Option<String> {
    let folders = std::env::var_os("PATH")?;
    let file = std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|file| file.is_file())?;
    Some(file.to_string_lossy().into_owned())
}
