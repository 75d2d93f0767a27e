//! Flat buffers: so many elements of one dtype, whatever parameters they are of.

use crate::ledger::{Category, Dim, Dims, Module, Name, Symbol, What};
use crate::tape::Storage;
use crate::units::Dtype;

pub(super) fn flat(category: Category, module: Module, what: What, elements: u64, dtype: Dtype) -> Storage {
    let dims = Dims::new(&[Dim::new(Symbol::GroupElements, elements)]);
    Storage { name: Name::of(module, what), category, dims, dtype }
}
