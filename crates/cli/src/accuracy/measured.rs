//! Runs on real GPUs: a table with what was measured, and the scenario that says the same or why none does.

use std::path::Path;

use serde_json::{Map, Value};
use vram_core::ledger::InstantSet;
use vram_core::units::Bytes;
use vram_core::{Error, Estimate, Scenario};
use vram_text::{Lang, error_sentence};

use super::golden::{Golden, MEGATRON, Unsupported, lines, stages};
use super::relative;
use crate::asked::from_json;
use crate::failure::{Failure, read};

/// A figure that real runs report, by the table's word for it.
pub struct Figure {
    /// The word of the table.
    pub key: &'static str,
    /// What it is, for the reader.
    pub what: &'static str,
    ours: fn(&Estimate) -> Bytes,
}

/// Each figure beside its own of the estimate: like is compared with like.
pub const MEASURED_FIGURES: [Figure; 3] = [
    Figure {
        key: "allocated",
        what: "`torch.cuda.max_memory_allocated()`, with the estimate's peak as the allocator counts it",
        ours: |estimate| estimate.allocated,
    },
    Figure {
        key: "resident",
        what: "`torch.cuda.memory_allocated()` when training has ended, with what is alive at every instant",
        ours: resident,
    },
    Figure {
        key: "device",
        what: "what nvidia-smi or NVML shows as taken, with the likely value of the device band",
        ours: |estimate| estimate.device.likely,
    },
];

const ONE_GPU: &str = "one GPU";
const SEVERAL_GPUS: &str = "several GPUs";
/// The kinds of run, in the order of the summary.
pub(super) const GROUPS: [&str; 3] = [ONE_GPU, SEVERAL_GPUS, MEGATRON];

/// What stays between steps.
fn resident(estimate: &Estimate) -> Bytes {
    let stays = |entry: &&vram_core::ledger::Entry| entry.instants.contains_all(InstantSet::TRAINING);
    estimate.entries.iter().filter(stays).map(|entry| entry.bytes() + entry.rounding).sum()
}

/// A run of the table beside its estimate.
#[derive(Clone, Debug)]
pub struct MeasuredRow {
    /// Its identifier.
    pub id: String,
    /// Model, method and shape, for reading.
    pub run: String,
    /// On one GPU, on several, or with Megatron-LM's own layers.
    pub group: &'static str,
    /// Bytes, in the order of [`MEASURED_FIGURES`].
    pub measured: [Option<u64>; MEASURED_FIGURES.len()],
    /// Relative errors in the same order, and whether the device figure lies in the band; or why there is no scenario.
    pub compared: Result<Compared, Unsupported>,
    /// What was taken for granted, a sentence each.
    pub assumptions: Vec<String>,
    /// Why a figure is far off, by its word.
    pub off_because: Map<String, Value>,
    /// What the table states first, for reading.
    pub stated: Option<(String, u64)>,
    /// `max_memory_allocated` and `max_memory_reserved` of the same step on the stack that is modelled (`docs/oracle.md`).
    pub oracle: [Option<u64>; 2],
}

/// Errors of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Relative and signed; none where the run doesn't state the figure.
    pub errors: [Option<f64>; MEASURED_FIGURES.len()],
    /// Whether the device figure lies between the band's ends; none where the run doesn't state it.
    pub is_in_band: Option<bool>,
    /// What was estimated.
    pub scenario: Scenario,
}

impl MeasuredRow {
    /// One figure's error.
    pub fn error(&self, figure: &str) -> Option<f64> {
        let index = MEASURED_FIGURES.iter().position(|known| known.key == figure)?;
        self.compared.as_ref().ok().and_then(|compared| compared.errors.get(index).copied().flatten())
    }

    fn of(row: &Value, folder: &Path, oracle: &[Value]) -> Self {
        let text = |key: &str| row[key].as_str().unwrap_or("?").to_owned();
        let measured = MEASURED_FIGURES.map(|figure| row["measured"][figure.key].as_u64());
        let id = text("id");
        let same = oracle.iter().find(|step| step["id"] == id.as_str()).unwrap_or(&Value::Null);
        let stated = row["measured"].as_object().and_then(|all| all.iter().next());
        Self {
            stated: stated.and_then(|(figure, bytes)| Some((figure.clone(), bytes.as_u64()?))),
            oracle: ["peak_allocated", "peak_reserved"].map(|figure| same["measured"][figure].as_u64()),
            id,
            run: text("run"),
            measured,
            compared: scenario(row, folder).and_then(|scenario| compare(scenario, measured)),
            group: if row["scenario"]["gpus"].as_u64() > Some(1) { SEVERAL_GPUS } else { ONE_GPU },
            assumptions: texts(&row["assumptions"]),
            off_because: row["off_because"].as_object().cloned().unwrap_or_default(),
        }
    }

    /// A pipeline stage of Megatron-LM.
    fn of_stage(stage: Golden) -> Self {
        let allocated = stage.figure("peak_allocated");
        let measured = [allocated, None, None];
        Self {
            id: stage.id,
            run: stage.label,
            group: MEGATRON,
            measured,
            compared: stage.scenario.and_then(|scenario| compare(scenario, measured)),
            assumptions: Vec::new(),
            off_because: Map::new(),
            stated: allocated.map(|bytes| ("allocated".to_owned(), bytes)),
            oracle: [None; 2],
        }
    }
}

/// Reads a table, a run a line (of Megatron-LM one for each stage), with `oracle.jsonl` beside it, and estimates every run that has a scenario.
///
/// # Errors
/// [`Failure::File`]; [`Failure::Input`] for a line that is no JSON.
pub fn read_measured(path: &str) -> Result<Vec<MeasuredRow>, Failure> {
    let folder = Path::new(path).parent().unwrap_or(Path::new("."));
    let oracle = lines(&folder.join("oracle.jsonl").to_string_lossy())?;
    let rows = lines(path)?;
    let of_row = |row| match stages(row) {
        Some(stages) => stages.into_iter().map(MeasuredRow::of_stage).collect(),
        None => vec![MeasuredRow::of(row, folder, &oracle)],
    };
    Ok(rows.iter().flat_map(of_row).collect())
}

fn compare(
    scenario: Scenario,
    measured: [Option<u64>; MEASURED_FIGURES.len()],
) -> Result<Compared, Unsupported> {
    let estimate = vram_core::estimate_with_replay(&scenario).map_err(|error| unsupported(&error))?;
    let mut errors = [None; MEASURED_FIGURES.len()];
    for ((error, figure), measured) in errors.iter_mut().zip(&MEASURED_FIGURES).zip(measured) {
        *error = measured.map(|measured| relative((figure.ours)(&estimate).get(), measured));
    }
    let [_, _, device] = measured;
    let band = estimate.device.low.get()..=estimate.device.high.get();
    Ok(Compared { errors, is_in_band: device.map(|device| band.contains(&device)), scenario })
}

/// The scenario of a row: the keys of a scenario file, and `dimensions`, a model's name in the folder `models` beside the table.
fn scenario(row: &Value, folder: &Path) -> Result<Scenario, Unsupported> {
    let reasons = texts(&row["not_expressed"]);
    if !reasons.is_empty() {
        return Err(Unsupported(reasons.join(", ")));
    }
    let mut fields =
        row["scenario"].as_object().cloned().ok_or_else(|| Unsupported("no scenario".to_owned()))?;
    if let Some(name) = fields.remove("dimensions").as_ref().and_then(Value::as_str) {
        fields.extend(dimensions(folder, name)?);
    }
    let reading = from_json(&Value::Object(fields).to_string()).map_err(|error| unsupported(&error))?;
    reading.problems.first().map_or(Ok(reading.scenario), |problem| Err(unsupported(problem)))
}

fn dimensions(folder: &Path, name: &str) -> Result<Map<String, Value>, Unsupported> {
    let path = folder.join("models").join(name).with_extension("json");
    let text = read(&path.to_string_lossy()).map_err(|failure| Unsupported(failure.sentences(Lang::En)))?;
    let model: Value = serde_json::from_str(&text).unwrap_or_default();
    model["dimensions"].as_object().cloned().ok_or_else(|| Unsupported(format!("no dimensions of {name}")))
}

fn unsupported(error: &Error) -> Unsupported {
    Unsupported(error_sentence(error, Lang::En))
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
