//! Optimizers that treat a matrix as a matrix: Muon, Shampoo, SOAP.

use super::{Held, Updated, copies, is_matrix, larger, workspace};
use crate::ledger::{Category, What};
use crate::model::Parameter;
use crate::rules::CUBLAS_WORKSPACE;
use crate::units::{Bytes, Dtype};

/// Momentum for the layers' matrices (`torch/optim/_muon.py`), AdamW's moments for the rest.
pub(super) fn muon_states(updated: &Updated<'_>) -> Vec<Held> {
    let state = |what, which: fn(&Parameter) -> bool| updated.some(Category::OptimizerStates, what, which);
    vec![
        state(What::Momentum, is_muon),
        state(What::ExpAvg, |p| !is_muon(p)),
        state(What::ExpAvgSq, |p| !is_muon(p)),
    ]
}

/// AdamW's copies, or the orthogonalisation of one matrix: the update, the matrix before and after a product, both in bf16, two
/// square ones and cuBLAS's workspace (`torch/optim/_muon.py`, `_zeropower_via_newtonschulz`).
pub(super) fn muon_step(updated: &Updated<'_>) -> Vec<Held> {
    let of_adamw = updated.some(Category::Temporaries, What::StepDenominator, |p| !is_muon(p));
    let largest = updated.parameters.iter().filter(|p| is_muon(p)).max_by_key(|p| p.elements());
    let Some((rows, columns)) = largest.and_then(|parameter| parameter.matrix) else {
        return vec![of_adamw];
    };
    let side = rows.min(columns);
    let elements = rows.saturating_mul(columns);
    let orthogonalising = vec![
        copies(1, elements, updated.dtype),
        copies(2, elements, Dtype::Bf16),
        copies(2, side.saturating_mul(side), Dtype::Bf16),
        workspace(CUBLAS_WORKSPACE),
    ];
    larger(vec![of_adamw], orthogonalising)
}

/// Muon takes matrices of two dimensions; embeddings, head, norms, biases and experts stay with AdamW (`torch.optim.Muon`, notes).
fn is_muon(parameter: &Parameter) -> bool {
    is_matrix(parameter) && !parameter.is_stacked() && !parameter.is_of_vocabulary()
}

/// The dimensions that PyTorch's tensor has: experts' matrices have three.
fn shape(parameter: &Parameter) -> [u64; 3] {
    let matrices = super::matrices(parameter);
    match parameter.matrix {
        Some((rows, columns)) if parameter.is_stacked() => [matrices, rows / matrices, columns / matrices],
        Some((rows, columns)) => [1, rows, columns],
        None => [1, 1, parameter.elements()],
    }
}

/// Wider layers are not preconditioned (`no_preconditioning_for_layers_with_dim_gt`).
const WIDEST_SHAMPOO: u64 = 8192;

/// Momentum, that of the grafted update, and of each block of a matrix two square matrices a dimension in fp32: statistics and their
/// inverse root (`pytorch_optimizer`, `PreConditioner.__init__`, `BlockPartitioner`, `SGDGraft`).
pub(super) fn shampoo_states(updated: &Updated<'_>) -> Vec<Held> {
    let block = updated.settings.shampoo_block.get();
    vec![
        updated.state(What::Momentum),
        updated.state(What::GraftMomentum),
        updated.state_of(What::Preconditioner, Dtype::Fp32, |p| preconditioners(p, block).saturating_mul(2)),
    ]
}

/// Elements of the square matrices of all blocks.
fn preconditioners(parameter: &Parameter, block: u64) -> u64 {
    let shape = merged(shape(parameter), block);
    if !is_preconditioned(parameter, shape) {
        return 0;
    }
    let blocks = |d: u64| d.div_ceil(block.max(1));
    let squares = |d: u64| {
        let whole = d / block.max(1);
        let rest = d % block.max(1);
        whole.saturating_mul(block.saturating_mul(block)).saturating_add(rest.saturating_mul(rest))
    };
    let [a, b, c] = shape;
    let along = |d: u64, others: u64| if d > 1 { squares(d).saturating_mul(others) } else { 0 };
    along(a, blocks(b).saturating_mul(blocks(c)))
        .saturating_add(along(b, blocks(a).saturating_mul(blocks(c))))
        .saturating_add(along(c, blocks(a).saturating_mul(blocks(b))))
}

/// Neighbouring dimensions whose product is no larger than a block are one (`merge_small_dims`).
fn merged([a, b, c]: [u64; 3], block: u64) -> [u64; 3] {
    if b.saturating_mul(c) <= block {
        if a.saturating_mul(b).saturating_mul(c) <= block { [1, 1, a * b * c] } else { [1, a, b * c] }
    } else if a.saturating_mul(b) <= block {
        [1, a.saturating_mul(b), c]
    } else {
        [a, b, c]
    }
}

fn is_preconditioned(parameter: &Parameter, merged: [u64; 3]) -> bool {
    let is_vector = merged.iter().filter(|&&d| d > 1).count() < 2;
    !is_vector && shape(parameter).iter().all(|&d| d <= WIDEST_SHAMPOO)
}

/// The grafted gradient; of one that is preconditioned, its fp32 copy, the blocks' products, these joined along each dimension that was
/// split, and the result in its own dtype; of others two more copies (`ScalableShampoo.step`, `preconditioned_grad`).
pub(super) fn shampoo_step(updated: &Updated<'_>) -> Vec<Held> {
    let block = updated.settings.shampoo_block.get();
    updated.largest_update(|p| {
        let n = p.elements();
        let shape = merged(shape(p), block);
        if !is_preconditioned(p, shape) {
            return [(n.saturating_mul(3), updated.dtype), (0, Dtype::Fp32)];
        }
        let joins = shape.iter().filter(|&&d| d > block).count() as u64;
        let casts = u64::from(updated.dtype != Dtype::Fp32);
        [(n.saturating_mul(1 + casts), updated.dtype), (n.saturating_mul(1 + joins + casts), Dtype::Fp32)]
    })
}

/// Both moments, and of each dimension of a matrix that is not too wide the preconditioner and its eigenvectors
/// (`pytorch_optimizer`, `SOAP.init_pre_conditioner`).
pub(super) fn soap_states(updated: &Updated<'_>) -> Vec<Held> {
    let widest = updated.settings.soap_widest.get();
    let squares = |p: &Parameter| -> u64 {
        if !is_matrix(p) {
            return 0;
        }
        let all = if p.is_stacked() { 3 } else { 2 };
        let sides = shape(p).into_iter().skip(3 - all).filter(|&d| d <= widest);
        sides.fold(0, |sum: u64, d| sum.saturating_add(d.saturating_mul(d)))
    };
    vec![
        updated.state(What::ExpAvg),
        updated.state(What::ExpAvgSq),
        updated.state_of(What::Preconditioner, updated.dtype, squares),
        updated.state_of(What::Eigenvectors, updated.dtype, squares),
    ]
}

/// The projected gradient and moment, the denominator and the update, while the gradient's product with itself is made
/// (`SOAP.step`, `update_pre_conditioner`), with cuBLAS's workspace. Refreshing the eigenvectors, every tenth step, isn't counted.
pub(super) fn soap_step(updated: &Updated<'_>) -> Vec<Held> {
    let widest = updated.settings.soap_widest.get();
    let mut held = updated.largest_update(|p| {
        let side = shape(p).into_iter().filter(|&d| is_matrix(p) && d <= widest).max().unwrap_or_default();
        [(p.elements().saturating_mul(4), updated.dtype), (side.saturating_mul(side), updated.dtype)]
    });
    let has_products = updated.parameters.iter().any(is_matrix);
    held.push(workspace(if has_products { CUBLAS_WORKSPACE } else { Bytes::ZERO }));
    held
}
