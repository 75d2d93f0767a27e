//! The parameters of adapters: `update_layer` of PEFT's tuners (`peft/tuners/{lora,vera,ia3}/layer.py`, `lora/dora.py`,
//! `prompt_tuning/model.py`).

use crate::ledger::{Dim, Dims, Module, Name, Symbol, What};
use crate::model::{Architecture, LayerRange, Parameter, Place};
use crate::plan::{Adapters, Prefix, scales_input};
use crate::scenario::AdapterMethod;

/// What a method trains beside a model's own parameters.
pub(super) fn parameters(
    model: &[Parameter],
    architecture: &Architecture,
    adapters: &Adapters,
) -> Vec<Parameter> {
    if let Some(tokens) = adapters.prompt {
        return vec![prompt(tokens, architecture)];
    }
    if let Some(prefix) = adapters.prefix {
        return of_prefix(&prefix);
    }
    let targeted = model.iter().filter(|parameter| {
        // The linear layer before BERT's projection to the vocabulary is one like those in the layers.
        let is_of_head = matches!(parameter.name.module, Module::LmHead | Module::HeadTransform);
        let is_linear = parameter.is_in_layer() || is_of_head;
        is_linear && adapters.target(parameter.name.module)
            || adapters.experts.contains(parameter.name.module)
    });
    let mut all = Vec::new();
    for parameter in targeted {
        let Some((rows, columns)) = parameter.matrix else { continue };
        let (rows, columns, rank) = match parameter.dims.as_slice() {
            // `ParamWrapper.update_layer`: all experts' adapters side by side.
            [experts, .., columns] if parameter.is_stacked() => {
                let one = rows / experts.value.max(1);
                (one, columns.value, Dim::number(experts.value.saturating_mul(adapters.rank.value)))
            }
            _ => (rows, columns, adapters.rank),
        };
        let (rows, columns) = (Dim::number(rows), Dim::number(columns));
        let beside = |what, dims: &[Dim]| Parameter {
            name: Name { what, ..parameter.name },
            dims: Dims::new(dims),
            matrix: match dims {
                [rows, columns] => Some((rows.value, columns.value)),
                _ => None,
            },
            ..*parameter
        };
        match adapters.method {
            AdapterMethod::Vera => {
                all.push(beside(What::LambdaB, &[rows]));
                all.push(beside(What::LambdaD, &[adapters.rank]));
            }
            AdapterMethod::Ia3 => {
                let width = if scales_input(parameter.name.module) { columns } else { rows };
                all.push(beside(What::Ia3Scale, &[width]));
            }
            AdapterMethod::Prompt | AdapterMethod::Prefix => {}
            AdapterMethod::Lora | AdapterMethod::RsLora | AdapterMethod::Dora => {
                all.push(beside(What::LoraA, &[rank, columns]));
                all.push(beside(What::LoraB, &[rows, rank]));
                if adapters.method == AdapterMethod::Dora {
                    all.push(beside(What::Magnitude, &[rows]));
                }
            }
        }
    }
    all
}

/// `PrefixEncoder.embedding`, and `transform` where an MLP makes the prefix.
fn of_prefix(prefix: &Prefix) -> Vec<Parameter> {
    let of = |module, what, dims: &[Dim]| Parameter {
        name: Name::of(module, what),
        place: Place::Embedding,
        layers: LayerRange::ALL,
        dims: Dims::new(dims),
        matrix: match dims {
            [rows, columns] => Some((rows.value, columns.value)),
            _ => None,
        },
    };
    let mut all = vec![of(Module::Prompt, What::Weight, &[prefix.tokens, prefix.looked_up()])];
    if let Some(inner) = prefix.projection {
        let layers =
            [(Module::PrefixHidden, inner, prefix.looked_up()), (Module::PrefixOutput, prefix.all, inner)];
        for (module, rows, columns) in layers {
            all.push(of(module, What::Weight, &[rows, columns]));
            all.push(of(module, What::Bias, &[rows]));
        }
    }
    all
}

/// `PromptEmbedding.embedding`.
fn prompt(tokens: Dim, architecture: &Architecture) -> Parameter {
    let hidden = Dim::new(Symbol::Hidden, architecture.hidden.get());
    Parameter {
        name: Name::of(Module::Prompt, What::Weight),
        place: Place::Embedding,
        layers: LayerRange::ALL,
        dims: Dims::new(&[tokens, hidden]),
        matrix: Some((tokens.value, hidden.value)),
    }
}
