//! The order in which a run asks for memory and gives it back: the model is made, then two steps.

use super::caching::{BlockId, CachingAllocator};
use super::played::Played;
use crate::ledger::{Category, Instant, What};
use crate::model::Parameter;
use crate::optimizer::Held;
use crate::plan::Pass;
use crate::rules::{self, LayerKind};
use crate::scenario::{Checkpointing, Optimizer, Scenario, ZeroGrad};
use crate::step::inputs::{self, Input};
use crate::step::{
    Blocks, LayerBlocks, Parameters, by_dtype, kind_of, kinds, reference_pass, rollout, updated,
};
use crate::tape::{Block, Mode, Run, Storage};
use crate::units::Bytes;

/// One step on its way: what forward leaves for backward.
struct Forwarded<'a> {
    embedding: Played<'a>,
    layers: Vec<Played<'a>>,
    head: Played<'a>,
    /// First passes of checkpointed layers, with what their nodes keep until the step is over.
    first_passes: Vec<Played<'a>>,
    inputs: Vec<(Input, Vec<BlockId>)>,
}

/// Plays a run.
pub(super) struct Player<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) pass: &'a Pass,
    pub(super) parameters: &'a Parameters,
    pub(super) allocator: CachingAllocator,
    gradients: Vec<BlockId>,
}

impl<'a> Player<'a> {
    pub(super) fn new(scenario: &'a Scenario, pass: &'a Pass, parameters: &'a Parameters) -> Self {
        Self { scenario, pass, parameters, allocator: CachingAllocator::default(), gradients: Vec::new() }
    }

    /// One optimizer step; the first one also makes the optimizer's states.
    pub(super) fn step(&mut self, first_pass: &'a Blocks, later_passes: &'a Blocks, is_first: bool) {
        self.before_training(is_first);
        let micro_batches = self.scenario.gradient_accumulation.get().min(2);
        for micro_batch in 0..micro_batches {
            let blocks = if micro_batch == 0 { first_pass } else { later_passes };
            let forwarded = self.forward(blocks);
            if micro_batch == 0 && self.scenario.zero_grad == ZeroGrad::BeforeBackward {
                self.zero_gradients();
            }
            if self.scenario.optimizer.needs_no_gradients() {
                self.forget(forwarded);
            } else {
                self.backward(forwarded);
            }
        }
        self.optimizer_step(is_first);
        if self.scenario.zero_grad == ZeroGrad::AfterStep {
            self.zero_gradients();
        }
    }

    /// Generation and scoring, each at its largest. What stays for good is there from the first step on.
    fn before_training(&mut self, is_first: bool) {
        if let Some(storage) = rollout::engine_that_stays(self.scenario).filter(|_| is_first) {
            self.allocator.allocate(storage.bytes());
        }
        for instant in [Instant::Generation, Instant::Scoring] {
            let moment = rollout::storages_at(self.scenario, self.pass, instant);
            let sizes =
                moment.into_iter().flat_map(|(storage, copies)| (0..copies).map(move |_| storage.bytes()));
            let memory: Vec<BlockId> = sizes.map(|size| self.allocator.allocate(size)).collect();
            for memory in memory {
                self.allocator.free(memory);
            }
        }
    }

    fn zero_gradients(&mut self) {
        for memory in std::mem::take(&mut self.gradients) {
            self.allocator.free(memory);
        }
    }

    fn forward(&mut self, blocks: &'a Blocks) -> Forwarded<'a> {
        let mut inputs: Vec<(Input, Vec<BlockId>)> = inputs::inputs(self.scenario, self.pass)
            .into_iter()
            .map(|input| {
                let memory = (0..input.copies).map(|_| self.allocator.allocate(input.storage.bytes()));
                let memory = memory.collect();
                (input, memory)
            })
            .collect();
        let mut embedding = Played::new(&blocks.embedding);
        embedding.play(&blocks.embedding.events(Run::Forward), None, &mut self.allocator);
        let mut handed = embedding.take(blocks.embedding.ends().output);
        let (mut layers, mut without_graph) = (Vec::new(), Vec::new());
        for index in 0..self.pass.architecture.blocks() {
            let Some(layer) = layer_at(&blocks.layers, self.pass, index) else { continue };
            let mut played = Played::new(&layer.with_graph);
            played.run = layer.run;
            played.put(layer.with_graph.ends().input, handed);
            if let Some(first) = &layer.without_graph {
                let mut running = Played::new(first);
                running.put(first.ends().input, handed);
                running.play(&first.events(Run::Forward), first.ends().input, &mut self.allocator);
                handed = running.take(first.ends().output);
                running.take(first.ends().input);
                for (&of_first, &of_second) in first.selected().iter().zip(layer.with_graph.selected()) {
                    let memory = running.take(Some(of_first));
                    played.put(Some(of_second), memory);
                }
                if let Some(memory) =
                    layer.offloads_input.then(|| played.take(layer.with_graph.ends().input)).flatten()
                {
                    self.allocator.free(memory);
                }
                without_graph.push(running);
            } else {
                played.play(&layer.with_graph.events(Run::Forward), None, &mut self.allocator);
                handed = played.take(layer.with_graph.ends().output);
            }
            layers.push(played);
            if self.pass.encoder.as_ref().is_some_and(|of| index == of.architecture.layers.get()) {
                // The encoder's forward has returned.
                embedding.play(blocks.embedding.leaving_autocast(), None, &mut self.allocator);
            }
        }
        for layer in layers.iter_mut().filter(|layer| layer.run == Run::Backward) {
            layer.play(layer.block.leaving_stack(), None, &mut self.allocator);
        }
        let mut head = Played::new(&blocks.head);
        head.put(blocks.head.ends().input, handed);
        head.play(&blocks.head.events(Run::Forward), None, &mut self.allocator);
        self.reference_forward();
        let is_run_once = |layer: &&mut Played<'_>| layer.run == Run::Backward;
        for layer in without_graph.iter_mut().chain(layers.iter_mut().filter(is_run_once)) {
            let events = layer.block.leaving_autocast();
            layer.play(events, None, &mut self.allocator);
        }
        head.play(blocks.head.leaving_autocast(), None, &mut self.allocator);
        self.drop_inputs(&mut inputs, Instant::Forward);
        Forwarded { embedding, layers, head, first_passes: without_graph, inputs }
    }

    /// The reference model's forward, layer after layer without a graph.
    fn reference_forward(&mut self) {
        let Some(pass) = reference_pass(self.scenario, self.pass) else { return };
        let embedding = rules::embedding(&pass, Mode::NoGrad);
        let mut played = Played::new(&embedding);
        played.play(&embedding.events(Run::Forward), None, &mut self.allocator);
        let mut handed = played.take(embedding.ends().output);
        played.end(&mut self.gradients, &mut self.allocator);
        let layers: Vec<(LayerKind, Block)> = kinds(&pass)
            .into_iter()
            .map(|kind| (kind.layer, rules::layer(&pass, Mode::NoGrad, kind.layer)))
            .collect();
        let head = rules::head(&pass, Mode::NoGrad, self.scenario);
        let in_order = (0..pass.architecture.blocks()).filter_map(|index| {
            let kind = kind_of(&pass, index);
            layers.iter().find(|(layer, _)| *layer == kind).map(|(_, block)| block)
        });
        for block in in_order.chain([&head]) {
            let mut played = Played::new(block);
            played.put(block.ends().input, handed);
            played.play(&block.events(Run::Forward), None, &mut self.allocator);
            handed = played.take(block.ends().output);
            played.end(&mut self.gradients, &mut self.allocator);
        }
    }

    fn drop_inputs(&mut self, inputs: &mut [(Input, Vec<BlockId>)], after: Instant) {
        for (input, memory) in inputs {
            if input.until <= after {
                memory.drain(..).for_each(|memory| self.allocator.free(memory));
            }
        }
    }

    /// Without a graph nothing is left of forward but its inputs.
    fn forget(&mut self, forwarded: Forwarded<'a>) {
        let Forwarded { embedding, layers, head, mut inputs, .. } = forwarded;
        for block in layers.into_iter().chain([embedding, head]) {
            block.end(&mut self.gradients, &mut self.allocator);
        }
        self.drop_inputs(&mut inputs, Instant::OptimizerStep);
    }

    fn backward(&mut self, forwarded: Forwarded<'a>) {
        let Forwarded { mut embedding, layers, mut head, first_passes, mut inputs } = forwarded;
        let mut kept_by_nodes = Vec::new();
        // The loss's own gradient, a number.
        let one = self.allocator.allocate(Bytes::new(4));
        head.put(head.block.ends().incoming, Some(one));
        head.play(&head.block.events(Run::Backward), None, &mut self.allocator);
        let mut handed = head.take(head.block.ends().result);
        for mut layer in layers.into_iter().rev() {
            let ends = layer.block.ends();
            layer.put(ends.incoming, handed);
            let held = if layer.run == Run::Backward { None } else { ends.input };
            if held.is_some() && self.scenario.checkpointing == Checkpointing::OffloadedInputs {
                let size = ends.input.and_then(|id| layer.block.storages.get(id.index())).map(Storage::bytes);
                let memory = self.allocator.allocate(size.unwrap_or_default());
                layer.put(ends.input, Some(memory));
            }
            layer.play(&layer.block.events(layer.run), held, &mut self.allocator);
            handed = layer.take(ends.result);
            kept_by_nodes.extend(layer.kept_by_nodes());
            layer.end(&mut self.gradients, &mut self.allocator);
        }
        self.drop_inputs(&mut inputs, Instant::BackwardLastVisited);
        embedding.put(embedding.block.ends().incoming, handed);
        embedding.play(&embedding.block.events(Run::Backward), None, &mut self.allocator);
        embedding.end(&mut self.gradients, &mut self.allocator);
        for first_pass in first_passes {
            first_pass.end(&mut self.gradients, &mut self.allocator);
        }
        for memory in kept_by_nodes {
            self.allocator.free(memory);
        }
        // A tied head's gradient has waited for the embedding's.
        head.end(&mut self.gradients, &mut self.allocator);
        if self.scenario.updates_in_backward() {
            self.zero_gradients();
        }
        self.drop_inputs(&mut inputs, Instant::OptimizerStep);
    }

    fn optimizer_step(&mut self, is_first: bool) {
        let trained = self.parameters.trained();
        let architecture = self.scenario.architecture();
        let updated = updated(self.scenario, &architecture, trained);
        if is_first {
            for group in by_dtype(self.scenario, &architecture, self.parameters.with_states()) {
                let mut states = group.states(self.scenario.optimizer);
                if self.scenario.optimizer_dtype() != self.scenario.trained() {
                    states.insert(0, updated.copy(Category::MasterWeights, What::Master));
                }
                for size in self.side_by_side(group.parameters, &states) {
                    self.allocator.allocate(size);
                }
            }
        }
        if self.scenario.updates_in_backward() {
            return;
        }
        let mut taken = Vec::new();
        for group in by_dtype(self.scenario, &architecture, trained) {
            let mut temporaries = group.step_temporaries(self.scenario.optimizer);
            if self.scenario.optimizer_dtype() != self.scenario.trained() {
                temporaries.insert(0, updated.copy(Category::Temporaries, What::GradientFp32));
            }
            let mut of_one = Vec::new();
            for held in &temporaries {
                let (sizes, until) = if held.each.is_empty() {
                    (copies_of(held), &mut of_one)
                } else {
                    (self.beside_parameters(group.parameters, &held.each), &mut taken)
                };
                until.extend(sizes.into_iter().map(|size| self.allocator.allocate(size)));
                if self.scenario.replaces_gradients() {
                    self.zero_gradients();
                }
            }
            for memory in of_one {
                self.allocator.free(memory);
            }
        }
        for memory in taken {
            self.allocator.free(memory);
        }
        if self.scenario.optimizer == Optimizer::BAdam {
            self.allocator.empty_cache();
        }
    }

    /// States parameter by parameter: all of the first one, then all of the second.
    fn side_by_side(&self, of: &[Parameter], states: &[Held]) -> Vec<Bytes> {
        let columns: Vec<Vec<Bytes>> =
            states.iter().map(|held| self.beside_parameters(of, &held.each)).collect();
        let longest = columns.iter().map(Vec::len).max().unwrap_or_default();
        (0..longest).flat_map(|at| columns.iter().filter_map(move |column| column.get(at).copied())).collect()
    }
}

/// Tensors that a loop over the parameters makes of the largest one.
fn copies_of(held: &Held) -> Vec<Bytes> {
    match held.storage.dims.as_slice() {
        [copies, elements] => {
            vec![
                Bytes::new(elements.value).times(held.storage.dtype.size());
                usize::try_from(copies.value).unwrap_or_default()
            ]
        }
        _ => vec![held.storage.bytes()],
    }
}

fn layer_at<'a>(layers: &'a [LayerBlocks], pass: &Pass, index: u64) -> Option<&'a LayerBlocks> {
    let kind = kind_of(pass, index);
    layers.iter().find(|layer| layer.kind.layer == kind)
}
