//! The benchmark and the pictures: both drive the built page in Chromium.

use crate::run::{Done, program, root, run};
use crate::setup::{browser, node};
use crate::{build, serve, size};

/// Runs a script of `tests/e2e` against the served page.
pub(crate) fn in_browser(arguments: &[&str]) -> Done {
    node::ready()?;
    let browser = browser::ready()?;
    let address = serve::in_background()?;
    let mut node = program("node", arguments);
    run(node.current_dir(root().join("tests/e2e")).env("PAGE", address).env("CHROMIUM", browser))
}

/// Time of an estimate natively, that of a mesh of 16,384 GPUs held to twice that of one, and in the browser, time from a slider's move to the paint that shows it, size.
pub(crate) fn bench() -> Done {
    build::build()?;
    run(&mut program("cargo", &["bench", "--quiet", "--package", "vram-core"]))?;
    let cost =
        ["test", "--quiet", "--release", "--package", "vram-core", "--test", "cost", "--", "--nocapture"];
    run(&mut program("cargo", &cost))?;
    in_browser(&["bench.mjs"])?;
    size::report()
}

/// The pictures in `docs/screenshots/`.
pub(crate) fn screenshots() -> Done {
    build::build()?;
    in_browser(&["screenshots.mjs"])
}
