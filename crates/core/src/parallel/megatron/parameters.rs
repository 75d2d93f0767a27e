//! Which part of each parameter a rank has (`ColumnParallelLinear`: rows; `RowParallelLinear`: columns; `VocabParallelEmbedding`:
//! rows of the padded vocabulary; experts dealt out, each split as an MLP is).

use super::RankPart;
use crate::ledger::{Dim, Dims, Module, What};
use crate::model::{Parameter, Place, parameters};

/// The part of a parameter that a rank has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local {
    pub(crate) parameter: Parameter,
    /// As many layers of the stage have one.
    pub(crate) copies: u64,
    /// It belongs to experts, whose data-parallel group is a smaller one.
    pub(crate) is_expert: bool,
}

impl Local {
    pub(crate) fn elements(&self) -> u64 {
        self.parameter.elements().saturating_mul(self.copies)
    }
}

/// What a rank has of every parameter.
pub(crate) fn local(rank: &RankPart) -> Vec<Local> {
    let all = parameters(&rank.architecture);
    let mut local: Vec<Local> = all.iter().map(|parameter| part(rank, parameter)).collect();
    local.retain(|local| local.copies > 0);
    local
}

fn part(rank: &RankPart, parameter: &Parameter) -> Local {
    let is_expert = parameter.is_stacked();
    let mut dims = parameter.dims;
    if matches!(parameter.name.module, Module::Embedding | Module::LmHead) {
        dims = with(dims, 0, rank.vocabulary().value);
    } else if is_expert {
        dims = divided(divided(dims, 0, rank.expert), 2, rank.expert_tensor);
    } else if let Some(at) = divided_dimension(parameter) {
        dims = divided(dims, at, rank.tensor);
    }
    Local { parameter: Parameter { dims, ..*parameter }, copies: copies(rank, parameter), is_expert }
}

fn copies(rank: &RankPart, parameter: &Parameter) -> u64 {
    let a = &rank.architecture;
    // A tied head has a copy of the embedding on the last stage.
    let is_shared = a.tied && parameter.name.module == Module::Embedding;
    let is_here = match parameter.place {
        Place::Embedding => rank.is_first() || is_shared && rank.is_last(),
        Place::Head => rank.is_last(),
        _ => return rank.layers().filter(|&index| parameter.is_at(a, index)).count() as u64,
    };
    u64::from(is_here)
}

/// Along which dimension tensor parallelism splits a parameter; none where every rank has all of it: norms, the router, the narrow
/// projections of latent attention.
fn divided_dimension(parameter: &Parameter) -> Option<usize> {
    let is_row = matches!(parameter.name.module, Module::OProj | Module::DownProj | Module::SharedDownProj);
    if is_row {
        return (parameter.name.what == What::Weight).then_some(1);
    }
    match parameter.name.module {
        // The two halves come first.
        Module::GateUpProj => Some(1),
        Module::QProj
        | Module::KProj
        | Module::VProj
        | Module::QkvProj
        | Module::QBProj
        | Module::KvBProj
        | Module::GateProj
        | Module::UpProj
        | Module::SharedGateProj
        | Module::SharedUpProj => Some(0),
        _ => None,
    }
}

fn with(dims: Dims, at: usize, value: u64) -> Dims {
    let each = dims.as_slice().iter().enumerate();
    let dims: Vec<Dim> =
        each.map(|(index, dim)| if index == at { Dim::new(dim.symbol, value) } else { *dim }).collect();
    Dims::new(&dims)
}

fn divided(dims: Dims, at: usize, by: u64) -> Dims {
    let value = dims.as_slice().get(at).map_or(1, |dim| dim.value / by.max(1));
    with(dims, at, value)
}
