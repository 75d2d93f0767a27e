//! Which layers a pipeline rank holds, and how many micro-batches are in flight while one of them runs.
//!
//! The schedules of `torch.distributed.pipelining` (`schedules.py`). A rank runs a list of forwards and backwards, each of one chunk of
//! layers and one micro-batch; a chunk's tensors live from its forward to its backward. Of a long list it is enough to look at the beginning,
//! which repeats: what is alive doesn't grow from one round of micro-batches to the next, but for logits and sent gradients, which are
//! added. PARALLEL section 7.

use std::ops::Range;

use crate::scenario::{Scenario, Schedule};

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
}

impl Moment {
    /// The chunk that runs, and whether its gradients are there: that decides what is alive inside of it.
    pub(crate) fn kind(&self) -> (usize, bool) {
        (self.running, self.has_gradients.get(self.running).copied().unwrap_or_default())
    }
}

/// Of each chunk the forwards and the backwards among which memory is largest.
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

    /// What a rank runs, as far as it matters; `weight` says how much of a moment lies outside of the chunk that runs, in bytes.
    pub(crate) fn moments(&self, rank: u64, weight: &dyn Fn(&Moment) -> u64) -> Moments {
        match self.schedule {
            Schedule::GPipe => self.all_forwards_first(rank),
            Schedule::OneForwardOneBackward => self.in_turn(rank),
            Schedule::Interleaved => self.interleaved(rank, weight),
        }
    }

    const fn is_last(&self, rank: u64) -> bool {
        rank + 1 == self.ranks
    }

    /// A moment of a rank with one chunk.
    fn moment(&self, rank: u64, others: u64, has_gradients: bool, logits: u64) -> Moment {
        Moment {
            running: 0,
            others: vec![others],
            has_gradients: vec![has_gradients],
            logits: if self.is_last(rank) { logits } else { 0 },
            sent: 0,
            outputs: 0,
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
    fn interleaved(&self, rank: u64, weight: &dyn Fn(&Moment) -> u64) -> Moments {
        let chunks = self.chunks.max(1);
        let rounds = (self.batches / self.ranks).max(1);
        let each = (self.batches / rounds).max(1);
        let warm_up = (chunks - 1).saturating_mul(each).saturating_add(2 * (self.ranks - 1 - rank));
        let simulated = each.saturating_mul(rounds.min(ROUNDS));
        let left_out = self.batches.saturating_sub(simulated);
        let all = chunks.saturating_mul(simulated);
        let warm_up = warm_up.min(all);
        let mut run = Run::new(self, rank, weight);
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
            if forwards == all && run.done.iter().all(|&done| done) {
                break;
            }
        }
        run.moments(left_out)
    }
}

/// A rank on its way through a schedule.
struct Run<'w> {
    weight: &'w dyn Fn(&Moment) -> u64,
    chunks: Vec<Chunk>,
    in_flight: Vec<u64>,
    done: Vec<bool>,
    logits: u64,
    sent: u64,
    /// The forwards and backwards that weigh most, of each chunk without and with gradients.
    forward: Vec<Moment>,
    backward: Vec<Moment>,
}

impl<'w> Run<'w> {
    fn new(pipeline: &Pipeline, rank: u64, weight: &'w dyn Fn(&Moment) -> u64) -> Self {
        let chunks = pipeline.chunks_of(rank);
        Self {
            weight,
            in_flight: vec![0; chunks.len()],
            done: vec![false; chunks.len()],
            chunks,
            logits: 0,
            sent: 0,
            forward: Vec::new(),
            backward: Vec::new(),
        }
    }

    fn is(&self, chunk: usize, of: impl Fn(&Chunk) -> bool) -> bool {
        self.chunks.get(chunk).is_some_and(of)
    }

    /// The moment at which a chunk runs, while so many of its own wait.
    fn now(&self, running: usize) -> Moment {
        let with_outputs = self.in_flight.iter().zip(&self.chunks).filter(|(_, chunk)| !chunk.is_last);
        Moment {
            running,
            others: self.in_flight.clone(),
            has_gradients: self.done.clone(),
            logits: self.logits,
            sent: self.sent,
            outputs: with_outputs.map(|(count, _)| *count).sum(),
        }
    }

    fn forward(&mut self, chunk: usize) {
        self.logits += u64::from(self.is(chunk, |chunk| chunk.is_last));
        let now = self.now(chunk);
        keep(&mut self.forward, now, self.weight);
        if let Some(count) = self.in_flight.get_mut(chunk) {
            *count += 1;
        }
    }

    fn backward(&mut self, chunk: usize) {
        if let Some(count) = self.in_flight.get_mut(chunk) {
            *count = count.saturating_sub(1);
        }
        let mut now = self.now(chunk);
        // The output of the chunk that runs is named too.
        now.outputs += u64::from(!self.is(chunk, |chunk| chunk.is_last));
        keep(&mut self.backward, now, self.weight);
        if let Some(done) = self.done.get_mut(chunk) {
            *done = true;
        }
        self.sent += u64::from(!self.is(chunk, |chunk| chunk.is_first));
    }

    /// What was looked at, with the logits and sent gradients of as many micro-batches more.
    fn moments(self, left_out: u64) -> Moments {
        let has_last = self.chunks.iter().any(|chunk| chunk.is_last);
        let sending = self.chunks.iter().filter(|chunk| !chunk.is_first).count() as u64;
        let longer = |mut moments: Vec<Moment>| {
            for moment in &mut moments {
                moment.logits += if has_last { left_out } else { 0 };
                moment.sent = moment.sent.saturating_add(left_out.saturating_mul(sending));
            }
            moments
        };
        Moments { forward: longer(self.forward), backward: longer(self.backward) }
    }
}

/// Keeps a moment if none of the same chunk, whose gradients are there or not as well, weighs as much.
fn keep(moments: &mut Vec<Moment>, moment: Moment, weight: &dyn Fn(&Moment) -> u64) {
    match moments.iter_mut().find(|kept| kept.kind() == moment.kind()) {
        Some(kept) if weight(kept) < weight(&moment) => *kept = moment,
        Some(_) => {}
        None => moments.push(moment),
    }
}
