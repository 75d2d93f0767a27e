//! A finished block: its storages and the order in which forward and backward allocate and free them.

use std::borrow::Cow;
use std::ops::Range;

use super::{Storage, StorageId};
use crate::ledger::What;
use crate::totals::Totals;
use crate::units::Bytes;

/// One thing that happens to a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It is allocated.
    Allocate(StorageId),
    /// It is freed.
    Free(StorageId),
}

impl Event {
    const fn storage(self) -> StorageId {
        match self {
            Self::Allocate(id) | Self::Free(id) => id,
        }
    }
}

/// A part of a block's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Forward.
    Forward,
    /// Forward, up to where autocast is left.
    ForwardInAutocast,
    /// Backward, of which forward ran before.
    Backward,
    /// Backward of a checkpointed layer, while its input is held: forward runs again when backward first needs a tensor that it would
    /// have kept, and stops where it has kept the last of them (`torch.utils.checkpoint`, early stop).
    Recompute,
    /// The same where all of forward runs again before backward begins, while the layer's output and its gradient are held to the end
    /// (`torch/utils/checkpoint.py`, `CheckpointFunction.backward`).
    Reentrant,
}

/// The storages that are alive at a moment, by index.
pub(crate) type Alive = Vec<bool>;

/// Where the events of a block are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cuts {
    /// Forward keeps the last tensor for backward.
    pub(crate) packed: usize,
    /// Forward is done.
    pub(crate) forward: usize,
    /// The stack of layers that the block is of has returned.
    pub(crate) stack: usize,
    /// Autocast has been left, and with it its cache of weight casts.
    pub(crate) autocast: usize,
    /// Backward first needs a tensor that forward kept.
    pub(crate) unpacked: usize,
}

impl Cuts {
    fn begin_backward(self) -> usize {
        self.forward.max(self.autocast)
    }
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
    /// Gradient of another tensor of the block, which later blocks have made.
    pub(crate) expected: Option<StorageId>,
}

/// A block's storages and events.
pub(crate) struct Block {
    pub(crate) storages: Vec<Storage>,
    sizes: Vec<u64>,
    events: Vec<Event>,
    cuts: Cuts,
    ends: Ends,
    /// What a checkpoint keeps of a layer beside its input.
    selected: Vec<StorageId>,
    /// Gradients of tensors that other blocks have made.
    sums: Vec<StorageId>,
    kept_by_forward: Alive,
    kept_at_loss: Alive,
    kept_for_backward: Alive,
}

impl Block {
    pub(super) fn new(
        storages: Vec<Storage>,
        events: Vec<Event>,
        cuts: Cuts,
        ends: Ends,
        selected: Vec<StorageId>,
        sums: Vec<StorageId>,
    ) -> Self {
        let sizes = storages.iter().map(|storage| storage.bytes().get()).collect();
        let mut alive = vec![false; storages.len()];
        put(&mut alive, ends.input, true);
        apply(&mut alive, events.get(..cuts.forward).unwrap_or_default());
        put(&mut alive, ends.output, false);
        let kept_by_forward = alive.clone();
        apply(&mut alive, events.get(cuts.forward..cuts.stack).unwrap_or_default());
        let kept_at_loss = alive.clone();
        apply(&mut alive, events.get(cuts.stack..cuts.begin_backward()).unwrap_or_default());
        Self {
            storages,
            sizes,
            events,
            cuts,
            ends,
            selected,
            sums,
            kept_by_forward,
            kept_at_loss,
            kept_for_backward: alive,
        }
    }

    /// What is alive in the block at its largest moment of a run.
    pub(crate) fn at_peak(&self, run: Run) -> Alive {
        self.at_peak_among(run, 0..usize::MAX)
    }

    /// The event of a run with which the last gradient of such parameters is made.
    pub(crate) fn last_gradient_of(&self, run: Run, what: What) -> Option<usize> {
        let is_gradient = |event: &Event| {
            let storage = self.storages.get(event.storage().index());
            let is_it = storage.is_some_and(|storage| storage.name.gradient && storage.name.what == what);
            is_it && matches!(event, Event::Allocate(_))
        };
        self.begin(run).1.iter().rposition(is_gradient)
    }

    /// The same among the moments after so many events.
    pub(crate) fn at_peak_among(&self, run: Run, moments: Range<usize>) -> Alive {
        let (mut alive, events) = self.begin(run);
        let mut now = self.bytes(&alive).get();
        let (mut most, mut most_at) = (now, moments.start);
        for (index, event) in events.iter().enumerate().filter(|(_, event)| !self.is_held(run, **event)) {
            match *event {
                Event::Allocate(id) => now = now.saturating_add(self.size(id)),
                Event::Free(id) => now = now.saturating_sub(self.size(id)),
            }
            let moment = index + 1;
            if moment == moments.start || moments.contains(&moment) && now > most {
                (most, most_at) = (now, moment);
            }
        }
        let until_then = events.get(..most_at).unwrap_or_default();
        for &event in until_then.iter().filter(|event| !self.is_held(run, **event)) {
            apply(&mut alive, &[event]);
        }
        alive
    }

    /// Whether an event changes nothing in a run: of what the checkpoint holds, or of what belongs to the layer after. A reentrant
    /// checkpoint's `backward` has a name for the output that it made again.
    fn is_held(&self, run: Run, event: Event) -> bool {
        let is = |end| Some(event.storage()) == end;
        match run {
            Run::Recompute => is(self.ends.input) || is(self.ends.output),
            Run::Reentrant => {
                let is_output_freed = is(self.ends.output) && matches!(event, Event::Free(_));
                is(self.ends.input) || is(self.ends.incoming) || is_output_freed
            }
            Run::Forward | Run::ForwardInAutocast | Run::Backward => false,
        }
    }

    /// What the block keeps when its forward is done and autocast is still on; its output belongs to the next block.
    pub(crate) const fn kept_by_forward(&self) -> &Alive {
        &self.kept_by_forward
    }

    /// The same when the stack of layers has returned.
    pub(crate) const fn kept_at_loss(&self) -> &Alive {
        &self.kept_at_loss
    }

    /// What the block keeps for backward once autocast has been left.
    pub(crate) const fn kept_for_backward(&self) -> &Alive {
        &self.kept_for_backward
    }

    /// What the block leaves behind after backward: gradients of its parameters.
    pub(crate) fn left_by_backward(&self) -> Alive {
        let (mut alive, events) = self.begin(Run::Backward);
        apply(&mut alive, &events);
        put(&mut alive, self.ends.incoming, false);
        put(&mut alive, self.ends.result, false);
        for &sum in &self.sums {
            put(&mut alive, Some(sum), false);
        }
        alive
    }

    /// The same with the gradient that the block before takes.
    pub(crate) fn handed_on(&self) -> Alive {
        let mut alive = self.left_by_backward();
        put(&mut alive, self.ends.result, true);
        alive
    }

    /// What the block has when its backward begins: what was kept, and the gradient that the block after hands on.
    pub(crate) fn before_backward(&self, kept: &Alive) -> Alive {
        let mut alive = kept.clone();
        put(&mut alive, self.ends.incoming, true);
        alive
    }

    /// Whether the block keeps what the block before made.
    pub(crate) fn keeps_input(&self) -> bool {
        self.ends
            .input
            .is_some_and(|id| self.kept_for_backward().get(id.index()).copied().unwrap_or_default())
    }

    /// What nodes of the first pass of a checkpointed layer keep until the step is over.
    pub(crate) fn kept_by_nodes(&self) -> Alive {
        let mut alive = self.kept_for_backward.clone();
        self.put_selected(&mut alive, false);
        alive
    }

    /// The same but for what the block before made, which the checkpoint keeps too.
    pub(crate) fn kept_by_nodes_alone(&self) -> Alive {
        let mut alive = self.kept_by_nodes();
        put(&mut alive, self.ends.input, false);
        alive
    }

    /// What a checkpoint of the block holds: its input, where it stays on the GPU, and what it doesn't run again.
    pub(crate) fn kept_by_checkpoint(&self, offloads_input: bool) -> Alive {
        let mut alive = if offloads_input { vec![false; self.storages.len()] } else { self.only_input() };
        self.put_selected(&mut alive, true);
        alive
    }

    /// Of the first pass of a checkpointed layer, what autocast's cache and nodes still hold when it is done, beside its input.
    pub(crate) fn only_casts(&self) -> Alive {
        let mut alive = self.kept_by_forward.clone();
        self.put_selected(&mut alive, false);
        put(&mut alive, self.ends.input, false);
        alive
    }

    fn put_selected(&self, alive: &mut Alive, is_alive: bool) {
        for &id in &self.selected {
            put(alive, Some(id), is_alive);
        }
    }

    /// What a checkpoint keeps of the block beside its input.
    pub(crate) fn selected(&self) -> &[StorageId] {
        &self.selected
    }

    /// Only what the block before made.
    pub(crate) fn only_input(&self) -> Alive {
        self.only(self.ends.input)
    }

    /// Only what the block after takes.
    pub(crate) fn only_output(&self) -> Alive {
        self.only(self.ends.output)
    }

    /// Only a storage by which the block touches its neighbours.
    pub(crate) fn only(&self, id: Option<StorageId>) -> Alive {
        self.storages.iter().enumerate().map(|(index, _)| id.is_some_and(|id| id.index() == index)).collect()
    }

    /// Bytes of a set of storages.
    pub(crate) fn bytes(&self, alive: &Alive) -> Bytes {
        self.sizes
            .iter()
            .zip(alive)
            .filter(|&(_, &is_alive)| is_alive)
            .map(|(&size, _)| Bytes::new(size))
            .sum()
    }

    /// Bytes of a set of storages by category. What backward does not need is a temporary.
    pub(crate) fn by_category(&self, alive: &Alive) -> Totals {
        let mut totals = Totals::default();
        let kept = &self.kept_for_backward;
        for (((storage, &size), &is_alive), &is_kept) in
            self.storages.iter().zip(&self.sizes).zip(alive).zip(kept)
        {
            if is_alive {
                totals.add(storage.category_of(is_kept), Bytes::new(size));
            }
        }
        totals
    }

    fn size(&self, id: StorageId) -> u64 {
        self.sizes.get(id.index()).copied().unwrap_or_default()
    }

    /// The storages that are alive when a run begins, and its events.
    fn begin(&self, run: Run) -> (Alive, Cow<'_, [Event]>) {
        let nothing = || vec![false; self.storages.len()];
        let (mut alive, events) = match run {
            Run::Forward => (nothing(), self.between(0, self.cuts.forward).into()),
            Run::ForwardInAutocast => (nothing(), self.between(0, self.cuts.autocast).into()),
            Run::Backward => {
                let events = self.between(self.cuts.begin_backward(), self.events.len());
                (self.kept_for_backward.clone(), events.into())
            }
            Run::Recompute => (nothing(), self.recomputed().into()),
            Run::Reentrant => (nothing(), self.events.as_slice().into()),
        };
        if run != Run::Backward {
            put(&mut alive, self.ends.input, true);
        }
        if matches!(run, Run::Backward | Run::Recompute | Run::Reentrant) {
            put(&mut alive, self.ends.incoming, true);
            put(&mut alive, self.ends.expected, true);
        }
        if run == Run::Recompute {
            self.put_selected(&mut alive, true);
        }
        (alive, events)
    }

    /// Backward with forward in the middle of it: of what comes after the last tensor that is kept nothing runs, but what was alive
    /// is let go.
    fn recomputed(&self) -> Vec<Event> {
        let cuts = self.cuts;
        let again = self.between(0, cuts.packed);
        let left = self.between(cuts.packed, cuts.begin_backward()).iter().filter(|event| {
            matches!(event, Event::Free(id) if Some(*id) == self.ends.input || again.contains(&Event::Allocate(*id)))
        });
        let mut events = self.between(cuts.begin_backward(), cuts.unpacked).to_vec();
        events.extend(again.iter().chain(left).chain(self.between(cuts.unpacked, self.events.len())));
        if !self.selected.is_empty() {
            events.retain(|event| !matches!(event, Event::Allocate(id) if self.selected.contains(id)));
        }
        events
    }

    /// The events of a run, in order.
    pub(crate) fn events(&self, run: Run) -> Cow<'_, [Event]> {
        self.begin(run).1
    }

    /// What happens when the stack of layers returns.
    pub(crate) fn leaving_stack(&self) -> &[Event] {
        self.between(self.cuts.forward, self.cuts.stack)
    }

    /// What happens when autocast is left after forward.
    pub(crate) fn leaving_autocast(&self) -> &[Event] {
        self.between(self.cuts.stack, self.cuts.begin_backward())
    }

    /// The storages by which the block touches its neighbours.
    pub(crate) const fn ends(&self) -> Ends {
        self.ends
    }

    fn between(&self, from: usize, to: usize) -> &[Event] {
        self.events.get(from..to).unwrap_or_default()
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

fn put(alive: &mut Alive, id: Option<StorageId>, is_alive: bool) {
    if let Some(place) = id.and_then(|id| alive.get_mut(id.index())) {
        *place = is_alive;
    }
}
