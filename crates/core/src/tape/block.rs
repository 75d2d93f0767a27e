//! A finished block: its storages and the order in which forward and backward allocate and free them.

use super::{Storage, StorageId};
use crate::units::Bytes;

/// One thing that happens to a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It is allocated.
    Allocate(StorageId),
    /// It is freed.
    Free(StorageId),
}

/// A part of a block's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Forward.
    Forward,
    /// Backward, of which forward ran before.
    Backward,
    /// Forward and backward at once, while the block's input and its output's gradient are held: a checkpointed layer.
    Recompute,
}

/// The storages that are alive at a moment, by index.
pub(crate) type Alive = Vec<bool>;

/// Where the events of a block are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cuts {
    /// Forward is done.
    pub(crate) forward: usize,
    /// Autocast has been left, and with it its cache of weight casts.
    pub(crate) autocast: usize,
}

/// The storages by which a block touches its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// What the block before made; the embedding has none.
    pub(crate) input: Option<StorageId>,
    /// What the block after takes; the loss has none.
    pub(crate) output: Option<StorageId>,
    /// Gradient of the output.
    pub(crate) incoming: Option<StorageId>,
    /// Gradient of the input, which the block before takes.
    pub(crate) result: Option<StorageId>,
}

/// A block's storages and events.
pub(crate) struct Block {
    pub(crate) storages: Vec<Storage>,
    events: Vec<Event>,
    cuts: Cuts,
    ends: Ends,
}

impl Block {
    pub(super) const fn new(storages: Vec<Storage>, events: Vec<Event>, cuts: Cuts, ends: Ends) -> Self {
        Self { storages, events, cuts, ends }
    }

    /// What is alive in the block at its largest moment of a run.
    pub(crate) fn at_peak(&self, run: Run) -> Alive {
        let (mut alive, events) = self.begin(run);
        let mut now = self.bytes(&alive).get();
        let (mut most, mut most_at) = (now, 0);
        for (index, event) in events.iter().enumerate() {
            match *event {
                Event::Allocate(id) => now = now.saturating_add(self.size(id)),
                Event::Free(id) => now = now.saturating_sub(self.size(id)),
            }
            if now > most {
                (most, most_at) = (now, index + 1);
            }
        }
        apply(&mut alive, events.get(..most_at).unwrap_or_default());
        alive
    }

    /// What the block keeps when its forward is done and autocast is still on; its output belongs to the next block.
    pub(crate) fn kept_by_forward(&self) -> Alive {
        let (mut alive, events) = self.begin(Run::Forward);
        apply(&mut alive, events);
        remove(&mut alive, self.ends.output);
        alive
    }

    /// What the block keeps for backward once autocast has been left.
    pub(crate) fn kept_for_backward(&self) -> Alive {
        let mut alive = self.kept_by_forward();
        apply(&mut alive, self.events.get(self.cuts.forward..self.cuts.autocast).unwrap_or_default());
        alive
    }

    /// What the block leaves behind after backward: gradients of its parameters.
    pub(crate) fn left_by_backward(&self) -> Alive {
        let (mut alive, events) = self.begin(Run::Backward);
        apply(&mut alive, events);
        remove(&mut alive, self.ends.result);
        alive
    }

    /// Whether the block keeps what the block before made.
    pub(crate) fn keeps_input(&self) -> bool {
        self.ends.input.is_some_and(|id| self.kept_for_backward().get(id.index()).copied().unwrap_or_default())
    }

    /// Only what the block before made.
    pub(crate) fn only_input(&self) -> Alive {
        self.only(self.ends.input)
    }

    /// Only what the block after takes.
    pub(crate) fn only_output(&self) -> Alive {
        self.only(self.ends.output)
    }

    fn only(&self, id: Option<StorageId>) -> Alive {
        self.storages.iter().enumerate().map(|(index, _)| id.is_some_and(|id| id.index() == index)).collect()
    }

    /// Bytes of a set of storages.
    pub(crate) fn bytes(&self, alive: &Alive) -> Bytes {
        self.storages.iter().zip(alive).filter(|&(_, &is_alive)| is_alive).map(|(storage, _)| storage.bytes()).sum()
    }

    fn size(&self, id: StorageId) -> u64 {
        self.storages.get(id.index()).map_or(0, |storage| storage.bytes().get())
    }

    /// The storages that are alive when a run begins, and its events.
    fn begin(&self, run: Run) -> (Alive, &[Event]) {
        let mut alive = vec![false; self.storages.len()];
        let mut set = |id: Option<StorageId>| {
            if let Some(place) = id.and_then(|id| alive.get_mut(id.index())) {
                *place = true;
            }
        };
        let events = match run {
            Run::Forward => {
                set(self.ends.input);
                self.events.get(..self.cuts.forward)
            }
            Run::Backward => {
                alive = self.kept_for_backward();
                if let Some(place) = self.ends.incoming.and_then(|id| alive.get_mut(id.index())) {
                    *place = true;
                }
                self.events.get(self.cuts.autocast..)
            }
            Run::Recompute => {
                set(self.ends.input);
                set(self.ends.incoming);
                Some(&*self.events)
            }
        };
        (alive, events.unwrap_or_default())
    }

}

fn apply(alive: &mut Alive, events: &[Event]) {
    for event in events {
        let (id, is_alive) = match *event {
            Event::Allocate(id) => (id, true),
            Event::Free(id) => (id, false),
        };
        if let Some(place) = alive.get_mut(id.index()) {
            *place = is_alive;
        }
    }
}

fn remove(alive: &mut Alive, id: Option<StorageId>) {
    if let Some(place) = id.and_then(|id| alive.get_mut(id.index())) {
        *place = false;
    }
}
