//! Optimizers that backward's hooks run: LOMO and AdaLOMO.
//!
//! What an update allocates is said beyond the gradient itself, which is let go of as soon as its fp32 copy is there.

use super::{Held, Updated, column_sums, columns, larger, of_vector, rows, workspace};
use crate::ledger::What;
use crate::model::Parameter;
use crate::units::Dtype;

/// fp32 copies of the gradient and of the parameter, where they aren't fp32 themselves (`lomo-optim`, `Lomo.fuse_update`).
pub(super) fn lomo_update(updated: &Updated<'_>) -> Vec<Held> {
    beyond_gradient(updated, 0, 2)
}

/// Row and column means of squared gradients for matrices, all of them for vectors, in fp32 (`AdaLomo.__init__`).
pub(super) fn adalomo(updated: &Updated<'_>) -> Vec<Held> {
    vec![
        updated.state_of(What::RowVariance, Dtype::Fp32, rows),
        updated.state_of(What::ColumnVariance, Dtype::Fp32, columns),
        updated.state_of(What::ExpAvgSq, Dtype::Fp32, of_vector),
    ]
}

/// The squared gradient and the update, or later the update and the parameter's fp32 copy, beside the gradient's; or, while columns are
/// averaged, partial sums beside the square (`AdaLomo.fuse_update`).
pub(super) fn adalomo_update(updated: &Updated<'_>) -> Vec<Held> {
    let mut averaging = beyond_gradient(updated, 1, 2);
    averaging.push(workspace(updated.parameters.iter().map(column_sums).max().unwrap_or_default()));
    larger(beyond_gradient(updated, 2, 3), averaging)
}

/// So many fp32 tensors of the parameter's shape: beside an fp32 gradient, or in place of one in 16 bits.
fn beyond_gradient(updated: &Updated<'_>, beside: u64, in_place: u64) -> Vec<Held> {
    let halves = if updated.dtype == Dtype::Fp32 { 2 * beside } else { 2 * in_place - 1 };
    updated.largest_update(|p: &Parameter| [(p.elements().saturating_mul(halves), Dtype::Bf16)])
}
