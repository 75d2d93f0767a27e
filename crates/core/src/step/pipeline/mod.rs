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
use super::stages::{Rank, Walked, asked_or_fullest, by_load, kinds, peak};
use crate::account::Account;
use crate::ledger::{Category, Dims, InstantSet, Module, Name, What};
use crate::model::{LayerRange, Parameter, Place, parameters};
use crate::parallel::pipeline::{Chunk, Moment, Pipeline};
use crate::plan::Pass;
use crate::rules::LayerKind;
use crate::scenario::Scenario;
use crate::tape::Storage;
use crate::timeline::LayerTotals;
use crate::units::Dtype;
use stage::Stage;
use weights::Kinds;

/// The kinds of rank, the most loaded first.
pub(crate) fn ranks(scenario: &Scenario) -> Vec<Rank> {
    let shared = Shared::of(scenario);
    let ranks = shared
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
    by_load(ranks)
}

/// What is alive at every instant on the stage that is asked for, or on that which needs most.
pub(super) fn walk(scenario: &Scenario, looked: Looked) -> Walked {
    let shared = Shared::of(scenario);
    asked_or_fullest(scenario.parallel.mesh.looked_at(), shared.kinds(), looked, |rank, looked| {
        shared.account(rank, looked)
    })
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

    /// The first rank of each kind, from 0, and how many are of it.
    fn kinds(&self) -> Vec<(u64, u64)> {
        kinds(self.pipeline.ranks, |rank| {
            let chunks = self.pipeline.chunks_of(rank);
            chunks.iter().map(|chunk| self.kind(chunk)).collect::<Vec<_>>()
        })
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
    /// that of their moments the heaviest counts.
    fn account(&self, rank: u64, looked: Looked) -> Walked {
        let chunks = self.pipeline.chunks_of(rank);
        let kinds = Kinds::of(self, &chunks);
        let moments = self.pipeline.moments(rank, &kinds.weights(self, &chunks));
        let of_kind = |kind: usize, has_gradients: bool| {
            let heaviest = |moments: &[Moment], is_wanted: &dyn Fn(&Moment) -> bool| {
                let wanted =
                    moments.iter().filter(|moment| kinds.running(moment) == kind && is_wanted(moment));
                wanted.max_by_key(|moment| moment.weight).cloned()
            };
            let forward = heaviest(&moments.forward, &|_| true)?;
            let backward = heaviest(&moments.backward, &|moment| moment.kind().1 == has_gradients)?;
            Some(Stage::new(self, &chunks, forward, backward).account(looked))
        };
        let walked = kinds.each().flat_map(|kind| [false, true].map(|has| of_kind(kind, has)));
        // A chunk without the layer that is looked at isn't looked at.
        let has_layer = |(_, layers): &Walked| match looked {
            Looked::At(index) => index < layers.len() as u64,
            Looked::Largest => true,
        };
        let walked = walked.flatten().filter(has_layer).reduce(|mut most, (account, layers)| {
            most.0.take_larger(&account);
            LayerTotals::take_larger(&mut most.1, &layers);
            most
        });
        let nothing = || Account::new(&self.pass.architecture, &[], &|_| Dtype::Fp32, InstantSet::TRAINING);
        let (mut account, layers) = walked.unwrap_or_else(|| (nothing(), Vec::new()));
        if chunks.iter().any(|chunk| chunk.is_last) {
            account.take_larger(&Stage::joined(self, &chunks));
        }
        (account, layers)
    }
}
