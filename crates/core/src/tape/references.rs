//! Storages, the variables that name them, and who holds them: a storage is freed with its last reference.

use super::{Event, Storage, StorageId, Tape, Var, Variable};
use crate::ledger::{Category, Name};
use crate::units::Dtype;

impl Tape {
    /// The dtype of a tensor.
    pub(crate) fn dtype(&self, var: Var) -> Dtype {
        self.storage(var).dtype
    }

    /// Whether autograd follows a tensor.
    pub(crate) fn requires_grad(&self, var: Var) -> bool {
        self.variables[usize::from(var.0)].requires_grad
    }

    /// What a tensor is.
    pub(crate) fn storage(&self, var: Var) -> Storage {
        self.variables[usize::from(var.0)].describes
    }

    pub(super) fn storage_of(&self, var: Var) -> StorageId {
        self.variables[usize::from(var.0)].storage
    }

    /// The gradient of a tensor, with its shape and dtype.
    pub(crate) fn gradient_of(&self, var: Var) -> Storage {
        let storage = self.storage(var);
        Storage { name: Name { gradient: true, ..storage.name }, category: Category::Temporaries, ..storage }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a block has a few hundred storages, whatever the scenario"
    )]
    pub(super) fn place(&mut self, storage: Storage) -> StorageId {
        let id = StorageId(self.storages.len() as u16);
        self.storages.push(storage);
        self.references.push(1);
        self.is_viewed.push(false);
        id
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a block has a few hundred variables, whatever the scenario"
    )]
    pub(super) fn variable(&mut self, storage: StorageId, describes: Storage, requires_grad: bool) -> Var {
        let var = Var(self.variables.len() as u16);
        self.variables.push(Variable { storage, describes, requires_grad, pending: None });
        var
    }

    pub(super) fn allocate(&mut self, storage: Storage) -> StorageId {
        let id = self.place(storage);
        self.events.push(Event::Allocate(id));
        id
    }

    pub(super) fn hold(&mut self, id: StorageId) {
        self.references[id.index()] += 1;
    }

    pub(super) fn release(&mut self, id: StorageId) {
        let references = &mut self.references[id.index()];
        *references = references.saturating_sub(1);
        if *references == 0 {
            self.events.push(Event::Free(id));
        }
    }
}
