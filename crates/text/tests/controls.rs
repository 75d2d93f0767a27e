//! Every field of a link has a control on the page, and a name in both languages.

use std::fs;
use std::path::{Path, PathBuf};

use vram_core::{Field, link};
use vram_text::{Lang, choice, derived, dimension, field_name};

/// What the page sets with another field: the GPU's memory comes with its name.
const SET_BY_ANOTHER: [&str; 1] = ["gpu_mib"];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Fields that are no dimension of the model; those have a control each, from the table itself.
fn fields() -> impl Iterator<Item = &'static str> {
    link::keys().filter(|key| !link::is_dimension(key))
}

#[test]
fn every_field_has_a_control() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../frontend/src/controls");
    let code: String = files(&folder).iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
    assert!(!code.is_empty());
    for key in fields().filter(|key| !SET_BY_ANOTHER.contains(key)) {
        assert!(code.contains(&format!("\"{key}\"")), "no control sets {key}");
    }
}

#[test]
fn every_field_has_a_name() {
    for lang in Lang::ALL {
        for key in link::keys() {
            let named = if link::is_dimension(key) {
                dimension(key, lang)
            } else {
                field_name(&Field::new(key), lang)
            };
            assert!(!named.starts_with('"'), "{key}");
        }
    }
}

#[test]
fn every_choice_has_a_name() {
    for lang in Lang::ALL {
        for key in fields() {
            for word in link::words(key) {
                assert!(choice(key, word, lang).is_some(), "{key}={word}");
            }
        }
    }
}

#[test]
fn what_was_not_measured_is_said_in_the_readers_words() {
    let choices = [("dp", "zero1".to_owned()), ("offload_optimizer", "1".to_owned())];
    let [en, zh] = Lang::ALL.map(|lang| derived(&choices, lang).unwrap_or_default());
    let said = "Data parallelism: DeepSpeed ZeRO-1: optimizer states; Offload the optimizer to the CPU (offload_optimizer): on";
    assert_eq!(en, format!("Derived from the code, not measured: {said}."));
    assert!(zh.contains("数据并行：DeepSpeed ZeRO-1：优化器状态；"), "{zh}");
}
