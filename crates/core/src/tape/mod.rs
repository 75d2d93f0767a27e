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
mod step;

use block::Cuts;
pub(crate) use block::{Alive, Block, Ends, Event, Run};
pub(crate) use mode::Mode;
pub(crate) use step::{Step, Storage};

use crate::ledger::{Category, Dims, Module, Name, What};
use crate::trained::Trains;
use crate::units::{Bytes, Dtype};

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

/// Notes a block's operators.
pub(crate) struct Tape {
    mode: Mode,
    /// Parameters already hold gradients, into which new ones are added (gradient accumulation).
    accumulates: bool,
    /// What the update of a parameter allocates inside backward, after which its gradient is freed.
    hooks: Vec<(Name, Bytes)>,
    /// Whether the update of a parameter waits for the next gradient (`register_hook`: it runs before its own gradient is in place).
    updates_late: bool,
    /// The gradient whose update waits.
    waiting: Option<StorageId>,
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
            hooks: Vec::new(),
            updates_late: false,
            waiting: None,
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
        Self { hooks: hooks.to_vec(), updates_late, ..self }
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

    /// An operator that makes one tensor.
    ///
    /// `saved` is what its node keeps for backward, `steps` what its backward does. Both are dropped where no gradient is
    /// recorded.
    pub(crate) fn operator(&mut self, output: Storage, saved: &[Var], steps: &[Step]) -> Var {
        // An operator's inputs are kept before it runs (`torch/csrc/autograd/VariableTypeManual.cpp` and what is generated like it).
        let before = self.events.len();
        let id = self.allocate(output);
        self.node(id, output, saved, steps, before)
    }

    /// The next operator keeps a parameter, which is there anyway: a frozen weight, by which the gradient of `x` is made.
    pub(crate) fn keep_parameter(&mut self, x: Var) {
        self.keeps_parameter = self.requires_grad(x);
    }

    /// The same, keeping its output too (softmax, tanh, attention).
    pub(crate) fn operator_keeping_output(&mut self, output: Storage, saved: &[Var], steps: &[Step]) -> Var {
        let output = self.operator_keeping_results(output, saved, steps);
        let is_recorded = self.mode.records() && self.requires_grad(output);
        if let (true, Some(node)) = (is_recorded, self.nodes.last_mut()) {
            node.saved.1 += 1;
            node.unpacks = true;
            let id = self.storage_of(output);
            self.saved.push(id);
            self.hold(id);
        }
        output
    }

    /// The same, where it makes one of the tensors that it keeps (dropout's mask).
    pub(crate) fn operator_keeping_results(&mut self, output: Storage, saved: &[Var], steps: &[Step]) -> Var {
        let output = self.operator(output, saved, steps);
        if self.mode.records() && self.requires_grad(output) {
            self.packed = self.events.len();
        }
        output
    }

    /// Gives a view its own name, shape or dtype: its gradient is made so.
    pub(crate) fn describe(&mut self, view: Var, describes: Storage) {
        self.variables[usize::from(view.0)].describes = describes;
    }

    /// Gives a view its own name and shape.
    pub(crate) fn reshape(&mut self, view: Var, name: Name, dims: Dims) {
        self.describe(view, Storage { name, dims, ..self.storage(view) });
    }

    /// An operator whose output shares the storage of `base`: a view, an in-place operation.
    pub(crate) fn view(&mut self, base: Var, saved: &[Var], steps: &[Step]) -> Var {
        let id = self.storage_of(base);
        self.hold(id);
        self.node(id, self.storage(base), saved, steps, self.events.len())
    }

    /// A tensor outside of the graph: masks, statistics, workspaces.
    pub(crate) fn constant(&mut self, storage: Storage) -> Var {
        let id = self.allocate(storage);
        self.variable(id, storage, false)
    }

    /// Memory that a kernel needs only while it runs.
    pub(crate) fn scratch(&mut self, storage: Storage) {
        let var = self.constant(storage);
        self.drop(var);
    }

    /// Python's last name for a tensor goes away.
    pub(crate) fn drop(&mut self, var: Var) {
        let id = self.storage_of(var);
        self.release(id);
    }

    fn node(
        &mut self,
        id: StorageId,
        describes: Storage,
        saved: &[Var],
        steps: &[Step],
        before: usize,
    ) -> Var {
        let leads_on = |step: &Step| {
            !matches!(step, Step::Temporary(_) | Step::Until(..) | Step::Scratch(_) | Step::Raw(_))
                && self.is_needed(step)
        };
        let requires_grad = self.mode != Mode::NoGrad && steps.iter().any(leads_on);
        let output = self.variable(id, describes, requires_grad);
        let keeps_parameter = std::mem::take(&mut self.keeps_parameter);
        if requires_grad && self.mode.records() {
            let unpacks = keeps_parameter || !saved.is_empty();
            if unpacks {
                self.packed = before;
            }
            let first_saved = self.saved.len();
            for var in saved {
                let kept = self.storage_of(*var);
                self.hold(kept);
                self.saved.push(kept);
            }
            let first_step = self.steps.len();
            for (at, step) in steps.iter().enumerate() {
                let target = steps[at..].iter().find(|step| !matches!(step, Step::Raw(_) | Step::Scratch(_)));
                let decides = if matches!(step, Step::Raw(_)) { target } else { Some(step) };
                if decides.is_some_and(|step| self.is_needed(step)) {
                    self.steps.push(*step);
                }
            }
            self.nodes.push(Node {
                output,
                steps: (first_step, self.steps.len()),
                saved: (first_saved, self.saved.len()),
                unpacks,
            });
        }
        output
    }

    fn is_needed(&self, step: &Step) -> bool {
        match step {
            Step::Gradient(var, _) | Step::GradientView(var, _) | Step::Pass(var) | Step::Join(var) => {
                self.variables[usize::from(var.0)].requires_grad
            }
            Step::Overwrite(var, _) => self.variables[usize::from(var.0)].requires_grad,
            Step::Parameter(storage) | Step::Waiting(storage) => self.trains.parameter(storage.name),
            Step::Become(name, _) => self.trains.parameter(*name),
            Step::IntoWaiting => self.trains.parameter(Name::of(Module::Embedding, What::Weight)),
            Step::MadeByForward(..)
            | Step::Until(..)
            | Step::Temporary(_)
            | Step::Scratch(_)
            | Step::Raw(_)
            | Step::Adapter(_)
            | Step::Leaf => true,
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
        if self.mode.records() && self.variables[usize::from(output.0)].requires_grad {
            let id = self.place(self.gradient_of(output));
            self.variables[usize::from(output.0)].pending = Some(id);
            if self.mode == Mode::Reentrant {
                self.hold(id);
            }
            incoming = Some(id);
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
        let cuts = Cuts { packed: self.packed, forward, autocast, unpacked };
        Block::new(self.storages, self.events, cuts, ends, self.selected, sums)
    }

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

    fn storage_of(&self, var: Var) -> StorageId {
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
    fn place(&mut self, storage: Storage) -> StorageId {
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
    fn variable(&mut self, storage: StorageId, describes: Storage, requires_grad: bool) -> Var {
        let var = Var(self.variables.len() as u16);
        self.variables.push(Variable { storage, describes, requires_grad, pending: None });
        var
    }

    fn allocate(&mut self, storage: Storage) -> StorageId {
        let id = self.place(storage);
        self.events.push(Event::Allocate(id));
        id
    }

    fn hold(&mut self, id: StorageId) {
        self.references[id.index()] += 1;
    }

    fn release(&mut self, id: StorageId) {
        let references = &mut self.references[id.index()];
        *references = references.saturating_sub(1);
        if *references == 0 {
            self.events.push(Event::Free(id));
        }
    }
}
