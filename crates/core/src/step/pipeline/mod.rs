//! A step on one rank of a pipeline (`torch.distributed.pipelining`): of the stage that is asked for, or of the fullest.
//!
//! What a rank's chunks of layers keep for the micro-batches in flight is alive beside the one that runs. Each chunk makes its own cosines and
//! sines; what it was handed stays until its backward, as do the gradient that came and, of the last stage, all logits (`output_chunks`),
//! which `_merge_outputs` joins at the end of the step: a copy of all of them. PARALLEL section 7, `schedules.py`, `stage.py`.

mod stage;
mod weights;

use std::ops::Range;

use super::Looked;
use super::blocks::{Blocks, kind_of};
use super::fullest::{fullest, peak};
use crate::account::Account;
use crate::ledger::{Category, Dims, InstantSet, Module, Name, What};
use crate::model::{LayerRange, Parameter, Place, parameters};
use crate::parallel::pipeline::{Chunk, Moment, Pipeline};
use crate::plan::Pass;
use crate::rules::LayerKind;
use crate::scenario::Scenario;
use crate::tape::Storage;
use crate::timeline::LayerTotals;
use crate::units::{Bytes, Dtype};
use stage::Stage;
use weights::Weights;

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
    let all = shared.kinds().into_iter().map(|(rank, _)| shared.account(rank, looked));
    fullest(all).unwrap_or_else(|| shared.account(0, looked))
}

/// What chunks have in common that need the same.
#[derive(PartialEq, Eq)]
struct ChunkKind {
    is_first: bool,
    is_last: bool,
    layers: Vec<LayerKind>,
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
        let mut kinds: Vec<(Vec<ChunkKind>, u64, u64)> = Vec::with_capacity(4);
        for rank in 0..self.pipeline.ranks {
            let chunks = self.pipeline.chunks_of(rank);
            let of: Vec<ChunkKind> = chunks.iter().map(|chunk| self.kind(chunk)).collect();
            match kinds.iter_mut().find(|(known, ..)| *known == of) {
                Some((_, _, count)) => *count += 1,
                None => kinds.push((of, rank, 1)),
            }
        }
        kinds.into_iter().map(|(_, rank, count)| (rank, count)).collect()
    }

    fn kind(&self, chunk: &Chunk) -> ChunkKind {
        ChunkKind { is_first: chunk.is_first, is_last: chunk.is_last, layers: self.order(chunk).collect() }
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

    /// What is alive at every instant on a rank: at each the chunk that needs most runs. Chunks of a kind need the same while they run, so
    /// that of their moments the one counts beside which most waits.
    fn account(&self, rank: u64, looked: Looked) -> (Account, Vec<LayerTotals>) {
        let chunks = self.pipeline.chunks_of(rank);
        let weights = Weights::of(self, &chunks);
        let weight = |moment: &Moment| weights.of_moment(moment);
        let moments = self.pipeline.moments(rank, &weight);
        let mut result: Option<(Account, Vec<LayerTotals>)> = None;
        for kind in weights.kinds() {
            let heaviest = |moments: &[Moment], is_wanted: &dyn Fn(&Moment) -> bool| {
                let of_kind =
                    moments.iter().filter(|moment| weights.kind(moment) == kind && is_wanted(moment));
                of_kind.max_by_key(|moment| weight(moment)).cloned()
            };
            let Some(forward) = heaviest(&moments.forward, &|_| true) else { continue };
            for has_gradients in [false, true] {
                let is_wanted = |moment: &Moment| moment.kind().1 == has_gradients;
                let Some(backward) = heaviest(&moments.backward, &is_wanted) else { continue };
                let (account, layers) = Stage::new(self, &chunks, forward.clone(), backward).account(looked);
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
        if let Some((account, _)) = result.as_mut().filter(|_| chunks.iter().any(|chunk| chunk.is_last)) {
            account.take_larger(&Stage::idle(self, &chunks).joined());
        }
        result.unwrap_or_else(|| {
            (Account::new(&self.pass.architecture, &[], Dtype::Fp32, InstantSet::TRAINING), Vec::new())
        })
    }
}
