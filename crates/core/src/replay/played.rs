//! A block whose events are played.

use super::caching::{BlockId, CachingAllocator};
use crate::ledger::Category;
use crate::tape::{Block, Event, Run, Storage, StorageId};

/// A block whose events are played: the memory behind each of its storages.
pub(super) struct Played<'a> {
    pub(super) block: &'a Block,
    memory: Vec<Option<BlockId>>,
    /// How its backward runs.
    pub(super) run: Run,
}

impl<'a> Played<'a> {
    pub(super) fn new(block: &'a Block) -> Self {
        Self { block, memory: vec![None; block.storages.len()], run: Run::Backward }
    }

    fn place(&mut self, storage: Option<StorageId>) -> Option<&mut Option<BlockId>> {
        self.memory.get_mut(storage?.index())
    }

    pub(super) fn put(&mut self, storage: Option<StorageId>, memory: Option<BlockId>) {
        if let Some(place) = self.place(storage) {
            *place = memory;
        }
    }

    pub(super) fn take(&mut self, storage: Option<StorageId>) -> Option<BlockId> {
        self.place(storage)?.take()
    }

    /// Plays events, but for the ends of `held`.
    pub(super) fn play(
        &mut self,
        events: &[Event],
        held: Option<StorageId>,
        allocator: &mut CachingAllocator,
    ) {
        for &event in events {
            match event {
                Event::Allocate(id) => {
                    let size = self.block.storages.get(id.index()).map(Storage::bytes);
                    let memory = allocator.allocate(size.unwrap_or_default());
                    self.put(Some(id), Some(memory));
                }
                Event::Free(id) if Some(id) == held => {}
                Event::Free(id) => {
                    if let Some(memory) = self.take(Some(id)) {
                        allocator.free(memory);
                    }
                }
            }
        }
    }

    /// What nodes keep until the step is over, which it takes.
    pub(super) fn kept_by_nodes(&mut self) -> Vec<BlockId> {
        let left = self.block.left_by_backward();
        let storages = self.block.storages.iter().zip(left).zip(&mut self.memory);
        let kept = storages
            .filter(|((storage, is_left), _)| *is_left && storage.category != Category::Gradients)
            .filter_map(|(_, memory)| memory.take());
        kept.collect()
    }

    /// Frees what is left but for gradients of parameters, which it hands over.
    pub(super) fn end(self, gradients: &mut Vec<BlockId>, allocator: &mut CachingAllocator) {
        for (storage, memory) in self.block.storages.iter().zip(self.memory) {
            match memory {
                Some(memory) if storage.category == Category::Gradients => gradients.push(memory),
                Some(memory) => allocator.free(memory),
                None => {}
            }
        }
    }
}
