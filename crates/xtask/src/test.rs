//! Everything that must pass, step by step.

use std::time::Instant;

use crate::run::{Done, program, run};
use crate::setup::{tools, wasm::Compiler};
use crate::{accuracy, bench, build, size};

type Step = (&'static str, fn() -> Done);

const STEPS: [Step; 8] = [
    ("format", format),
    ("clippy, native", clippy_native),
    ("unit, property, corpus and documentation tests", cargo_test),
    ("docs/accuracy.md is up to date", accuracy::check),
    ("the page builds", build::build),
    ("clippy, wasm", clippy_wasm),
    ("size budget", size::report),
    ("the page in Chromium", end_to_end),
];

/// Runs every step, also after one has failed, and sums up.
pub(crate) fn test() -> Done {
    let mut results = Vec::new();
    for (name, step) in STEPS {
        println!("\n=== {name}");
        let begun = Instant::now();
        let done = step();
        if let Err(sentence) = &done {
            eprintln!("{sentence}");
        }
        results.push((name, done.is_ok(), begun.elapsed().as_secs()));
    }
    println!("\n=== summary");
    for (name, is_good, seconds) in &results {
        println!("{} {name} ({seconds} s)", if *is_good { "pass" } else { "FAIL" });
    }
    let passed = results.iter().filter(|(_, is_good, _)| *is_good).count();
    println!("{passed} passed, {} failed", results.len() - passed);
    if passed == results.len() { Ok(()) } else { Err("Not everything passed.".to_owned()) }
}

fn format() -> Done {
    run(&mut program("cargo", &["fmt", "--all", "--check"]))
}

fn clippy_native() -> Done {
    let arguments =
        ["clippy", "--quiet", "--workspace", "--exclude", "vram-web", "--all-targets", "--all-features"];
    run(program("cargo", &arguments).args(["--", "-D", "warnings"]))
}

fn cargo_test() -> Done {
    let mut tests =
        program("cargo", &["test", "--quiet", "--workspace", "--exclude", "vram-web", "--all-features"]);
    // The same scenarios each time, so that a change is judged by what it changes; `cargo test` by itself looks at others.
    run(tests.env("PROPTEST_RNG_SEED", "20261125"))
}

fn clippy_wasm() -> Done {
    let compiler = Compiler::find()?;
    let mut clippy = program(
        compiler.cargo(),
        &["clippy", "--quiet", "--package", "vram-web", "--target", "wasm32-unknown-unknown"],
    );
    compiler.prepare(&mut clippy, &tools::ready()?);
    run(clippy.args(["--", "-D", "warnings"]))
}

/// The command's answers are what the page is compared with.
fn end_to_end() -> Done {
    run(&mut program("cargo", &["build", "--quiet", "--package", "vram"]))?;
    bench::in_browser(&["--test", "--test-reporter=spec"])
}
