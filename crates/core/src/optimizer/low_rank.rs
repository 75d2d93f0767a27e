//! Optimizers whose states have a low rank: GaLore, Q-GaLore, APOLLO.
//!
//! The layers' matrices are projected, everything else has AdamW's states, as in the authors' training scripts, where the others come
//! first. Refreshing projections by singular value decomposition, every 200 steps, isn't counted.

use super::{Held, Updated, bitsandbytes, copies, is_matrix, larger, workspace};
use crate::ledger::What;
use crate::model::Parameter;
use crate::rules::CUBLAS_WORKSPACE;
use crate::units::{Bytes, Dtype};

/// Matrices of two dimensions outside of embedding and head.
fn is_projected(parameter: &Parameter) -> bool {
    is_matrix(parameter) && !parameter.is_stacked() && !parameter.is_of_vocabulary()
}

/// Elements of the projected gradient: the longer side times the rank (`galore_projector.py`, `project`, `proj_type="std"`).
fn low(parameter: &Parameter, rank: u64) -> u64 {
    let (rows, columns) = parameter.matrix.unwrap_or_default();
    rows.max(columns).saturating_mul(rank.min(rows.min(columns)))
}

/// Elements of the projection: the shorter side times the rank.
fn projection(parameter: &Parameter, rank: u64) -> u64 {
    let (rows, columns) = parameter.matrix.unwrap_or_default();
    let side = rows.min(columns);
    side.saturating_mul(rank.min(side))
}

fn of_projected(parameter: &Parameter, elements: impl Fn(&Parameter) -> u64) -> u64 {
    if is_projected(parameter) { elements(parameter) } else { 0 }
}

/// What a moment has of each parameter.
fn reduced(parameter: &Parameter, rank: u64) -> u64 {
    if is_projected(parameter) { low(parameter, rank) } else { parameter.elements() }
}

fn adam(updated: &Updated<'_>, rank: u64) -> [Held; 2] {
    let moment = |what| updated.state_of(what, updated.dtype, |p| reduced(p, rank));
    [moment(What::ExpAvg), moment(What::ExpAvgSq)]
}

/// A slice of singular vectors. In fp32 it is a view that keeps all of them; other dtypes are casts of the slice
/// (`galore_projector.py`, `get_orthogonal_matrix`).
fn singular_vectors(updated: &Updated<'_>, rank: u64) -> Held {
    let rank = if updated.dtype == Dtype::Fp32 { u64::MAX } else { rank };
    updated.state_of(What::Projector, updated.dtype, |p| of_projected(p, |p| projection(p, rank)))
}

/// `galore-torch`, `adamw.py`.
pub(super) fn galore(updated: &Updated<'_>) -> Vec<Held> {
    let rank = updated.settings.rank.get();
    let mut states: Vec<Held> = adam(updated, rank).into();
    states.push(singular_vectors(updated, rank));
    states
}

/// The projected denominator and update, and the update at full size with its scaled copy; or AdamW's two copies of another parameter.
pub(super) fn galore_step(updated: &Updated<'_>) -> Vec<Held> {
    low_rank_step(updated, updated.settings.rank.get())
}

fn low_rank_step(updated: &Updated<'_>, rank: u64) -> Vec<Held> {
    let own = updated.largest_update(|p| {
        let full = p.elements().saturating_mul(2);
        [(full, updated.dtype), (of_projected(p, |p| low(p, rank).saturating_mul(3)), updated.dtype)]
    });
    let last_of_others = updated.parameters.iter().rfind(|p| !is_projected(p)).map(Parameter::elements);
    let first = updated.parameters.iter().find(|p| is_projected(p)).map(|p| low(p, rank));
    // The first product, while what was made of the last of the others is still named.
    let projecting = vec![
        copies(2, last_of_others.unwrap_or_default(), updated.dtype),
        copies(1, first.unwrap_or_default(), updated.dtype),
        workspace(if first.is_some() { CUBLAS_WORKSPACE } else { Bytes::ZERO }),
    ];
    // Of AdamW's two copies one is made while both of the parameter before are named, the other beside one of them.
    let of_others = larger(updated.in_a_loop(1, 2, updated.dtype), updated.in_a_loop(2, 1, updated.dtype));
    larger(larger(own, of_others), projecting)
}

/// `apollo-torch`, `apollo.py`: moments of the projected gradient, a random projection, and the norm of the scaled gradient. The rank may
/// be larger than a matrix's own.
pub(super) fn apollo(updated: &Updated<'_>) -> Vec<Held> {
    apollo_of(updated, updated.settings.rank.get())
}

fn apollo_of(updated: &Updated<'_>, rank: u64) -> Vec<Held> {
    let moment = |p: &Parameter| {
        let (rows, columns) = p.matrix.unwrap_or_default();
        if is_projected(p) { rank.saturating_mul(rows.max(columns)) } else { p.elements() }
    };
    let projection = |p: &Parameter| {
        let (rows, columns) = p.matrix.unwrap_or_default();
        of_projected(p, |_| rank.saturating_mul(rows.min(columns)))
    };
    vec![
        updated.state_of(What::ExpAvg, updated.dtype, moment),
        updated.state_of(What::ExpAvgSq, updated.dtype, moment),
        updated.state_of(What::Projector, updated.dtype, projection),
        updated.state_of(What::Steps, updated.dtype, |p| of_projected(p, |_| 1)),
    ]
}

/// The scaled gradient and its limited copy, beside what is projected.
pub(super) fn apollo_step(updated: &Updated<'_>) -> Vec<Held> {
    low_rank_step(updated, updated.settings.rank.get())
}

/// APOLLO of rank 1.
pub(super) fn apollo_mini(updated: &Updated<'_>) -> Vec<Held> {
    apollo_of(updated, 1)
}

/// The same of rank 1.
pub(super) fn apollo_mini_step(updated: &Updated<'_>) -> Vec<Held> {
    low_rank_step(updated, 1)
}

/// `galore-torch`, `adamw8bit.py`: states of the projected size in blocks of 8 bits. It passes `percentile_clipping` where bitsandbytes
/// now has `max_unorm`, so that norms are kept.
pub(super) fn galore_8bit(updated: &Updated<'_>) -> Vec<Held> {
    let rank = updated.settings.rank.get();
    let mut states = bitsandbytes::ADAM_8BIT.clipped().states_of(updated, |p| reduced(p, rank));
    states.push(singular_vectors(updated, rank));
    states
}

/// The first product with its workspace; or a matrix's clone, while gradients of those before it have shrunk to the rank
/// (`GaLoreAdamW8bit.step`: `p.saved_data`, `p.grad = grad`).
pub(super) fn galore_8bit_step(updated: &Updated<'_>) -> Vec<Held> {
    let rank = updated.settings.rank.get();
    let first = updated.parameters.iter().find(|p| is_projected(p)).map(|p| low(p, rank));
    let projecting = vec![
        copies(2, first.unwrap_or_default(), updated.dtype),
        workspace(if first.is_some() { CUBLAS_WORKSPACE } else { Bytes::ZERO }),
    ];
    let (mut shrunk, mut most) = (0_u64, 0);
    for parameter in updated.parameters.iter().filter(|p| is_projected(p)) {
        let (full, low) = (parameter.elements(), low(parameter, rank));
        most = most.max(full.saturating_add(low.saturating_mul(2)).saturating_sub(shrunk));
        shrunk = shrunk.saturating_add(full).saturating_sub(low);
    }
    larger(projecting, vec![copies(1, most, updated.dtype)])
}

/// Elements of a projection that share a scale (`quant_group_size`).
const GROUP: u64 = 256;

/// The same with projections in 8 bits, a scale and a zero point a group (`q_galore_projector.py`, `_quantize`). Derived, not measured:
/// the package needs an older bitsandbytes. The weights stay as they are; the authors' int8 weights are not part of the optimizer.
pub(super) fn q_galore(updated: &Updated<'_>) -> Vec<Held> {
    let rank = updated.settings.rank.get();
    let mut states = bitsandbytes::ADAM_8BIT.states_of(updated, |p| reduced(p, rank));
    let of = |p: &Parameter| of_projected(p, |p| projection(p, rank));
    states.push(updated.state_of(What::Projector, Dtype::Uint8, of));
    states.push(
        updated.state_of(What::BlockScales, updated.dtype, |p| of(p).div_ceil(GROUP).saturating_mul(2)),
    );
    states
}

/// GaLore's, with a dequantised projection and the difference that it is made of.
pub(super) fn q_galore_step(updated: &Updated<'_>) -> Vec<Held> {
    let rank = updated.settings.rank.get();
    let largest = updated.parameters.iter().map(|p| of_projected(p, |p| projection(p, rank))).max();
    let mut held = galore_8bit_step(updated);
    held.push(copies(2, largest.unwrap_or_default(), updated.dtype));
    held
}
