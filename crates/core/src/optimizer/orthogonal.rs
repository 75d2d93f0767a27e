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
    let shape = merged(parameter, block);
    if !is_preconditioned(parameter, &shape) {
        return 0;
    }
    let block = block.max(1);
    let squares = |d: u64| {
        let (whole, rest) = (d / block, d % block);
        whole.saturating_mul(block.saturating_mul(block)).saturating_add(rest.saturating_mul(rest))
    };
    let blocks = |d: u64| d.div_ceil(block);
    let all = shape.iter().fold(1, |all: u64, &d| all.saturating_mul(blocks(d)));
    shape.iter().fold(0, |sum: u64, &d| sum.saturating_add(squares(d).saturating_mul(all / blocks(d).max(1))))
}

/// Neighbouring dimensions are one as long as their product is no larger than a block; a first dimension that is larger has one of 1
/// before it (`merge_small_dims`).
fn merged(parameter: &Parameter, block: u64) -> Vec<u64> {
    let dims = shape(parameter);
    let first = if parameter.is_stacked() { 0 } else { 2 - usize::from(is_matrix(parameter)) };
    let mut merged = Vec::with_capacity(4);
    let mut product: u64 = 1;
    for &dim in dims.iter().skip(first) {
        product = product.saturating_mul(dim);
        if product > block {
            merged.push(product / dim.max(1));
            product = dim;
        }
    }
    merged.push(product);
    merged
}

fn is_preconditioned(parameter: &Parameter, merged: &[u64]) -> bool {
    merged.len() > 1 && shape(parameter).iter().all(|&d| d <= WIDEST_SHAMPOO)
}

/// The grafted gradient; of one that is preconditioned, its fp32 copy, the blocks' products, these joined along each dimension that was
/// split, and the result in its own dtype; of others two more copies (`ScalableShampoo.step`, `preconditioned_grad`). Or the first
/// product of a block with cuBLAS's workspace, while the three copies of the parameter before are named.
pub(super) fn shampoo_step(updated: &Updated<'_>) -> Vec<Held> {
    let block = updated.settings.shampoo_block.get();
    let own = updated.largest_update(|p| {
        let n = p.elements();
        let shape = merged(p, block);
        if !is_preconditioned(p, &shape) {
            return [(n.saturating_mul(3), updated.dtype), (0, Dtype::Fp32)];
        }
        let joins = shape.iter().filter(|&&d| d > block).count() as u64;
        let casts = u64::from(updated.dtype != Dtype::Fp32);
        [(n.saturating_mul(1 + casts), updated.dtype), (n.saturating_mul(1 + joins + casts), Dtype::Fp32)]
    });
    let mut multiplying = updated.in_a_loop(3, 0, updated.dtype);
    multiplying.push(copies(1, block.saturating_mul(block), Dtype::Fp32));
    multiplying.push(workspace(CUBLAS_WORKSPACE));
    larger(own, multiplying)
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
