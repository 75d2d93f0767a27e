//! A step of Megatron-LM on one rank: of the stage that is asked for, or of the fullest.
//!
//! With a pipeline the stage's micro-batches in flight are alive beside the one that runs: all that its layers keep. What stages send is let
//! go (`deallocate_output_tensor`), but Python names the gradients of the turn before, until the next ones come
//! (`pipeline_parallel/schedules.py`, `input_tensor_grad`, `output_tensor_grad`). Derived, checked against measured/megatron.jsonl.

use super::blocks::{Kind, LayerBlocks};
use super::layers::{Kept, Layers};
use super::stages::{Rank, Walked, asked_or_fullest, by_load, kinds, peak, totals_beside};
use super::{FORWARD_AND_BACKWARD, Looked};
use crate::account::{Account, Registered};
use crate::ledger::{Category, Dims, Instant, InstantSet, Module, Name, What};
use crate::model::Mixer;
use crate::parallel::megatron::{RankPart, buffers, local, states};
use crate::rules::{LayerGraph, LayerKind, LayerPlace, megatron as rules};
use crate::scenario::Scenario;
use crate::tape::{Block, Mode, Run, Storage};
use crate::timeline::LayerTotals;
use crate::totals::Totals;
use crate::units::{Bytes, Count, Dtype};

/// What is alive at every instant on the stage that is asked for, or on that which needs most.
pub(super) fn walk(scenario: &Scenario, looked: Looked) -> Walked {
    asked_or_fullest(scenario.parallel.mesh.looked_at(), stage_kinds(scenario), looked, |stage, looked| {
        of_stage(&RankPart::of(scenario, stage), looked)
    })
}

/// The kinds of rank, the most loaded first; none without a pipeline.
pub(super) fn ranks(scenario: &Scenario) -> Vec<Rank> {
    if scenario.parallel.mesh.pipeline <= Count::ONE {
        return Vec::new();
    }
    let of_kind = |(stage, stages)| {
        let rank = RankPart::of(scenario, stage);
        Rank {
            stage: stage + 1,
            stages,
            layers: rank.layers().count() as u64,
            has_embedding: rank.is_first(),
            has_head: rank.is_last(),
            peak: peak(&of_stage(&rank, Looked::Largest).0),
        }
    };
    by_load(stage_kinds(scenario).into_iter().map(of_kind).collect())
}

/// The first stage of each kind, from 0, and how many are of it.
fn stage_kinds(scenario: &Scenario) -> Vec<(u64, u64)> {
    kinds(RankPart::of(scenario, 0).stages, |stage| {
        let rank = RankPart::of(scenario, stage);
        (rank.is_first(), rank.is_last(), rank.has_turns(), order(&rank).collect::<Vec<_>>())
    })
}

/// The blocks of a stage.
struct Blocks {
    embedding: Option<Block>,
    layers: Vec<LayerBlocks>,
    head: Option<Block>,
}

impl Blocks {
    fn of(rank: &RankPart) -> Self {
        let mut kinds: Vec<Kind> = Vec::with_capacity(2);
        for (at, layer) in (0..).zip(order(rank)) {
            match kinds.iter_mut().find(|kind| kind.layer == layer) {
                Some(kind) => kind.last = at,
                None => kinds.push(Kind { layer, first: at, last: at }),
            }
        }
        let of_kind = |kind: Kind| {
            let LayerKind { is_sparse, recomputes, .. } = kind.layer;
            let mode = if recomputes { Mode::Reentrant } else { Mode::Grad };
            LayerBlocks {
                kind,
                without_graph: recomputes.then(|| rules::layer(rank, Mode::NoGrad, is_sparse)),
                with_graph: rules::layer(rank, mode, is_sparse),
                run: if recomputes { Run::Reentrant } else { Run::Backward },
                offloads_input: false,
            }
        };
        Self {
            embedding: rank.is_first().then(|| rules::embedding(rank)),
            layers: kinds.into_iter().map(of_kind).collect(),
            head: rank.is_last().then(|| rules::head(rank)),
        }
    }
}

/// The kind of each layer of the stage.
fn order(rank: &RankPart) -> impl Iterator<Item = LayerKind> {
    rank.layers().map(|index| LayerKind {
        mixer: Mixer::Full,
        is_sparse: rank.architecture.is_sparse(index),
        place: LayerPlace::Layer,
        recomputes: rank.recomputes(index),
        graph: LayerGraph { is_trained: true, follows: true },
    })
}

struct Stage<'a> {
    rank: &'a RankPart,
    account: Account,
    embedding: Option<Registered<'a>>,
    layers: Layers<'a>,
    head: Option<Registered<'a>>,
}

fn of_stage(rank: &RankPart, looked: Looked) -> Walked {
    let blocks = Blocks::of(rank);
    let mut account = Account::new(&rank.architecture, &[], &|_| Dtype::Fp32, InstantSet::TRAINING);
    let embedding = blocks.embedding.as_ref().map(|block| account.register(block));
    let layers = {
        let layers = blocks.layers.iter().map(|blocks| (blocks.kind, blocks));
        Layers::in_order(layers, order(rank), None, &mut account)
    };
    let head = blocks.head.as_ref().map(|block| account.register(block));
    let mut stage = Stage { rank, account, embedding, layers, head };
    stage.always();
    stage.other_micro_batches();
    stage.named_gradients(looked);
    let layers = stage.layer_totals();
    stage.forward(looked);
    stage.backward(looked);
    (stage.account, layers)
}

impl Stage<'_> {
    /// Weights, main gradients, the optimizer's shards, and buffers that stay.
    fn always(&mut self) {
        let local = local(self.rank);
        for storage in states(self.rank, &local) {
            self.account.add_rounded(&Instant::ALL, storage, Bytes::ZERO);
        }
        for (storage, copies) in buffers(self.rank, &local) {
            self.account.add_storage(&Instant::ALL, storage, copies);
        }
    }

    /// What the micro-batches in flight keep beside the one that runs. Of that one, all chunks are alive until backward comes to the first.
    fn other_micro_batches(&mut self) {
        let each = self.rank.layers_of_chunk();
        for (chunk, in_flight) in (0..).zip(self.rank.in_flight()) {
            let layers = chunk * each..(chunk + 1) * each;
            for &instant in &FORWARD_AND_BACKWARD {
                let is_at_first =
                    matches!(instant, Instant::BackwardLastVisited | Instant::BackwardEmbedding);
                let others = if is_at_first && chunk > 0 { in_flight } else { in_flight.saturating_sub(1) };
                if others == 0 {
                    continue;
                }
                if let Some(embedding) = self.embedding.as_ref().filter(|_| chunk == 0) {
                    self.account.add(instant, embedding, embedding.block().kept_for_backward(), others);
                }
                self.layers.kept_times(&mut self.account, instant, &layers, Kept::ForBackward, others);
            }
        }
    }

    /// What Python names of the turn before: the gradient that came from the next stage, until forward is done, and the one that went to
    /// the stage before, until there is another. The output of the turn before, too, has a name until forward is done, and with it the end
    /// of its graph (`AccumulateGrad`) the input.
    fn named_gradients(&mut self, looked: Looked) {
        if self.rank.has_turns() && self.rank.receives() {
            let sent = self.of_turn(Name { gradient: true, ..rules::named(Module::Layer, What::Input) });
            self.account.add_storage(&FORWARD_AND_BACKWARD, sent, 1);
            let earlier = self.of_turn(rules::named(Module::Layer, What::Received));
            self.account.add_storage(&[Instant::Forward, Instant::Loss], earlier, 1);
        }
        if let Some(came) = self.came() {
            // Backward of the stage's last layer has it as its own.
            let is_beside = |instant| match instant {
                Instant::BackwardHead => false,
                Instant::BackwardFirstVisited => !self.layers.ends_with(self.visited_first(looked)),
                Instant::BackwardLastVisited => {
                    !self.layers.ends_with(self.layers.looked(looked, Layers::largest_visited_last))
                }
                _ => true,
            };
            let beside: Vec<Instant> =
                FORWARD_AND_BACKWARD.into_iter().filter(|&instant| is_beside(instant)).collect();
            self.account.add_storage(&beside, came, 1);
        }
    }

    /// The layer that the beginning of backward looks at.
    fn visited_first(&self, looked: Looked) -> u64 {
        self.layers.looked(looked, |layers| match self.came() {
            Some(came) => layers.largest_visited_beside(came.bytes()),
            None => layers.largest_visited_first(),
        })
    }

    fn of_turn(&self, name: Name) -> Storage {
        Storage {
            name,
            category: Category::Communication,
            dims: Dims::new(&[self.rank.short(), self.rank.batch(), self.rank.hidden()]),
            dtype: Dtype::Bf16,
        }
    }

    /// The gradient that came from the next stage, where Python names it.
    fn came(&self) -> Option<Storage> {
        let name = Name { gradient: true, ..rules::named(Module::Layer, What::Output) };
        (self.rank.has_turns() && self.rank.sends()).then(|| self.of_turn(name))
    }

    /// What is alive while each layer runs; of the account there is so far what the layers don't decide.
    fn layer_totals(&self) -> Vec<LayerTotals> {
        let kept = |totals: Totals| match &self.embedding {
            Some(embedding) => {
                let block = embedding.block();
                totals.and(&block.by_category(block.kept_for_backward()))
            }
            None => totals,
        };
        let forward = kept(self.account.totals(Instant::Forward));
        let backward = kept(self.account.totals(Instant::BackwardLastVisited));
        match self.came() {
            Some(came) => totals_beside(&self.layers, forward, backward, &came),
            None => self.layers.totals(forward, backward, None),
        }
    }

    fn forward(&mut self, looked: Looked) {
        let running = self.layers.looked(looked, Layers::largest_in_forward);
        self.embedding_kept(&[Instant::Forward, Instant::Loss]);
        self.layers.kept(&mut self.account, Instant::Forward, &(0..running), Kept::InAutocast);
        self.layers.forward_of(&mut self.account, Instant::Forward, running);
        self.at_end(Instant::Loss, Run::Forward);
    }

    fn backward(&mut self, looked: Looked) {
        self.embedding_kept(&[
            Instant::BackwardHead,
            Instant::BackwardFirstVisited,
            Instant::BackwardLastVisited,
        ]);
        self.at_end(Instant::BackwardHead, Run::Backward);
        let first = self.visited_first(looked);
        let last = self.layers.looked(looked, Layers::largest_visited_last);
        self.layers.backward_of(&mut self.account, Instant::BackwardFirstVisited, first);
        self.layers.backward_of(&mut self.account, Instant::BackwardLastVisited, last);
        if let Some(embedding) = &self.embedding {
            let alive = embedding.block().at_peak(Run::Backward);
            self.account.add(Instant::BackwardEmbedding, embedding, &alive, 1);
        }
    }

    fn embedding_kept(&mut self, instants: &[Instant]) {
        if let Some(embedding) = &self.embedding {
            for &instant in instants {
                self.account.add(instant, embedding, embedding.block().kept_for_backward(), 1);
            }
        }
    }

    /// The end of the stage's layers: the head, or what is sent to the next stage.
    fn at_end(&mut self, instant: Instant, run: Run) {
        self.layers.kept(&mut self.account, instant, &(0..self.layers.count()), Kept::ForBackward);
        match &self.head {
            Some(head) => self.account.add(instant, head, &head.block().at_peak(run), 1),
            None => self.layers.output_of_last(&mut self.account, instant, run),
        }
    }
}
