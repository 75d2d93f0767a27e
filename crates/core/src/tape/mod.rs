//! A small model of PyTorch's autograd: it runs no arithmetic, it only notes what is allocated and freed, and when.
//!
//! A block of the model (a decoder layer, the head with its loss) is written as the operators that its module calls,
//! in their order. Each operator allocates its output, says which tensors its node saves, and what its backward
//! allocates. The tape keeps the reference counts that PyTorch keeps (Python's variables, saved tensors, pending
//! gradients) and so gets the order of allocations and frees of forward and of backward.
//!
//! Sources: `torch/csrc/autograd/engine.cpp` (`evaluate_function`: a node's inputs are released after its outputs have
//! been handed on, its saved tensors right after its call), `input_buffer.cpp` (`accumulate`: two gradients of one
//! variable are summed in place where nobody else holds the first one), `functions/accumulate_grad.h` (a parameter
//! takes over the first gradient that reaches it and adds later ones into it).

mod backward;
mod block;
mod holders;
mod mode;
mod operators;
mod references;
mod step;

use block::Cuts;
pub(crate) use block::{Alive, Block, Ends, Event, Run};
pub(crate) use mode::Mode;
pub(crate) use step::{Step, Storage};

use crate::ledger::Name;
use crate::trained::Trains;
use crate::units::Bytes;

/// A storage on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StorageId(u16);

impl StorageId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A variable of the autograd graph; views of a storage are variables of their own only where their backward allocates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Var(u16);

struct Variable {
    storage: StorageId,
    /// What it is; a view may have another shape than its storage.
    describes: Storage,
    requires_grad: bool,
    /// The gradient that has reached it so far.
    pending: Option<StorageId>,
}

struct Node {
    output: Var,
    steps: (usize, usize),
    saved: (usize, usize),
    /// Whether it keeps anything for backward, be it a parameter.
    unpacks: bool,
}

/// What takes the sum of two gradients of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GradientSum {
    /// The one that is there.
    InPlace,
    /// A third tensor: the first one is a view, of a call that backward visited before (`InputBuffer::accumulate`).
    NewTensor,
}

/// Updates of parameters inside backward.
#[derive(Default)]
struct Updates {
    /// What that of each parameter allocates, after which its gradient is freed.
    hooks: Vec<(Name, Bytes)>,
    /// Whether each waits for the next gradient (`register_hook`: it runs before its own gradient is in place).
    are_late: bool,
    /// The gradient whose update waits.
    waiting: Option<StorageId>,
}

/// Notes a block's operators.
pub(crate) struct Tape {
    mode: Mode,
    /// Parameters already hold gradients, into which new ones are added (gradient accumulation).
    accumulates: bool,
    updates: Updates,
    /// Which of the model's own parameters need a gradient.
    trains: Trains,
    /// What takes their gradients' sum with earlier ones.
    sums: GradientSum,
    storages: Vec<Storage>,
    references: Vec<u16>,
    /// It is known through a view, which holds it beside whoever holds the view.
    is_viewed: Vec<bool>,
    variables: Vec<Variable>,
    nodes: Vec<Node>,
    steps: Vec<Step>,
    saved: Vec<StorageId>,
    cached: Vec<StorageId>,
    /// What nodes keep as attributes of their own.
    by_nodes: Vec<StorageId>,
    joined: Vec<(Var, StorageId)>,
    events: Vec<Event>,
    /// Where autocast was left before the end of forward.
    left_autocast: Option<usize>,
    /// Where forward's output was there, though the caller goes on to name what led to it.
    returned: Option<usize>,
    /// Where what layers named is gone, though the caller of all layers goes on to name what stands before here.
    left_stack: Option<usize>,
    /// Where forward keeps a tensor for backward for the last time.
    packed: usize,
    /// Where backward first needs a kept tensor.
    unpacked: Option<usize>,
    /// The next operator keeps a parameter.
    keeps_parameter: bool,
    /// Tensors that other blocks have made.
    outside: Vec<Var>,
    /// A gradient that later blocks have made.
    expected: Option<StorageId>,
    /// What a checkpoint keeps of the block beside its input.
    selected: Vec<StorageId>,
    /// All that forward has kept is handed out together and held to the end of backward.
    hands_out_at_once: bool,
}

impl Tape {
    pub(crate) fn new(mode: Mode, accumulates: bool, trains: Trains) -> Self {
        Self {
            mode,
            accumulates,
            updates: Updates::default(),
            trains,
            sums: GradientSum::InPlace,
            storages: Vec::with_capacity(128),
            references: Vec::with_capacity(128),
            is_viewed: Vec::with_capacity(128),
            variables: Vec::with_capacity(96),
            nodes: Vec::with_capacity(64),
            steps: Vec::with_capacity(128),
            saved: Vec::with_capacity(96),
            cached: Vec::with_capacity(16),
            by_nodes: Vec::new(),
            joined: Vec::new(),
            events: Vec::with_capacity(256),
            left_autocast: None,
            returned: None,
            left_stack: None,
            packed: 0,
            unpacked: None,
            keeps_parameter: false,
            outside: Vec::new(),
            expected: None,
            selected: Vec::new(),
            hands_out_at_once: false,
        }
    }

    /// What takes the sum where parameters' gradients meet earlier ones.
    pub(crate) fn summing(self, sums: GradientSum) -> Self {
        Self { sums, ..self }
    }

    /// Parameters are updated inside backward (`register_post_accumulate_grad_hook`), or each when the next gradient is there.
    pub(crate) fn updating(self, hooks: &[(Name, Bytes)], updates_late: bool) -> Self {
        let updates = Updates { hooks: hooks.to_vec(), are_late: updates_late, waiting: None };
        Self { updates, ..self }
    }

    pub(crate) const fn mode(&self) -> Mode {
        self.mode
    }

    /// A tensor that exists before the block begins and has one reference outside of it.
    pub(crate) fn input(&mut self, storage: Storage, requires_grad: bool) -> Var {
        let id = self.place(storage);
        self.variable(id, storage, requires_grad)
    }

    /// A tensor that another block has made and keeps. The sum of its gradients belongs to no block.
    pub(crate) fn outside(&mut self, storage: Storage, requires_grad: bool) -> Var {
        let var = self.input(storage, requires_grad && self.mode != Mode::NoGrad);
        self.outside.push(var);
        var
    }

    /// A gradient of `var` will be there when backward begins: later blocks have made it.
    pub(crate) fn expect_gradient(&mut self, var: Var) {
        if self.mode.records() && self.requires_grad(var) {
            let id = self.place(self.gradient_of(var));
            self.variables[usize::from(var.0)].pending = Some(id);
            self.expected = Some(id);
        }
    }

    /// Ends forward, leaves autocast, runs backward where a graph was recorded, and returns the block.
    ///
    /// `input` is what the block before made (the embedding has none), `output` what the block after takes (a loss has none).
    pub(crate) fn finish(mut self, input: Option<Var>, output: Var, is_loss: bool) -> Block {
        if self.mode == Mode::Recompute {
            // The graph that recomputing makes goes when its last saved tensor is there.
            self.let_go_of_nodes();
        }
        let forward = self.returned.unwrap_or(self.events.len());
        let autocast = self.left_autocast.unwrap_or_else(|| self.empty_cache());
        let mut incoming = None;
        let follows = self.variables[usize::from(output.0)].requires_grad;
        if self.mode.records() && follows {
            let id = self.place(self.gradient_of(output));
            self.variables[usize::from(output.0)].pending = Some(id);
            if self.mode == Mode::Reentrant {
                self.hold(id);
            }
            incoming = Some(id);
        }
        if self.mode.records() && (follows || self.expected.is_some()) {
            self.backward();
        }
        if self.mode == Mode::Reentrant {
            self.let_go_of_nodes();
        }
        let ends = Ends {
            input: input.map(|var| self.storage_of(var)),
            result: input.and_then(|var| self.variables[usize::from(var.0)].pending),
            output: (!is_loss).then(|| self.storage_of(output)),
            incoming,
            expected: self.expected,
        };
        let outside = self.outside.iter();
        let sums = outside.filter_map(|var| self.variables[usize::from(var.0)].pending).collect();
        let unpacked = self.unpacked.unwrap_or(self.events.len());
        let stack = self.left_stack.unwrap_or(forward);
        let cuts = Cuts { packed: self.packed, forward, stack, autocast, unpacked };
        Block::new(self.storages, self.events, cuts, ends, self.selected, sums)
    }
}
