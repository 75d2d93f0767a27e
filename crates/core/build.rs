//! Makes Rust tables of `assets/gpus.toml` and `assets/models.toml`, so that no program carries a TOML parser for them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, error::Error, fs};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

type Done<T = ()> = Result<T, Box<dyn Error>>;

#[derive(Deserialize)]
struct Gpus {
    gpu: Vec<Gpu>,
}

#[derive(Deserialize)]
struct Gpu {
    id: String,
    name: String,
    mib: u64,
}

#[derive(Deserialize)]
struct Models {
    model: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    name: String,
    source: String,
    licence: String,
    parameters: u64,
    #[serde(default)]
    separate_head: u64,
}

fn main() -> Done {
    gpus()?;
    models()
}

fn read<T: DeserializeOwned>(path: &str) -> Done<T> {
    println!("cargo::rerun-if-changed={path}");
    Ok(toml::from_str(&fs::read_to_string(path)?)?)
}

fn write(name: &str, table: &str) -> Done {
    Ok(fs::write(PathBuf::from(env::var("OUT_DIR")?).join(name), table)?)
}

fn gpus() -> Done {
    let file: Gpus = read("../../assets/gpus.toml")?;
    let mut table = String::from("&[\n");
    for Gpu { id, name, mib } in file.gpu {
        writeln!(table, "    KnownGpu {{ id: {id:?}, name: {name:?}, capacity: Bytes::mib({mib}) }},")?;
    }
    table.push_str("]\n");
    write("gpus.rs", &table)
}

fn models() -> Done {
    let file: Models = read("../../assets/models.toml")?;
    let mut table = String::from("&[\n");
    for Model { id, name, source, licence, parameters, separate_head } in file.model {
        let config = config(Path::new(&format!("../../assets/models/{id}.json")))?;
        let parameters = parameters - separate_head;
        writeln!(
            table,
            "    Preset {{ id: {id:?}, name: {name:?}, source: {source:?}, licence: {licence:?}, \
             parameters: {parameters}, config: {config:?} }},"
        )?;
    }
    table.push_str("]\n");
    write("models.rs", &table)
}

/// The configuration without spaces, and without what no figure depends on: the page carries all of them.
fn config(path: &Path) -> Done<String> {
    const OF_NO_EFFECT: [&str; 5] =
        ["architectures", "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"];
    println!("cargo::rerun-if-changed={}", path.display());
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut keys: Map<String, Value> = serde_json::from_str(&text)?;
    keys.retain(|key, _| !OF_NO_EFFECT.contains(&key.as_str()));
    Ok(Value::Object(keys).to_string())
}
