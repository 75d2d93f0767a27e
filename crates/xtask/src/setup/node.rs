//! The packages from npm: wasm-opt for the build, playwright-core and axe-core for the browser tests.

use super::announce;
use crate::run::{Done, program, root, run, succeeds};

/// Installs what `tests/e2e/package-lock.json` pins.
pub(crate) fn ready() -> Done {
    if !succeeds(&mut program("node", &["--version"])) || !succeeds(&mut program("npm", &["--version"])) {
        return Err(
            "Node.js 20 or later with npm is missing: install it from your system's packages.".to_owned()
        );
    }
    let folder = root().join("tests/e2e");
    let stamp = folder.join("node_modules/.package-lock.json");
    let lock = folder.join("package-lock.json");
    let time = |path: &std::path::Path| path.metadata().and_then(|data| data.modified()).ok();
    if time(&stamp).is_some_and(|installed| time(&lock).is_some_and(|locked| installed >= locked)) {
        return Ok(());
    }
    announce(
        "wasm-opt, playwright-core and axe-core from npm",
        "they shrink and test the page",
        "20 seconds",
    );
    let mut install = program("npm", &["ci", "--silent", "--no-audit", "--no-fund"]);
    run(install.current_dir(folder))
        .map_err(|error| format!("The packages from npm could not be installed: {error}"))
}
