//! Second moments that are kept by rows and columns, or by blocks: Adafactor of both libraries, CAME, Adam-mini.

use super::{Held, Updated, column_sums, columns, is_matrix, larger, of_vector, rows, workspace};
use crate::ledger::{Module, What};
use crate::model::{Family, Parameter};
use crate::rules::CUBLAS_WORKSPACE;
use crate::units::{Bytes, Dtype};

/// Row and column means of squared gradients for matrices, all of them for vectors (`torch/optim/_adafactor.py`).
pub(super) fn adafactor_torch(updated: &Updated<'_>) -> Vec<Held> {
    factored(updated, updated.dtype).into()
}

/// The same in fp32, and one number a tensor, `RMS` (`transformers.optimization.Adafactor`).
pub(super) fn adafactor_hf(updated: &Updated<'_>) -> Vec<Held> {
    let mut states: Vec<Held> = factored(updated, Dtype::Fp32).into();
    states.push(updated.state_of(What::Steps, Dtype::Fp32, |_| 1));
    states
}

fn factored(updated: &Updated<'_>, dtype: Dtype) -> [Held; 3] {
    [
        updated.state_of(What::RowVariance, dtype, rows),
        updated.state_of(What::ColumnVariance, dtype, columns),
        updated.state_of(What::ExpAvgSq, dtype, of_vector),
    ]
}

/// `row_var @ col_var` with cuBLAS's workspace, or before it the partial sums of a column's norm (`_single_tensor_adafactor`).
pub(super) fn adafactor_torch_step(updated: &Updated<'_>) -> Vec<Held> {
    let mut product = updated.in_a_loop(1, 0, updated.dtype);
    product.push(workspace(CUBLAS_WORKSPACE));
    let sums = updated.parameters.iter().map(column_sums).max().unwrap_or_default();
    larger(product, vec![workspace(sums)])
}

/// The update and its square, in fp32; with 16-bit parameters also fp32 copies of gradient and parameter
/// (`transformers.optimization.Adafactor.step`). While columns are averaged, one of them isn't there yet, but partial sums are.
pub(super) fn adafactor_hf_step(updated: &Updated<'_>) -> Vec<Held> {
    let copies = if updated.dtype == Dtype::Fp32 { 2 } else { 4 };
    let mut averaging = updated.in_a_loop(copies - 1, 0, Dtype::Fp32);
    let largest = updated.parameters.iter().max_by_key(|parameter| parameter.elements());
    averaging.push(workspace(largest.map(column_sums).unwrap_or_default()));
    larger(updated.in_a_loop(copies, 0, Dtype::Fp32), averaging)
}

/// A whole first moment and two pairs of rows and columns, in fp32, and one number a tensor, `RMS` (`came-pytorch`, `CAME.step`).
pub(super) fn came(updated: &Updated<'_>) -> Vec<Held> {
    let mut states: Vec<Held> = factored(updated, Dtype::Fp32).into();
    states.push(updated.state_of(What::ExpAvg, Dtype::Fp32, Parameter::elements));
    states.push(updated.state_of(What::RowInstability, Dtype::Fp32, rows));
    states.push(updated.state_of(What::ColumnInstability, Dtype::Fp32, columns));
    states.push(updated.state_of(What::Steps, updated.dtype, |_| 1));
    states
}

/// The update, its instability and one more copy of it, with 16-bit parameters an fp32 gradient; or, while columns are averaged, partial
/// sums in place of one of them. `res_approx` of the matrix before is still named.
pub(super) fn came_step(updated: &Updated<'_>) -> Vec<Held> {
    let copies = if updated.dtype == Dtype::Fp32 { 3 } else { 4 };
    let calculating = updated.in_a_loop_with(copies, 1, Dtype::Fp32, is_matrix, |_| Bytes::ZERO);
    let averaging = updated.in_a_loop_with(copies - 1, 1, Dtype::Fp32, is_matrix, column_sums);
    larger(calculating, averaging)
}

/// A whole first moment; of second moments one a head of queries and keys, one a row of other matrices that it knows by name, all of a
/// bias, and one of anything else (`adam-mini`, `Adam_mini.step`).
pub(super) fn adam_mini(updated: &Updated<'_>) -> Vec<Held> {
    let blocks = |p: &Parameter| blocks(updated, p);
    vec![updated.state(What::ExpAvg), updated.state_of(What::BlockMean, updated.dtype, blocks)]
}

/// Two copies, the update and its negative or the gradient's square, with three means a block.
pub(super) fn adam_mini_step(updated: &Updated<'_>) -> Vec<Held> {
    updated.largest_update(|p| {
        [
            (p.elements().saturating_mul(2), updated.dtype),
            (blocks(updated, p).saturating_mul(3), updated.dtype),
        ]
    })
}

fn blocks(updated: &Updated<'_>, parameter: &Parameter) -> u64 {
    let a = updated.architecture;
    if parameter.name.what == What::Bias {
        return parameter.elements();
    }
    if a.family == Family::Gpt2 {
        // It knows few of GPT-2's names, whose `Conv1D` has the input's width first.
        return match parameter.name.module {
            Module::Embedding => rows(parameter),
            Module::UpProj | Module::DownProj => columns(parameter),
            _ => 1,
        };
    }
    match parameter.name.module {
        Module::QProj | Module::KProj => {
            let of_head = a.hidden.get().saturating_mul(a.hidden.get()) / a.heads.get().max(1);
            parameter.elements().div_ceil(of_head.max(1))
        }
        Module::VProj
        | Module::OProj
        | Module::Embedding
        | Module::LmHead
        | Module::GateProj
        | Module::UpProj
        | Module::GateUpProj
        | Module::DownProj
        | Module::Router
        | Module::SharedGateProj
        | Module::SharedUpProj
        | Module::SharedDownProj => rows(parameter).max(1),
        Module::QkvProj if a.family.has_fused_qkv() => rows(parameter),
        _ => 1,
    }
}
