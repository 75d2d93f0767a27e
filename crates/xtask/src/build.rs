//! The static site in `dist/`.

use crate::run::{Done, program, run};
use crate::setup::{node, tools, wasm::Compiler};

/// Builds the page in release mode; relative paths, so that it works from any folder of any static host.
pub(crate) fn build() -> Done {
    let compiler = Compiler::find()?;
    let tools = tools::ready()?;
    node::ready()?;
    println!("→ Building the page. The first time takes about 3 minutes, later ones less than one.");
    // Trunk calls cargo offline; everything is fetched before.
    let mut fetch =
        program(compiler.cargo(), &["fetch", "--quiet", "--locked", "--target", "wasm32-unknown-unknown"]);
    compiler.prepare(&mut fetch, &tools);
    run(&mut fetch)?;
    let mut trunk =
        program(tools.join("bin/trunk"), &["--quiet", "build", "--release", "--cargo-profile", "page"]);
    compiler.prepare(&mut trunk, &tools);
    run(&mut trunk)?;
    println!("  dist/ holds the site.");
    Ok(())
}
