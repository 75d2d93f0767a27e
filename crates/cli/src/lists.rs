//! `vram models` and `vram gpus`.

use serde_json::{Value, json};
use vram_core::model::parameter_count;
use vram_core::{gpu, presets};
use vram_text::{Lang, Unit, Word, format_bytes, parameter_count as in_words};

use crate::failure::Failure;
use crate::output::{Format, Table};

fn print(table: &Table, json: Vec<Value>, format: Format) -> Result<String, Failure> {
    match format {
        Format::Json => Ok(Value::Array(json).to_string() + "\n"),
        Format::Csv => table.csv(),
        Format::Markdown => Ok(table.markdown()),
        Format::Table | Format::Svg => Ok(table.text()),
    }
}

fn header(words: &[Word], lang: Lang) -> Vec<String> {
    words.iter().map(|word| word.in_lang(lang).to_owned()).collect()
}

/// The models that can be chosen by name.
///
/// # Errors
/// [`Failure::Input`] if a preset can't be read, which the tests rule out; [`Failure::Output`].
pub fn models(format: Format, lang: Lang) -> Result<String, Failure> {
    let mut rows = Vec::new();
    let mut json = Vec::new();
    for preset in presets::all() {
        let architecture = preset.architecture()?;
        let n = parameter_count(&architecture);
        rows.push(vec![
            preset.id.to_owned(),
            preset.name.to_owned(),
            architecture.family.key().to_owned(),
            preset.source.to_owned(),
            in_words(n),
        ]);
        json.push(json!({
            "id": preset.id, "name": preset.name, "family": architecture.family.key(),
            "parameters": n, "source": preset.source, "licence": preset.licence,
        }));
    }
    let header = header(&[Word::Id, Word::Name, Word::Model, Word::Source, Word::Parameters], lang);
    print(&Table { header, rows, numbers: 4 }, json, format)
}

/// The GPUs that can be chosen by name.
///
/// # Errors
/// [`Failure::Output`].
pub fn gpus(format: Format, unit: Unit, lang: Lang) -> Result<String, Failure> {
    let rows = gpu::all()
        .iter()
        .map(|gpu| vec![gpu.id.to_owned(), gpu.name.to_owned(), format_bytes(gpu.capacity, unit)])
        .collect();
    let json = gpu::all()
        .iter()
        .map(|gpu| json!({ "id": gpu.id, "name": gpu.name, "capacity": gpu.capacity.get() }))
        .collect();
    let header = header(&[Word::Id, Word::Name, Word::Capacity], lang);
    print(&Table { header, rows, numbers: 2 }, json, format)
}
