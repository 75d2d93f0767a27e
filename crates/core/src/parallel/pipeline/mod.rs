//! Which layers a pipeline rank holds, and how many micro-batches are in flight while one of them runs.
//!
//! The schedules of `torch.distributed.pipelining` (`schedules.py`). A rank runs a list of forwards and backwards, each of one chunk of
//! layers and one micro-batch; a chunk's tensors live from its forward to its backward. Of a long list it is enough to look at the beginning,
//! which repeats: what is alive doesn't grow from one round of micro-batches to the next, but for logits and sent gradients, which are
//! added. PARALLEL section 7.

mod run;

use std::ops::Range;

use crate::scenario::{Scenario, Schedule};
use run::Run;

/// Rounds of micro-batches after which an interleaved schedule repeats: one to fill the pipeline and two to run.
const ROUNDS: u64 = 3;

/// Layers that stand next to each other on one rank, with what stands before or behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Of all the model's layers, from 0.
    pub(crate) layers: Range<u64>,
    /// The embedding stands before them.
    pub(crate) is_first: bool,
    /// Final norm, head and loss stand behind them.
    pub(crate) is_last: bool,
}

/// The layers of virtual stage `at` of `stages`: where they can't be equally many, the first stages have one more
/// (torchtitan, `generate_llm_fqn_per_model_part` with embedding and head that weigh nothing).
pub(crate) const fn layers_of(layers: u64, stages: u64, at: u64) -> Range<u64> {
    let (each, more) = (layers / stages, layers % stages);
    let start = at * each + if at < more { at } else { more };
    let length = each + if at < more { 1 } else { 0 };
    start..start + length
}

/// A pipeline and its schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pipeline {
    pub(crate) schedule: Schedule,
    pub(crate) ranks: u64,
    /// Chunks of layers that each rank has.
    pub(crate) chunks: u64,
    /// Micro-batches of a step.
    pub(crate) batches: u64,
    layers: u64,
}

/// A moment of a rank's schedule: one chunk runs for one micro-batch, others wait for their backward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The chunk that runs, of the rank's.
    pub(crate) running: usize,
    /// Micro-batches in flight beside the one that runs, of each chunk.
    pub(crate) others: Vec<u64>,
    /// Of which chunks there are gradients of earlier micro-batches.
    pub(crate) has_gradients: Vec<bool>,
    /// Forwards that the last stage has done, this one included: as many logits are there.
    pub(crate) logits: u64,
    /// Gradients that have been sent and are still named.
    pub(crate) sent: u64,
    /// Outputs that have been sent and are still named.
    pub(crate) outputs: u64,
    /// Bytes of all that lies outside of the chunk that runs: what tells apart the moments of equal chunks. Of a schedule with one
    /// chunk, where there is no choice, 0.
    pub(crate) weight: u128,
}

/// What a chunk weighs while another one runs, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChunkWeight {
    /// What each of its micro-batches holds that waits for its backward.
    pub(crate) waiting: u64,
    /// Its gradients.
    pub(crate) gradients: u64,
}

/// What the parts of a moment weigh, in bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weights {
    pub(crate) chunks: Vec<ChunkWeight>,
    /// What stages send each other for a micro-batch.
    pub(crate) message: u64,
    /// The logits of a micro-batch.
    pub(crate) logits: u64,
}

impl Moment {
    /// Of a rank with so many chunks, on which nothing runs or waits.
    pub(crate) fn none(chunks: usize) -> Self {
        Self {
            running: 0,
            others: vec![0; chunks],
            has_gradients: vec![false; chunks],
            logits: 0,
            sent: 0,
            outputs: 0,
            weight: 0,
        }
    }

    /// The chunk that runs, and whether its gradients are there: that decides what is alive inside of it.
    pub(crate) fn kind(&self) -> (usize, bool) {
        (self.running, self.has_gradients.get(self.running).copied().unwrap_or_default())
    }
}

/// Of each chunk, without and with its gradients, the forward and the backward beside which most is alive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moments {
    pub(crate) forward: Vec<Moment>,
    pub(crate) backward: Vec<Moment>,
}

impl Pipeline {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let mesh = &scenario.parallel.mesh;
        Self {
            schedule: mesh.schedule,
            ranks: mesh.pipeline.get().max(1),
            chunks: mesh.chunks_of_rank(),
            batches: scenario.gradient_accumulation.get().max(1),
            layers: scenario.model.architecture.layers.get(),
        }
    }

    /// The chunks of a rank, from 0, in the order in which a micro-batch comes to them.
    pub(crate) fn chunks_of(&self, rank: u64) -> Vec<Chunk> {
        let stages = self.ranks.saturating_mul(self.chunks);
        let of_stage = |stage| Chunk {
            layers: layers_of(self.layers, stages, stage),
            is_first: stage == 0,
            is_last: stage + 1 == stages,
        };
        (0..self.chunks).map(|chunk| of_stage(chunk * self.ranks + rank)).collect()
    }

    /// What a rank runs, as far as it matters.
    pub(crate) fn moments(&self, rank: u64, weights: &Weights) -> Moments {
        match self.schedule {
            Schedule::GPipe => self.all_forwards_first(rank),
            Schedule::OneForwardOneBackward => self.in_turn(rank),
            Schedule::Interleaved => self.interleaved(rank, weights),
        }
    }

    const fn is_last(&self, rank: u64) -> bool {
        rank + 1 == self.ranks
    }

    /// A moment of a rank with one chunk.
    fn moment(&self, rank: u64, others: u64, has_gradients: bool, logits: u64) -> Moment {
        Moment {
            others: vec![others],
            has_gradients: vec![has_gradients],
            logits: if self.is_last(rank) { logits } else { 0 },
            ..Moment::none(1)
        }
    }

    /// `ScheduleGPipe`: the outputs of all forwards are named until the last of them is done. There are no gradients before the first
    /// backward, which has one micro-batch more beside it than the second.
    fn all_forwards_first(&self, rank: u64) -> Moments {
        let all = self.batches;
        let outputs = if self.is_last(rank) { 0 } else { all - 1 };
        let forward = Moment { outputs, ..self.moment(rank, all - 1, false, all) };
        let mut backward = vec![self.moment(rank, all - 1, false, all)];
        if all > 1 {
            backward.push(self.moment(rank, all - 2, true, all));
        }
        Moments { forward: vec![forward], backward }
    }

    /// `Schedule1F1B`: as many micro-batches are in flight as stages follow, this one included. The last gradient that was sent is named
    /// (`bwd_sends`) until there is another one.
    fn in_turn(&self, rank: u64) -> Moments {
        let others = (self.ranks - rank).min(self.batches) - 1;
        let has_gradients = self.batches > others + 1;
        let sent = u64::from(rank > 0 && has_gradients);
        let with = |moment: Moment| Moment { sent, ..moment };
        let forward = with(self.moment(rank, others, has_gradients, self.batches));
        let mut backward = vec![with(self.moment(rank, others, has_gradients, self.batches))];
        if !has_gradients && others > 0 {
            backward.push(Moment {
                sent: u64::from(rank > 0),
                ..self.moment(rank, others - 1, true, self.batches)
            });
        }
        Moments { forward: vec![forward], backward }
    }

    /// `ScheduleInterleaved1F1B` (`_get_1f1b_rank_ops`, `_get_warmup_ops`). Sends of outputs are waited for after the backward of the same
    /// micro-batch, sends of gradients at the end of the schedule (`_add_wait_send`): until then both are named.
    fn interleaved(&self, rank: u64, weights: &Weights) -> Moments {
        let chunks = self.chunks.max(1);
        let rounds = (self.batches / self.ranks).max(1);
        let each = (self.batches / rounds).max(1);
        let warm_up = (chunks - 1).saturating_mul(each).saturating_add(2 * (self.ranks - 1 - rank));
        let simulated = each.saturating_mul(rounds.min(ROUNDS));
        let left_out = self.batches.saturating_sub(simulated);
        let all = chunks.saturating_mul(simulated);
        let warm_up = warm_up.min(all);
        let mut run = Run::new(self.chunks_of(rank), weights);
        let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let mut forwards = 0;
        for backwards in 0..all {
            // Before the first backward the pipeline fills; from then on there is a forward before each, while there are any.
            let until = (warm_up + backwards + 1).min(all);
            while forwards < until {
                run.forward(index((forwards / each) % chunks));
                forwards += 1;
            }
            run.backward(index(chunks - 1 - (backwards / each) % chunks));
            // From here on each backward lets go of more than the gradient that it sends.
            if forwards == all && run.has_all_gradients() {
                break;
            }
        }
        run.moments(left_out)
    }
}
