//! Scenarios by the fields of a link.

use vram_core::{Scenario, link, presets};

/// A preset with some fields of a link, later ones over earlier ones.
pub(crate) fn scenario(model: &str, fields: &str) -> Scenario {
    let model = presets::find(model).unwrap().model().unwrap();
    let mut scenario = Scenario { model, ..Scenario::default() };
    set(&mut scenario, fields);
    scenario
}

/// Sets some fields of a link.
pub(crate) fn set(scenario: &mut Scenario, fields: &str) {
    for field in fields.split('&').filter(|field| !field.is_empty()) {
        let (key, value) = field.split_once('=').unwrap();
        link::set(scenario, key, value).unwrap();
    }
}
