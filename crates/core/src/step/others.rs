//! The frozen models beside the policy: their weights, which are there all the time.

use crate::account::Account;
use crate::ledger::{Category, Dim, Dims, Instant, Name, Part, What};
use crate::model::{Architecture, Parameter, parameters};
use crate::name::Module;
use crate::scenario::{OtherModel, Place, Scenario};
use crate::tape::Storage;
use crate::units::Dtype;

/// Weights that share one absmax in NF4, and absmaxes that share one of their own
/// (`bitsandbytes/functional.py`, `quantize_4bit`: `blocksize=64`, nested 256).
const NF4_BLOCK: u64 = 64;
const NESTED_BLOCK: u64 = 256;
/// Its tables and offset: 16 and 256 fp32 codes, one fp32 number.
const NF4_TABLES: u64 = 4 * (16 + 256 + 1);
/// Bytes of a million NF4 weights with their scales.
const NF4_MILLION: u64 = 515_869;

/// Every frozen model that is on the GPU, with the part of the ledger that it is.
pub(crate) fn on_gpu(scenario: &Scenario) -> impl Iterator<Item = (Part, OtherModel)> {
    let objective = &scenario.objective;
    [
        (Part::Main, objective.reference()),
        (Part::Reward, objective.reward()),
        (Part::Teacher, objective.teacher()),
    ]
    .into_iter()
    .filter(|(_, model)| model.place.on_gpu().is_some())
}

/// The storages of its weights with the copies of each.
pub(crate) fn weights(scenario: &Scenario, part: Part, model: OtherModel) -> Vec<(Storage, u64)> {
    let Some(dtype) = model.place.on_gpu() else { return Vec::new() };
    if let Some(millions) = model.millions {
        return vec![(of_millions(part, model.place, millions.get(), dtype), 1)];
    }
    let architecture = architecture(scenario, part);
    let of_one = |parameter: &Parameter| {
        let name = if part == Part::Main { parameter.name } else { Name { part, ..parameter.name } };
        let storage = Storage { name, category: Category::ReferenceModel, dims: parameter.dims, dtype };
        (quantised(storage, parameter, model.place), parameter.copies(&architecture))
    };
    parameters_of(scenario, part).iter().map(of_one).collect()
}

/// The policy's dimensions; a reward model has a head over one label.
fn architecture(scenario: &Scenario, part: Part) -> Architecture {
    if part == Part::Reward { scenario.value_architecture() } else { scenario.architecture() }
}

/// The parameters of a model of the policy's dimensions, in the order of [`weights`].
pub(crate) fn parameters_of(scenario: &Scenario, part: Part) -> Vec<Parameter> {
    parameters(&architecture(scenario, part))
}

/// A model of another architecture, of which only the number of parameters is known.
fn of_millions(part: Part, place: Place, millions: u64, dtype: Dtype) -> Storage {
    let (each, dtype) = match place {
        Place::Int8 => (1_000_000, Dtype::Uint8),
        Place::Nf4 => (NF4_MILLION, Dtype::Uint8),
        _ => (1_000_000, dtype),
    };
    Storage {
        name: Name { part, ..Name::of(Module::Layer, What::Weight) },
        category: Category::ReferenceModel,
        dims: Dims::new(&[Dim::number(millions), Dim::number(each)]),
        dtype,
    }
}

/// Matrices of layers are quantised; embedding, head, norms and biases are not. PARALLEL section 9.
fn quantised(storage: Storage, parameter: &Parameter, place: Place) -> Storage {
    let Some((rows, columns)) = parameter.matrix.filter(|_| parameter.is_in_layer()) else { return storage };
    let elements = rows.saturating_mul(columns);
    let bytes = match place {
        Place::Int8 => elements.saturating_add(rows.saturating_mul(4)),
        Place::Nf4 => {
            let blocks = elements.div_ceil(NF4_BLOCK);
            let nested = blocks.div_ceil(NESTED_BLOCK).saturating_mul(4);
            elements.div_ceil(2).saturating_add(blocks).saturating_add(nested).saturating_add(NF4_TABLES)
        }
        _ => return storage,
    };
    Storage { dims: Dims::new(&[Dim::number(bytes)]), dtype: Dtype::Uint8, ..storage }
}

/// Notes all of them.
pub(super) fn note(account: &mut Account, scenario: &Scenario) {
    for (part, model) in on_gpu(scenario) {
        for (storage, copies) in weights(scenario, part, model) {
            account.add_storage(&Instant::ALL, storage, copies);
        }
    }
}
