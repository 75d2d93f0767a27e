//! The weights beside a `config.json` on this machine: only their headers are read.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};
use vram_core::model::weights::{self, Comparison, Evidence, Group, INDEX, LENGTH_BYTES, ONE_FILE, Tensor};
use vram_core::model::{Architecture, parameter_count};

use crate::failure::{Failure, read};

/// What index and safetensors files beside `config` say; none where there are none.
///
/// # Errors
/// [`Failure::File`] for a file that can't be read; [`Failure::Input`] for a header that is none.
pub fn beside(config: &str, architecture: &Architecture) -> Result<Option<Evidence>, Failure> {
    let Some(folder) = Path::new(config).parent() else { return Ok(None) };
    let index = folder.join(INDEX);
    let one = folder.join(ONE_FILE);
    if index.is_file() {
        let index = weights::index(&read(&index.to_string_lossy())?)?;
        let files: Vec<_> = index.files.iter().map(|file| folder.join(file)).collect();
        if files.iter().all(|file| file.is_file()) {
            return of_files(&files, architecture).map(Some);
        }
        let counted = parameter_count(architecture);
        return Ok(index.total_size.map(|total| Evidence::Bytes { total, counted }));
    }
    if one.is_file() { of_files(&[one], architecture).map(Some) } else { Ok(None) }
}

fn of_files(files: &[impl AsRef<Path>], architecture: &Architecture) -> Result<Evidence, Failure> {
    let mut tensors = Vec::new();
    for file in files {
        tensors.extend(header(file.as_ref())?);
    }
    Ok(Evidence::Tensors(Comparison::of(&tensors, architecture)))
}

fn header(path: &Path) -> Result<Vec<Tensor>, Failure> {
    let unreadable = |error: std::io::Error| Failure::File {
        path: path.to_string_lossy().into_owned(),
        reason: error.to_string(),
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut first = [0; LENGTH_BYTES];
    file.read_exact(&mut first).map_err(unreadable)?;
    let mut json = String::new();
    file.take(weights::header_length(first)?).read_to_string(&mut json).map_err(unreadable)?;
    Ok(weights::header(&json)?)
}

/// The same as JSON.
pub fn json(evidence: &Evidence) -> Value {
    let groups = |groups: &[Group]| -> Vec<Value> {
        let of =
            |group: &Group| json!({ "name": group.name, "copies": group.copies, "elements": group.elements });
        groups.iter().map(of).collect()
    };
    match evidence {
        Evidence::Tensors(of) => json!({
            "agrees": of.agrees(),
            "parameters": of.in_file,
            "counted": of.counted,
            "buffers": of.buffers,
            "dtypes": of.dtypes.iter().map(|(dtype, count)| (dtype.clone(), json!(count))).collect::<Value>(),
            "only_in_file": groups(&of.only_in_file),
            "only_counted": groups(&of.only_counted),
        }),
        Evidence::Bytes { total, counted } => {
            json!({ "agrees": evidence.agrees(), "total_size": total, "counted": counted })
        }
    }
}
