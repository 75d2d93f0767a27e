//! A million random and mutated configurations, links and scenarios (`crates/core/tests/fuzz`).

use crate::run::{Done, program, run};

/// Tries so many, on every core, with checks of overflow.
pub(crate) fn fuzz(cases: u32) -> Done {
    let mut test =
        program("cargo", &["test", "--release", "--package", "vram-core", "--test", "laws", "fuzz::"]);
    run(test
        .env("VRAM_FUZZ", cases.to_string())
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")
        .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true"))
}
