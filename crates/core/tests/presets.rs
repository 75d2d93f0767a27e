//! Every preset is read, and has exactly the parameters that its makers published.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]

use serde::Deserialize;
use vram_core::model::parameter_count;
use vram_core::ready::Ready;
use vram_core::{Scenario, estimate, gpu, presets};

/// A row of `assets/models.toml`, which says where each count is published.
#[derive(Deserialize)]
struct Row {
    id: String,
    parameters: u64,
    published: String,
    #[serde(default)]
    separate_head: u64,
}

#[derive(Deserialize)]
struct Rows {
    model: Vec<Row>,
}

#[test]
fn parameter_counts_are_the_published_ones() {
    let rows: Rows = toml::from_str(include_str!("../../../assets/models.toml")).unwrap();
    for Row { id, parameters, published, separate_head } in &rows.model {
        let preset = presets::find(id).unwrap();
        let counted = parameter_count(&preset.architecture().unwrap());
        assert_eq!(counted + separate_head, *parameters, "{id}: {published}");
        assert_eq!(counted, preset.parameters, "{id}");
    }
    assert_eq!(presets::all().len(), rows.model.len());
    assert!(rows.model.len() >= 60, "{}", rows.model.len());
}

#[test]
fn every_preset_has_its_family_and_a_name_of_its_own() {
    for preset in presets::all() {
        // What runs under another name, and what wraps a language model.
        let family = match preset.family() {
            "xlm-roberta" => "roberta",
            "llava" => "llama",
            family => family,
        };
        assert_eq!(family, preset.architecture().unwrap().family.key(), "{}", preset.id);
        let same = |other: &&presets::Preset| other.id == preset.id || other.name == preset.name;
        assert_eq!(presets::all().iter().filter(same).count(), 1, "{}", preset.id);
        assert_eq!(preset.source.split('/').count(), 2, "{}", preset.id);
        assert!(!preset.licence.is_empty(), "{}", preset.id);
    }
}

#[test]
fn the_default_scenario_is_the_first_preset_on_a_known_gpu() {
    let scenario = Scenario::default();
    assert_eq!(scenario.model, presets::all().first().unwrap().model().unwrap());
    assert_eq!(gpu::find("h100-80gb").unwrap().gpu(), scenario.gpu);
    assert_eq!(estimate(&scenario).unwrap().parameters, 3_821_079_552);
}

#[test]
fn every_ready_scenario_has_an_estimate_and_is_recognised() {
    for ready in Ready::ALL {
        let scenario = ready.scenario();
        assert!(estimate(&scenario).is_ok());
        assert_eq!(Ready::of(&scenario), Some(ready));
    }
}

#[test]
fn presets_are_found_by_name_size_family_and_source() {
    let found = |query| presets::matching(query).map(|preset| preset.id).collect::<Vec<_>>();
    assert_eq!(found("qwen3 8b"), ["qwen3-8b"]);
    assert_eq!(found("EleutherAI 12b"), ["pythia-12b"]);
    assert_eq!(found("gpt_neox 70m"), ["pythia-70m"]);
    assert_eq!(found("").len(), presets::all().len());
    assert!(found("no such model").is_empty());
}

#[test]
fn edited_dimensions_lose_the_presets_name_and_get_it_back() {
    let mut model = presets::find("llama-3.1-8b").unwrap().model().unwrap();
    let layers = model.architecture.layers;
    model.architecture.layers = vram_core::units::Count::new(31);
    presets::recognise(&mut model, Some("llama-3.1-8b"));
    assert_eq!(model.preset, None);
    model.architecture.layers = layers;
    presets::recognise(&mut model, Some("llama-3.1-8b"));
    assert_eq!(model.preset.as_deref(), Some("llama-3.1-8b"));
}
