//! A rank of a pipeline while one of its chunks runs: what it holds, what waits, what is sent and received.

use std::ops::Range;

use super::Shared;
use crate::account::{Account, Registered};
use crate::ledger::{Category, Dims, Instant, InstantSet, Module, Name, What};
use crate::model::Parameter;
use crate::parallel::pipeline::{Chunk, ChunkWeight, Moment};
use crate::rules::LayerKind;
use crate::step::blocks::{Kind, LayerBlocks};
use crate::step::layers::{Kept, Layers};
use crate::step::stages::totals_beside;
use crate::step::{FORWARD_AND_BACKWARD, Looked, inputs, updated};
use crate::tape::{Run, Storage};
use crate::timeline::LayerTotals;
use crate::totals::Totals;
use crate::units::Bytes;

/// A chunk with its slots in the account.
struct Placed<'a> {
    embedding: Option<Registered<'a>>,
    layers: Layers<'a>,
    head: Option<Registered<'a>>,
}

/// A rank while a chunk runs forward at one moment and backward at another.
pub(super) struct Stage<'a> {
    shared: &'a Shared<'a>,
    chunks: &'a [Chunk],
    account: Account,
    placed: Vec<Placed<'a>>,
    parameters: Vec<Parameter>,
    ranges: Vec<Range<usize>>,
    forward: Moment,
    backward: Moment,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        shared: &'a Shared<'a>,
        chunks: &'a [Chunk],
        forward: Moment,
        backward: Moment,
    ) -> Self {
        let (parameters, ranges) = shared.parameters(chunks);
        let architecture = &shared.pass.architecture;
        let trained = shared.scenario.trained();
        let mut account = Account::new(architecture, &parameters, &|_| trained, InstantSet::TRAINING);
        let has_gradients = backward.has_gradients.get(backward.running).copied().unwrap_or_default();
        let blocks = if has_gradients { &shared.later } else { &shared.first };
        let placed = chunks
            .iter()
            .map(|chunk| {
                let order: Vec<LayerKind> = shared.order(chunk).collect();
                Placed {
                    embedding: chunk.is_first.then(|| account.register(&blocks.embedding)),
                    layers: Layers::in_order(
                        of_kinds(&blocks.layers, &order).into_iter(),
                        order.iter().copied(),
                        None,
                        &mut account,
                    ),
                    head: chunk.is_last.then(|| account.register(&blocks.head)),
                }
            })
            .collect();
        Self { shared, chunks, account, placed, parameters, ranges, forward, backward }
    }

    pub(super) fn account(mut self, looked: Looked) -> (Account, Vec<LayerTotals>) {
        self.always();
        self.waiting();
        self.messages(looked);
        self.gradients();
        let layers = self.layer_totals();
        self.run(looked);
        self.embedding();
        (self.account, layers)
    }

    fn running(&self) -> Option<(&Placed<'a>, &Chunk)> {
        let at = self.backward.running;
        Some((self.placed.get(at)?, self.chunks.get(at)?))
    }

    /// What a chunk weighs while another one runs.
    pub(super) fn weight_of(&self, at: usize) -> ChunkWeight {
        let (Some(placed), Some(chunk), Some(range)) =
            (self.placed.get(at), self.chunks.get(at), self.ranges.get(at))
        else {
            return ChunkWeight::default();
        };
        let ends = [&placed.embedding, &placed.head].into_iter().flatten().map(Registered::block);
        let ends: Bytes = ends.map(|block| block.bytes(block.kept_for_backward())).sum();
        let inputs = inputs::inputs(self.shared.scenario, &self.shared.pass);
        let held = inputs.iter().filter(|input| !is_batch(&input.storage) && input.until > Instant::Loss);
        let held: Bytes = held.map(|input| input.storage.bytes().times(input.copies)).sum();
        let received = if is_received(chunk, placed) { self.message_bytes() } else { 0 };
        let waiting = placed.layers.kept_bytes() + ends + held;
        ChunkWeight {
            waiting: waiting.get().saturating_add(received),
            gradients: self.account.bytes_of_gradients(range).get(),
        }
    }

    /// Bytes of what stages send each other for a micro-batch.
    pub(super) fn message_bytes(&self) -> u64 {
        self.message(What::Received, false).bytes().get()
    }

    fn message(&self, what: What, gradient: bool) -> Storage {
        let pass = &self.shared.pass;
        Storage {
            name: Name { gradient, ..Name::of(Module::Layer, what) },
            category: Category::Communication,
            dims: Dims::new(&[pass.batch(), pass.sequence(), pass.hidden()]),
            dtype: pass.weight,
        }
    }

    /// Weights, buffers, optimizer states, and the whole batch, which every rank is given.
    fn always(&mut self) {
        let (scenario, pass) = (self.shared.scenario, &self.shared.pass);
        for parameter in &self.parameters {
            let storage = Storage {
                name: parameter.name,
                category: Category::Parameters,
                dims: parameter.dims,
                dtype: scenario.stored(),
            };
            self.account.add_storage(&Instant::ALL, storage, parameter.copies(&pass.architecture));
        }
        for (storage, copies) in inputs::buffers(scenario, pass) {
            self.account.add_storage(&Instant::ALL, storage, copies);
        }
        for input in inputs::inputs(scenario, pass).iter().filter(|input| is_batch(&input.storage)) {
            self.account.add_storage(&Instant::ALL, input.storage, self.shared.pipeline.batches);
        }
        let updated = updated(scenario, &pass.architecture, &self.parameters);
        let mut held = updated.states(scenario.optimizer);
        if scenario.optimizer_dtype() != scenario.trained() {
            held.push(updated.copy(Category::MasterWeights, What::Master));
        }
        for state in held {
            self.account.add_rounded(&Instant::ALL, state.storage, state.rounding);
        }
        let mut temporaries = updated.step_temporaries(scenario.optimizer);
        if scenario.optimizer_dtype() != scenario.trained() {
            temporaries.push(updated.copy(Category::Temporaries, What::GradientFp32));
        }
        self.account.add_gradients(Instant::OptimizerStep);
        if self.chunks.iter().any(|chunk| chunk.is_last) {
            // They stay until the next step's schedule begins.
            let logits = (self.shared.logits(), self.shared.pipeline.batches);
            self.account.add_held(Instant::OptimizerStep, &[logits]);
        }
        for held in temporaries {
            self.account.add_rounded(&[Instant::OptimizerStep], held.storage, held.rounding);
        }
    }

    /// What micro-batches keep that wait for their backward, and what the one that runs is given.
    fn waiting(&mut self) {
        let inputs = inputs::inputs(self.shared.scenario, &self.shared.pass);
        for instant in FORWARD_AND_BACKWARD {
            let moment = stands_for(instant, &self.forward, &self.backward);
            let waiting: u64 = moment.others.iter().sum();
            for input in inputs.iter().filter(|input| !is_batch(&input.storage)) {
                let own = u64::from(input.until >= instant);
                let kept = if input.until > Instant::Loss { waiting } else { 0 };
                let copies = input.copies.saturating_mul(kept + own);
                self.account.add_held(instant, &[(input.storage, copies)]);
            }
            for (placed, &count) in self.placed.iter().zip(&moment.others).filter(|&(_, &count)| count > 0) {
                for block in [&placed.embedding, &placed.head].into_iter().flatten() {
                    self.account.add(instant, block, block.block().kept_for_backward(), count);
                }
                let all = 0..placed.layers.count();
                placed.layers.kept_times(&mut self.account, instant, &all, Kept::ForBackward, count);
            }
        }
    }

    /// The layer that the beginning of backward looks at.
    fn visited_first(&self, placed: &Placed<'_>, looked: Looked) -> u64 {
        let is_last = self.chunks.get(self.backward.running).is_some_and(|chunk| chunk.is_last);
        placed.layers.looked(looked, |layers| {
            if is_last {
                layers.largest_visited_first()
            } else {
                layers.largest_visited_beside(Bytes::new(self.message_bytes()))
            }
        })
    }

    /// What was received, what has been sent and is still named, and the logits of all micro-batches so far.
    fn messages(&mut self, looked: Looked) {
        let logits = self.shared.logits();
        let Some((placed, chunk)) = self.running() else { return };
        // Backward of the chunk's last layer has the gradient that came as its own.
        let is_at_last = |instant| match instant {
            Instant::BackwardFirstVisited => placed.layers.ends_with(self.visited_first(placed, looked)),
            Instant::BackwardLastVisited => {
                placed.layers.ends_with(placed.layers.looked(looked, Layers::largest_visited_last))
            }
            _ => false,
        };
        let came = FORWARD_AND_BACKWARD
            .map(|instant| !is_forward(instant) && !chunk.is_last && !is_at_last(instant));
        for (instant, came) in FORWARD_AND_BACKWARD.into_iter().zip(came) {
            let moment = stands_for(instant, &self.forward, &self.backward);
            let chunks = self.chunks.iter().zip(&self.placed).zip(&moment.others);
            let waiting: u64 = chunks
                .filter(|((chunk, placed), _)| is_received(chunk, placed))
                .map(|(_, &count)| count)
                .sum();
            let Some((placed, chunk)) = self.running() else { return };
            let own = u64::from(is_received(chunk, placed));
            // The losses name the graphs of all micro-batches, and these, at their ends, what was received (`_internal_losses`).
            let last =
                self.chunks.iter().zip(&moment.others).find(|(chunk, _)| chunk.is_last && !chunk.is_first);
            let done = last
                .map_or(0, |(last, others)| moment.logits.saturating_sub(others + u64::from(last == chunk)));
            let is_running_head = instant == Instant::Loss && chunk.is_last;
            let held = [
                (self.message(What::Received, false), waiting + own + done),
                (self.message(What::Output, true), u64::from(came)),
                (self.message(What::Input, true), moment.sent),
                (self.message(What::Output, false), moment.outputs),
                (logits, moment.logits.saturating_sub(u64::from(is_running_head))),
            ];
            self.account.add_held(instant, &held);
        }
    }

    /// Gradients of earlier micro-batches.
    fn gradients(&mut self) {
        for instant in FORWARD_AND_BACKWARD {
            let moment = stands_for(instant, &self.forward, &self.backward);
            for (range, _) in self.ranges.iter().zip(&moment.has_gradients).filter(|&(_, &has)| has) {
                self.account.add_gradients_among(instant, range);
            }
        }
    }

    /// What is alive while each layer of the running chunk runs; of the account there is so far what the layers don't decide.
    fn layer_totals(&self) -> Vec<LayerTotals> {
        let Some((placed, chunk)) = self.running() else { return Vec::new() };
        let kept = |totals: Totals| match &placed.embedding {
            Some(embedding) => {
                totals.and(&embedding.block().by_category(embedding.block().kept_for_backward()))
            }
            None => totals,
        };
        let forward = kept(self.account.totals(Instant::Forward));
        let mut backward = kept(self.account.totals(Instant::BackwardLastVisited));
        if let Some(head) = &placed.head {
            backward = backward.and(&head.block().by_category(&head.block().left_by_backward()));
        }
        if chunk.is_last {
            return placed.layers.totals(forward, backward, None);
        }
        totals_beside(&placed.layers, forward, backward, &self.message(What::Output, true))
    }

    /// The chunk runs, forward and backward.
    fn run(&mut self, looked: Looked) {
        let Some(placed) = self.placed.get(self.backward.running) else { return };
        let first = self.visited_first(placed, looked);
        let (account, layers) = (&mut self.account, &placed.layers);
        let all = 0..layers.count();
        if let Some(embedding) = &placed.embedding {
            for &instant in
                FORWARD_AND_BACKWARD.iter().filter(|&&instant| instant != Instant::BackwardEmbedding)
            {
                account.add(instant, embedding, embedding.block().kept_for_backward(), 1);
            }
        }
        let running = layers.looked(looked, Layers::largest_in_forward);
        layers.kept(account, Instant::Forward, &(0..running), Kept::InAutocast);
        layers.forward_of(account, Instant::Forward, running);
        layers.kept(account, Instant::Loss, &all, Kept::ForBackward);
        layers.kept(account, Instant::BackwardHead, &all, Kept::ForBackward);
        match &placed.head {
            Some(head) => {
                account.add(Instant::Loss, head, &head.block().at_peak(Run::Forward), 1);
                account.add(Instant::BackwardHead, head, &head.block().at_peak(Run::Backward), 1);
                for instant in [Instant::BackwardFirstVisited, Instant::BackwardLastVisited] {
                    account.add(instant, head, &head.block().left_by_backward(), 1);
                }
            }
            None => layers.output_of_last(account, Instant::Loss, Run::Forward),
        }
        let last = layers.looked(looked, Layers::largest_visited_last);
        layers.backward_of(account, Instant::BackwardFirstVisited, first);
        layers.backward_of(account, Instant::BackwardLastVisited, last);
    }

    /// The embedding's backward.
    fn embedding(&mut self) {
        let Some(placed) = self.placed.get(self.backward.running) else { return };
        let instant = Instant::BackwardEmbedding;
        placed.layers.left(&mut self.account, instant, &(0..placed.layers.count()));
        if let Some(head) = &placed.head {
            self.account.add(instant, head, &head.block().left_by_backward(), 1);
        }
        if let Some(embedding) = &placed.embedding {
            let alive = embedding.block().at_peak(Run::Backward);
            self.account.add(instant, embedding, &alive, 1);
        }
    }

    /// The end of the schedule, when the last stage joins all logits, which then are there twice.
    pub(super) fn joined(shared: &'a Shared<'a>, chunks: &'a [Chunk]) -> Account {
        let mut stage = Self::idle(shared, chunks);
        stage.always();
        stage.account.add_gradients(Instant::BackwardEmbedding);
        let copies = shared.pipeline.batches.saturating_mul(2);
        stage.account.add_held(Instant::BackwardEmbedding, &[(shared.logits(), copies)]);
        stage.account
    }

    /// A rank on which nothing runs or waits.
    pub(super) fn idle(shared: &'a Shared<'a>, chunks: &'a [Chunk]) -> Self {
        let none = Moment::none(chunks.len());
        Self::new(shared, chunks, none.clone(), none)
    }
}

/// The blocks of the kinds that stand in a chunk, each with its first and last layer there.
fn of_kinds<'b>(blocks: &'b [LayerBlocks], order: &[LayerKind]) -> Vec<(Kind, &'b LayerBlocks)> {
    let of_kind = |blocks: &'b LayerBlocks| {
        let is_it = |layer: &LayerKind| *layer == blocks.kind.layer;
        let first = order.iter().position(is_it)? as u64;
        let last = order.iter().rposition(is_it)? as u64;
        Some((Kind { layer: blocks.kind.layer, first, last }, blocks))
    };
    blocks.iter().filter_map(of_kind).collect()
}

/// Whether a chunk was handed something that its layers don't keep themselves, as a checkpoint does.
fn is_received(chunk: &Chunk, placed: &Placed<'_>) -> bool {
    !chunk.is_first && !placed.layers.first_keeps_input(1)
}

fn is_batch(storage: &Storage) -> bool {
    storage.name.module == Module::Batch
}

/// The moment of the schedule that an instant stands for.
const fn stands_for<'m>(instant: Instant, forward: &'m Moment, backward: &'m Moment) -> &'m Moment {
    if is_forward(instant) { forward } else { backward }
}

const fn is_forward(instant: Instant) -> bool {
    matches!(instant, Instant::Forward | Instant::Loss)
}
