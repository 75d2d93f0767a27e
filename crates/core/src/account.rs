//! Collects which storages are alive at which instant, how many of each, and makes the ledger's entries of them.

use std::ops::Range;

use crate::allocator;
use crate::ledger::{Category, Dim, Entry, Instant, InstantSet, Name, Symbol};
use crate::model::{Architecture, Parameter, Place};
use crate::parallel::Held;
use crate::tape::{Alive, Block, Storage};
use crate::totals::Totals;
use crate::units::{Bytes, Dtype};

const INSTANTS: usize = Instant::ALL.len();

struct Slot {
    storage: Storage,
    copies: [u64; INSTANTS],
    /// What rounding adds to one copy, where the storage is not a tensor of its own.
    rounding: Option<Bytes>,
}

/// The gradient of a parameter: its name, its slot, where the parameter stands, and how often it is there.
struct Gradient {
    name: Name,
    slot: usize,
    place: Place,
    copies: u64,
}

/// A block whose storages have slots.
pub(crate) struct Registered<'a> {
    block: &'a Block,
    /// The slot of each storage.
    slots: Vec<usize>,
}

impl<'a> Registered<'a> {
    pub(crate) const fn block(&self) -> &'a Block {
        self.block
    }
}

/// The ledger being written.
pub(crate) struct Account {
    slots: Vec<Slot>,
    /// Slots of the parameters' gradients, in the order of `parameters`.
    gradients: Vec<Gradient>,
    held: Vec<(Storage, usize)>,
    layers: u64,
    /// The moments that the run has.
    present: InstantSet,
}

impl Account {
    pub(crate) fn new(
        architecture: &Architecture,
        parameters: &[Parameter],
        gradient: &dyn Fn(Name) -> Dtype,
        present: InstantSet,
    ) -> Self {
        let mut account = Self {
            present,
            slots: Vec::with_capacity(512),
            gradients: Vec::with_capacity(parameters.len()),
            held: Vec::new(),
            layers: architecture.layers.get(),
        };
        for parameter in parameters {
            let name = Name { gradient: true, ..parameter.name };
            let storage = Storage {
                name,
                category: Category::Gradients,
                dims: parameter.dims,
                dtype: gradient(parameter.name),
            };
            let slot = account.slot(storage);
            let copies = parameter.copies(architecture);
            account.gradients.push(Gradient { name, slot, place: parameter.place, copies });
        }
        account
    }

    fn slot(&mut self, storage: Storage) -> usize {
        self.slots.push(Slot { storage, copies: [0; INSTANTS], rounding: None });
        self.slots.len() - 1
    }

    /// Gives each storage of a block its slot. What backward does not need is a temporary.
    pub(crate) fn register<'a>(&mut self, block: &'a Block) -> Registered<'a> {
        let kept = block.kept_for_backward();
        let slots = block
            .storages
            .iter()
            .zip(kept)
            .map(|(&storage, &is_kept)| self.slot_of(storage, is_kept))
            .collect();
        Registered { block, slots }
    }

    fn slot_of(&mut self, storage: Storage, is_kept: bool) -> usize {
        if storage.category == Category::Gradients
            && let Some(gradient) = self.gradients.iter().find(|gradient| gradient.name == storage.name)
            && self.slots.get(gradient.slot).is_some_and(|slot| slot.storage.bytes() == storage.bytes())
        {
            return gradient.slot;
        }
        self.slot(Storage { category: storage.category_of(is_kept), ..storage })
    }

    /// `copies` of the block's storages that are alive.
    pub(crate) fn add(&mut self, instant: Instant, block: &Registered<'_>, alive: &Alive, copies: u64) {
        for (&slot, _) in block.slots.iter().zip(alive).filter(|&(_, &is_alive)| is_alive) {
            self.count(slot, instant, copies);
        }
    }

    fn count(&mut self, slot: usize, instant: Instant, copies: u64) {
        if !self.present.contains(instant) {
            return;
        }
        if let Some(place) = self.slots.get_mut(slot).and_then(|slot| slot.copies.get_mut(instant.index())) {
            *place += copies;
        }
    }

    /// Bytes of the gradients of all parameters.
    pub(crate) fn gradient_bytes(&self) -> Bytes {
        self.bytes_of_gradients(&(0..self.gradients.len()))
    }

    /// The gradients of all parameters.
    pub(crate) fn add_gradients(&mut self, instant: Instant) {
        self.add_gradients_where(instant, |_| true);
    }

    /// The gradients of the parameters in a range of those that the account was made with.
    pub(crate) fn add_gradients_among(&mut self, instant: Instant, range: &Range<usize>) {
        for at in range.clone() {
            if let Some(&Gradient { slot, copies, .. }) = self.gradients.get(at) {
                self.count(slot, instant, copies);
            }
        }
    }

    /// Bytes of them.
    pub(crate) fn bytes_of_gradients(&self, range: &Range<usize>) -> Bytes {
        let of =
            |gradient: &Gradient| Some(self.slots.get(gradient.slot)?.storage.bytes().times(gradient.copies));
        self.gradients.get(range.clone()).unwrap_or_default().iter().filter_map(of).sum()
    }

    /// The gradients of some parameters.
    pub(crate) fn add_gradients_where(&mut self, instant: Instant, is_wanted: fn(Name) -> bool) {
        for at in 0..self.gradients.len() {
            if let Some(&Gradient { slot, copies, .. }) =
                self.gradients.get(at).filter(|gradient| is_wanted(gradient.name))
            {
                self.count(slot, instant, copies);
            }
        }
    }

    /// The gradients of all parameters of a place, so many copies of each.
    pub(crate) fn add_gradients_of(&mut self, instant: Instant, copies: impl Fn(Place) -> u64) {
        for at in 0..self.gradients.len() {
            if let Some(&Gradient { slot, place, .. }) = self.gradients.get(at) {
                self.count(slot, instant, copies(place));
            }
        }
    }

    /// Storages of collectives, which are the same ones at several instants.
    pub(crate) fn add_held(&mut self, instant: Instant, held: &[Held]) {
        for &(storage, copies) in held {
            let known = self.held.iter().find(|(known, _)| *known == storage).map(|&(_, slot)| slot);
            let slot = known.unwrap_or_else(|| {
                let slot = self.slot(storage);
                self.held.push((storage, slot));
                slot
            });
            self.count(slot, instant, copies);
        }
    }

    /// A storage outside of the blocks.
    pub(crate) fn add_storage(&mut self, instants: &[Instant], storage: Storage, copies: u64) {
        let slot = self.slot(storage);
        for &instant in instants {
            self.count(slot, instant, copies);
        }
    }

    /// Many tensors noted as one, of which it is known what rounding adds to them.
    pub(crate) fn add_rounded(&mut self, instants: &[Instant], storage: Storage, rounding: Bytes) {
        self.add_storage(instants, storage, 1);
        if let Some(slot) = self.slots.last_mut() {
            slot.rounding = Some(rounding);
        }
    }

    /// The moments that the run has.
    pub(crate) const fn present(&self) -> InstantSet {
        self.present
    }

    /// At each instant what is alive in the one of two accounts in which it is more.
    pub(crate) fn take_larger(&mut self, other: &Self) {
        for instant in Instant::ALL {
            if other.totals(instant).sum() <= self.totals(instant).sum() {
                continue;
            }
            let at = instant.index();
            for slot in &mut self.slots {
                slot.copies[at] = 0;
            }
            // Equal storages have a slot each. Both accounts have them in one order, so that the next is mostly behind the last.
            let mut next = 0;
            for slot in other.slots.iter().filter(|slot| slot.copies[at] > 0) {
                let same = |own: &Slot| {
                    own.copies[at] == 0 && own.storage == slot.storage && own.rounding == slot.rounding
                };
                let behind = self.slots.iter().skip(next).position(same).map(|behind| next + behind);
                let id = match behind.or_else(|| self.slots.iter().take(next).position(same)) {
                    Some(id) => id,
                    None => self.slot(slot.storage),
                };
                next = id + 1;
                if let Some(own) = self.slots.get_mut(id) {
                    own.copies[at] += slot.copies[at];
                    own.rounding = slot.rounding;
                }
            }
        }
    }

    /// The storages outside of blocks and in them that are alive at an instant, with their copies.
    pub(crate) fn alive(&self, instant: Instant) -> impl Iterator<Item = (Storage, u64)> {
        let at = instant.index();
        self.slots.iter().map(move |slot| (slot.storage, slot.copies[at])).filter(|&(_, copies)| copies > 0)
    }

    /// What is alive at an instant, by category.
    pub(crate) fn totals(&self, instant: Instant) -> Totals {
        let mut totals = Totals::default();
        for slot in &self.slots {
            let copies = slot.copies[instant.index()];
            if copies > 0 {
                totals.add(slot.storage.category, slot.storage.bytes().times(copies));
            }
        }
        totals
    }

    /// The entries: a slot's storage once for each number of copies in which it occurs.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            for (at, &copies) in slot.copies.iter().enumerate() {
                if copies > 0 && !slot.copies.iter().take(at).any(|&earlier| earlier == copies) {
                    entries.push(self.entry(slot, copies));
                }
            }
        }
        entries.retain(|entry| entry.bytes() > Bytes::ZERO);
        entries
    }

    fn entry(&self, slot: &Slot, copies: u64) -> Entry {
        let instants = Instant::ALL
            .into_iter()
            .zip(slot.copies)
            .filter(|&(_, n)| n == copies)
            .fold(InstantSet::default(), |set, (instant, _)| set.with(instant));
        let storage = slot.storage;
        let dims = match self.symbol(copies) {
            Some(symbol) => storage.dims.times(Dim::new(symbol, copies)),
            None => storage.dims,
        };
        let rounding = slot.rounding.unwrap_or_else(|| allocator::rounding(storage.bytes()));
        Entry {
            name: storage.name,
            category: storage.category,
            dims,
            dtype: storage.dtype,
            instants,
            rounding: rounding.times(copies),
        }
    }

    const fn symbol(&self, copies: u64) -> Option<Symbol> {
        if copies == 1 {
            None
        } else if copies == self.layers {
            Some(Symbol::Layers)
        } else if copies + 1 == self.layers {
            Some(Symbol::LayersButOne)
        } else {
            Some(Symbol::SomeLayers)
        }
    }
}
