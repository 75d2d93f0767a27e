//! A step on one rank of a pipeline (`torch.distributed.pipelining`): of the stage that is asked for, or of the fullest.
//!
//! What a rank's chunks of layers keep for the micro-batches in flight is alive beside the one that runs. Each chunk makes its own cosines and
//! sines; what it was handed stays until its backward, as do the gradient that came and, of the last stage, all logits (`output_chunks`),
//! which `_merge_outputs` joins at the end of the step: a copy of all of them. PARALLEL section 7, `schedules.py`, `stage.py`.

use std::ops::Range;

use super::blocks::{Blocks, Kind, LayerBlocks, kind_of};
use super::layers::{Kept, Layers};
use super::{FORWARD_AND_BACKWARD, Looked, inputs, updated};
use crate::account::{Account, Registered};
use crate::ledger::{Category, Dims, Instant, InstantSet, Module, Name, What};
use crate::model::{LayerRange, Parameter, Place, parameters};
use crate::parallel::pipeline::{Chunk, Moment, Pipeline};
use crate::plan::Pass;
use crate::rules::LayerKind;
use crate::scenario::Scenario;
use crate::tape::{Run, Storage};
use crate::timeline::LayerTotals;
use crate::totals::Totals;
use crate::units::{Bytes, Dtype};

/// What one kind of rank holds and needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rank {
    /// The first stage of the kind, from 1.
    pub stage: u64,
    /// How many stages are of the kind.
    pub stages: u64,
    /// Layers that it holds.
    pub layers: u64,
    /// Whether it holds the embedding.
    pub has_embedding: bool,
    /// Whether it holds final norm, head and loss.
    pub has_head: bool,
    /// The most that is requested at once.
    pub peak: Bytes,
}

/// The kinds of rank, the most loaded first.
pub(crate) fn ranks(scenario: &Scenario) -> Vec<Rank> {
    let shared = Shared::of(scenario);
    let mut ranks: Vec<Rank> = shared
        .kinds()
        .into_iter()
        .map(|(rank, stages)| {
            let chunks = shared.pipeline.chunks_of(rank);
            Rank {
                stage: rank + 1,
                stages,
                layers: chunks.iter().map(|chunk| chunk.layers.end - chunk.layers.start).sum(),
                has_embedding: chunks.iter().any(|chunk| chunk.is_first),
                has_head: chunks.iter().any(|chunk| chunk.is_last),
                peak: peak(&shared.account(rank, Looked::Largest).0),
            }
        })
        .collect();
    ranks.sort_by_key(|rank| std::cmp::Reverse(rank.peak));
    ranks
}

/// What is alive at every instant on the stage that is asked for, or on that which needs most.
pub(super) fn walk(scenario: &Scenario, looked: Looked) -> (Account, Vec<LayerTotals>) {
    let shared = Shared::of(scenario);
    if let Some(stage) = scenario.parallel.mesh.stage {
        return shared.account(stage.get().saturating_sub(1).min(shared.pipeline.ranks - 1), looked);
    }
    let mut all = shared.kinds().into_iter().map(|(rank, _)| shared.account(rank, looked));
    let Some(mut fullest) = all.next() else { return shared.account(0, looked) };
    for other in all {
        if peak(&other.0) > peak(&fullest.0) {
            fullest = other;
        }
    }
    fullest
}

fn peak(account: &Account) -> Bytes {
    Instant::ALL.into_iter().map(|instant| account.totals(instant).sum()).max().unwrap_or_default()
}

/// What all ranks have in common.
struct Shared<'s> {
    scenario: &'s Scenario,
    pipeline: Pipeline,
    pass: Pass,
    /// The blocks where gradients of an earlier micro-batch are there, and where they aren't.
    later: Blocks,
    first: Blocks,
    model: Vec<Parameter>,
}

impl<'s> Shared<'s> {
    fn of(scenario: &'s Scenario) -> Self {
        let pass = Pass { accumulates: true, ..Pass::of_policy(scenario) };
        let first = Pass { accumulates: false, ..pass.clone() };
        Self {
            scenario,
            pipeline: Pipeline::of(scenario),
            later: Blocks::of_policy(scenario, &pass),
            first: Blocks::of_policy(scenario, &first),
            model: parameters(&pass.architecture),
            pass,
        }
    }

    /// The first rank of each kind, from 0, and how many are of it. Of equal ranks the first has most micro-batches in flight.
    fn kinds(&self) -> Vec<(u64, u64)> {
        let mut kinds: Vec<(Vec<(bool, bool, Vec<LayerKind>)>, u64, u64)> = Vec::with_capacity(4);
        for rank in 0..self.pipeline.ranks {
            let chunks = self.pipeline.chunks_of(rank);
            let of = chunks.iter().map(|chunk| (chunk.is_first, chunk.is_last, self.order(chunk).collect()));
            let of: Vec<_> = of.collect();
            match kinds.iter_mut().find(|(known, ..)| *known == of) {
                Some((_, _, count)) => *count += 1,
                None => kinds.push((of, rank, 1)),
            }
        }
        kinds.into_iter().map(|(_, rank, count)| (rank, count)).collect()
    }

    fn order(&self, chunk: &Chunk) -> impl Iterator<Item = LayerKind> {
        chunk.layers.clone().map(|index| kind_of(&self.pass, index))
    }

    /// The logits of one micro-batch.
    fn logits(&self) -> Storage {
        let pass = &self.pass;
        Storage {
            name: Name::of(Module::LmHead, What::Output),
            category: Category::Activations,
            dims: Dims::new(&[pass.batch(), pass.sequence(), pass.vocabulary()]),
            dtype: pass.compute(),
        }
    }

    /// The parameters of some chunks, and which of them are of each.
    fn parameters(&self, chunks: &[Chunk]) -> (Vec<Parameter>, Vec<Range<usize>>) {
        let mut all = Vec::with_capacity(self.model.len() * chunks.len());
        let ranges = chunks
            .iter()
            .map(|chunk| {
                let from = all.len();
                let layers = LayerRange { from: chunk.layers.start, to: chunk.layers.end };
                let held = self.model.iter().filter(|parameter| match parameter.place {
                    Place::Embedding => chunk.is_first,
                    Place::Head => chunk.is_last,
                    _ => true,
                });
                all.extend(held.map(|parameter| Parameter { layers, ..*parameter }));
                from..all.len()
            })
            .collect();
        (all, ranges)
    }

    /// What is alive at every instant on a rank: at each the chunk that needs most runs.
    fn account(&self, rank: u64, looked: Looked) -> (Account, Vec<LayerTotals>) {
        let chunks = self.pipeline.chunks_of(rank);
        let moments = self.pipeline.moments(rank);
        let mut result: Option<(Account, Vec<LayerTotals>)> = None;
        for running in 0..chunks.len() {
            let of_chunk = |moments: &[Moment]| {
                moments.iter().filter(|moment| moment.running == running).cloned().collect::<Vec<_>>()
            };
            let (forward, backward) = (of_chunk(&moments.forward), of_chunk(&moments.backward));
            for at in 0..forward.len().max(backward.len()) {
                let pick = |moments: &[Moment]| moments.get(at).or(moments.last()).cloned();
                let (Some(forward), Some(backward)) = (pick(&forward), pick(&backward)) else { continue };
                let stage = Stage::new(self, &chunks, forward, backward);
                let (account, layers) = stage.account(looked);
                match &mut result {
                    Some((known, known_layers)) => {
                        known.take_larger(&account);
                        for (layer, other) in known_layers.iter_mut().zip(layers) {
                            if other.backward.sum() > layer.backward.sum() {
                                layer.backward = other.backward;
                            }
                        }
                    }
                    None => result = Some((account, layers)),
                }
            }
        }
        if let Some((account, _)) = result.as_mut().filter(|_| chunks.iter().any(|chunk| chunk.is_last))
            && let (Some(forward), Some(backward)) = (moments.forward.first(), moments.backward.first())
        {
            account.take_larger(&Stage::new(self, &chunks, forward.clone(), backward.clone()).joined());
        }
        result.unwrap_or_else(|| {
            (Account::new(&self.pass.architecture, &[], Dtype::Fp32, InstantSet::TRAINING), Vec::new())
        })
    }
}

/// A chunk with its slots in the account.
struct Placed<'a> {
    embedding: Option<Registered<'a>>,
    layers: Layers<'a>,
    head: Option<Registered<'a>>,
}

/// A rank while a chunk runs forward at one moment and backward at another.
struct Stage<'a> {
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
    fn new(shared: &'a Shared<'a>, chunks: &'a [Chunk], forward: Moment, backward: Moment) -> Self {
        let (parameters, ranges) = shared.parameters(chunks);
        let architecture = &shared.pass.architecture;
        let trained = shared.scenario.trained();
        let mut account = Account::new(architecture, &parameters, trained, InstantSet::TRAINING);
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

    fn account(mut self, looked: Looked) -> (Account, Vec<LayerTotals>) {
        self.always();
        self.waiting();
        self.messages();
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

    /// Each moment of the run with the moment of the schedule that it stands for.
    fn instants(&self) -> impl Iterator<Item = (Instant, Moment)> + use<> {
        let (forward, backward) = (self.forward.clone(), self.backward.clone());
        FORWARD_AND_BACKWARD.into_iter().map(move |instant| {
            let is_forward = matches!(instant, Instant::Forward | Instant::Loss);
            (instant, if is_forward { forward.clone() } else { backward.clone() })
        })
    }

    /// What micro-batches keep that wait for their backward, and what the one that runs is given.
    fn waiting(&mut self) {
        let inputs = inputs::inputs(self.shared.scenario, &self.shared.pass);
        for (instant, moment) in self.instants() {
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

    /// What was received, what has been sent and is still named, and the logits of all micro-batches so far.
    fn messages(&mut self) {
        let pass = &self.shared.pass;
        let hidden = Dims::new(&[pass.batch(), pass.sequence(), pass.hidden()]);
        let message = |what, gradient| Storage {
            name: Name { gradient, ..Name::of(Module::Layer, what) },
            category: Category::Communication,
            dims: hidden,
            dtype: pass.weight,
        };
        let logits = self.shared.logits();
        for (instant, moment) in self.instants() {
            let waiting: u64 = self.chunks.iter().zip(&self.placed).zip(&moment.others).map(received).sum();
            let Some((placed, chunk)) = self.running() else { return };
            let is_backward = !matches!(instant, Instant::Forward | Instant::Loss);
            let own = received(((chunk, placed), &1));
            // The losses name the graphs of all micro-batches, and these, at their ends, what was received (`_internal_losses`).
            let last =
                self.chunks.iter().zip(&moment.others).find(|(chunk, _)| chunk.is_last && !chunk.is_first);
            let done = last
                .map_or(0, |(last, others)| moment.logits.saturating_sub(others + u64::from(last == chunk)));
            // Backward of the chunk's last layer has the gradient that came as its own.
            let came = is_backward && !chunk.is_last && instant != Instant::BackwardFirstVisited;
            let is_running_head = instant == Instant::Loss && chunk.is_last;
            let held = [
                (message(What::Received, false), waiting + own + done),
                (message(What::Output, true), u64::from(came)),
                (message(What::Input, true), moment.sent),
                (message(What::Output, false), moment.outputs),
                (logits, moment.logits.saturating_sub(u64::from(is_running_head))),
            ];
            self.account.add_held(instant, &held);
        }
    }

    /// Gradients of earlier micro-batches.
    fn gradients(&mut self) {
        for (instant, moment) in self.instants() {
            for (range, _) in self.ranges.iter().zip(&moment.has_gradients).filter(|&(_, &has)| has) {
                self.account.add_gradients_among(instant, range);
            }
        }
    }

    /// What is alive while each layer of the running chunk runs; of the account there is so far what the layers don't decide.
    fn layer_totals(&self) -> Vec<LayerTotals> {
        let Some((placed, _)) = self.running() else { return Vec::new() };
        let kept = |totals: Totals| match &placed.embedding {
            Some(embedding) => {
                totals.and(&embedding.block().by_category(embedding.block().kept_for_backward()))
            }
            None => totals,
        };
        let forward = kept(self.account.totals(Instant::Forward));
        let backward = kept(self.account.totals(Instant::BackwardLastVisited));
        placed.layers.totals(forward, backward, None)
    }

    /// The chunk runs, forward and backward.
    fn run(&mut self, looked: Looked) {
        let Some(placed) = self.placed.get(self.backward.running) else { return };
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
        let first = layers.looked(looked, Layers::largest_visited_first);
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
    fn joined(mut self) -> Account {
        self.always();
        self.account.add_gradients(Instant::BackwardEmbedding);
        let logits = self.shared.logits();
        let copies = self.shared.pipeline.batches.saturating_mul(2);
        self.account.add_held(Instant::BackwardEmbedding, &[(logits, copies)]);
        self.account
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

/// Of so many micro-batches of a chunk the received tensors that its layers don't keep themselves, as a checkpoint does.
fn received(((chunk, placed), &count): ((&Chunk, &Placed<'_>), &u64)) -> u64 {
    if chunk.is_first || placed.layers.first_keeps_input(1) { 0 } else { count }
}

fn is_batch(storage: &Storage) -> bool {
    storage.name.module == Module::Batch
}
