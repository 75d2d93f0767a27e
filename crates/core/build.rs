//! Makes a Rust table of `assets/gpus.toml`, so that no program carries a TOML parser for it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, error::Error, fs};

use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    gpu: Vec<Gpu>,
}

#[derive(Deserialize)]
struct Gpu {
    id: String,
    name: String,
    mib: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let source = "../../assets/gpus.toml";
    println!("cargo::rerun-if-changed={source}");
    let file: File = toml::from_str(&fs::read_to_string(source)?)?;
    let mut table = String::from("&[\n");
    for Gpu { id, name, mib } in file.gpu {
        writeln!(table, "    KnownGpu {{ id: {id:?}, name: {name:?}, capacity: Bytes::mib({mib}) }},")?;
    }
    table.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("gpus.rs"), table)?;
    Ok(())
}
