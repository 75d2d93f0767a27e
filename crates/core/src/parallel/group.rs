//! Parameters that FSDP gathers and reduces together: how many there are, and of what dtype.

use super::Shards;
use crate::model::Parameter;
use crate::scenario::{DataParallel, Scenario};
use crate::units::Dtype;

/// Parameters that are gathered and reduced together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// What is gathered, with its padding, and its dtype. Weights of several dtypes are gathered as bytes
    /// (`_get_all_gather_input_metadatas`).
    pub(super) weights: u64,
    pub(super) gathered_as: Dtype,
    /// What a rank casts, or copies to the GPU, to gather it.
    pub(super) cast: u64,
    /// What has gradients, without and with its padding.
    pub(super) trained: u64,
    pub(super) padded: u64,
    /// What one rank holds of that, parameter by parameter.
    pub(super) shard: u64,
}

/// Parameters of one dtype, all together.
struct Uniform {
    elements: u64,
    stored: Dtype,
    gathered: Dtype,
}

impl Group {
    /// Of the frozen and the trained parameters those that are in the group.
    pub(super) fn of(
        scenario: &Scenario,
        shards: Shards,
        [frozen, trained]: [&[Parameter]; 2],
        is_in: &dyn Fn(&Parameter) -> bool,
    ) -> Self {
        let sum = |parameters: &[Parameter], of: &dyn Fn(&Parameter) -> u64| {
            parameters.iter().filter(|parameter| is_in(parameter)).map(of).fold(0, u64::saturating_add)
        };
        let padded = |parameters: &[Parameter]| {
            if shards.is_flat() {
                let elements = sum(parameters, &Parameter::elements);
                elements.div_ceil(shards.ways()).saturating_mul(shards.ways())
            } else {
                sum(parameters, &|parameter| shards.padded_elements(parameter))
            }
        };
        let of_frozen =
            Uniform { elements: padded(frozen), stored: scenario.stored(), gathered: scenario.weight() };
        let of_trained =
            Uniform { elements: padded(trained), stored: scenario.trained(), gathered: scenario.gathered() };
        let reduced = of_trained.elements;
        let mut parts = vec![of_frozen];
        if !wraps_adapters(scenario) {
            parts.push(of_trained);
        }
        parts.retain(|part| part.elements > 0);
        let dtype = parts.first().map_or(Dtype::Uint8, |part| part.gathered);
        let is_uniform = parts.iter().all(|part| part.gathered == dtype);
        let size = |part: &Uniform| if is_uniform { 1 } else { part.gathered.size() };
        let is_cast = |part: &&Uniform| part.stored != part.gathered || scenario.parallel.is_offloaded();
        let share = |part: &Uniform| (part.elements / shards.ways().max(1)).saturating_mul(size(part));
        Self {
            weights: parts
                .iter()
                .map(|part| part.elements.saturating_mul(size(part)))
                .fold(0, u64::saturating_add),
            gathered_as: if is_uniform { dtype } else { Dtype::Uint8 },
            cast: parts.iter().filter(is_cast).map(share).fold(0, u64::saturating_add),
            trained: sum(trained, &Parameter::elements),
            padded: reduced,
            shard: sum(trained, &|parameter| shards.padded(parameter).elements()),
        }
    }
}

/// Whether adapters are gathered and reduced matrix by matrix.
pub(super) fn wraps_adapters(scenario: &Scenario) -> bool {
    scenario.parallel.scheme() == Some(DataParallel::Fsdp1) && scenario.lora.is_on()
}
