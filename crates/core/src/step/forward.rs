//! Forward and loss: what has been kept so far, and the layer or the head that runs.

use super::layers::{Kept, Layers};
use super::{Looked, Step, kinds};
use crate::ledger::Instant;
use crate::parallel::{self, Collectives};
use crate::plan::Pass;
use crate::rules::{self, LayerKind};
use crate::scenario::{Method, Place, Scenario};
use crate::tape::{Block, Mode, Run};
use crate::units::Bytes;

impl Step<'_> {
    pub(super) fn forward(&mut self, looked: Looked) {
        let instant = Instant::Forward;
        if self.is_larger_while_gathering_first(looked) {
            return self.gathering_first(instant);
        }
        let running = self.layers.looked(looked, Layers::largest_in_forward);
        let embedding = self.embedding.block();
        // What the encoder's forward names is gone when it has returned.
        let is_behind = self.pass.encoder.as_ref().is_some_and(|of| running > of.architecture.layers.get());
        let kept = if is_behind { embedding.kept_for_backward() } else { embedding.kept_by_forward() };
        self.account.add(instant, &self.embedding, kept, 1);
        self.layers.kept(&mut self.account, instant, &(0..running), Kept::InAutocast);
        self.layers.forward_of(&mut self.account, instant, running);
        self.zero_forward(running);
        if self.names_lookup(running) {
            self.account.add(instant, &self.embedding, &self.embedding.block().only_output(), 1);
        }
    }

    /// Whether the model's forward still names the embedding's output (`inputs_embeds`) while a layer runs that isn't the first, whose
    /// input it is.
    fn names_lookup(&self, running: u64) -> bool {
        !self.layers.first_keeps_input(running) && rules::hands_lookup_on(&self.pass.architecture)
    }

    pub(super) fn loss(&mut self) {
        let instant = Instant::Loss;
        let head = self.head.block();
        let reference = self.reference_peak();
        // With autocast around the model alone, weight casts are gone before the loss, unless the graph holds them.
        let leaves_early = self.pass.leaves_autocast_early();
        let casts = self.layers.held_by_cache_alone();
        let in_autocast = head.bytes(&head.at_peak(Run::ForwardInAutocast)) + casts;
        let after =
            head.bytes(&head.at_peak(Run::Forward)).max(reference.as_ref().map_or(Bytes::ZERO, |block| {
                head.bytes(head.kept_by_forward()) + block.bytes(&block.at_peak(Run::Forward))
            }));
        let is_in_autocast = leaves_early && in_autocast > after;
        let is_within_root = self.is_larger_within_root();
        self.account.add(instant, &self.embedding, self.embedding.block().kept_for_backward(), 1);
        let hands_on = rules::hands_lookup_on(&self.pass.architecture);
        if self.pass.prompt().is_some() && hands_on && !self.layers.first_keeps_input(self.layers.count()) {
            // PEFT's forward names what it has put behind the soft prompt until the loss is there.
            self.account.add(instant, &self.embedding, &self.embedding.block().only_output(), 1);
        }
        let kept = if is_in_autocast || !leaves_early { Kept::AtLoss } else { Kept::ForBackward };
        let all = 0..self.layers.count();
        self.layers.kept(&mut self.account, instant, &all, kept);
        if let (Some(collectives), Some(last)) = (self.collectives, self.last_kind()) {
            self.account.add_held(
                instant,
                &collectives.at_loss(
                    last,
                    &parallel::Layers { before: &self.layers.kinds_among(&all), after: &[] },
                    is_within_root,
                ),
            );
        }
        match reference {
            _ if is_in_autocast || is_within_root => {
                self.account.add(instant, &self.head, &head.at_peak(Run::ForwardInAutocast), 1);
            }
            Some(reference) => {
                self.account.add(instant, &self.head, head.kept_by_forward(), 1);
                let registered = self.account.register(&reference);
                self.account.add(instant, &registered, &reference.at_peak(Run::Forward), 1);
            }
            None => self.account.add(instant, &self.head, &head.at_peak(Run::Forward), 1),
        }
    }

    /// Whether more is alive when logits are made, within what FSDP wraps, than at the loss outside of it.
    fn is_larger_within_root(&self) -> bool {
        let within = |collectives: &Collectives| collectives.within_root(self.last_kind()?);
        let Some(buffer) = self.collectives.and_then(within).filter(|_| self.pass.autocast.is_none()) else {
            return false;
        };
        let head = self.head.block();
        let size = |run| head.bytes(&head.at_peak(run));
        size(Run::ForwardInAutocast) + buffer > size(Run::Forward)
    }

    /// The block of the reference model's forward at which memory is largest, where that is more than at the trained model's loss.
    fn reference_peak(&self) -> Option<Block> {
        let pass = reference_pass(self.scenario, self.pass)?;
        let head = self.head.block();
        let policy = head.bytes(&head.at_peak(Run::Forward));
        let kept = head.bytes(head.kept_by_forward());
        let mut blocks: Vec<Block> =
            kinds(&pass).iter().map(|kind| rules::layer(&pass, Mode::NoGrad, kind.layer)).collect();
        blocks.push(rules::head(&pass, Mode::NoGrad, self.scenario));
        let size = |block: &Block| block.bytes(&block.at_peak(Run::Forward));
        let largest = blocks.into_iter().max_by_key(size)?;
        (kept + size(&largest) > policy).then_some(largest)
    }

    pub(super) fn last_kind(&self) -> Option<LayerKind> {
        self.layers.kind_at(self.layers.count().saturating_sub(1))
    }

    /// Whether more is alive before the first layer runs, while its weights are gathered, than when the layer that is looked at runs: so it
    /// is with short sequences.
    pub(super) fn is_larger_while_gathering_first(&self, looked: Looked) -> bool {
        let Some(held) = self.held_while_gathering_first() else { return false };
        let running = match looked {
            Looked::Largest => self.layers.largest_in_forward(),
            Looked::At(0) => 0,
            Looked::At(_) => return false,
        };
        let embedding = self.embedding.block();
        let output = embedding.bytes(&embedding.only_output());
        let lookup = if self.names_lookup(running) { output } else { Bytes::ZERO };
        parallel::bytes(&held) + output > self.layers.bytes_in_forward(running) + lookup
    }

    pub(super) fn held_while_gathering_first(&self) -> Option<Vec<parallel::Held>> {
        Some(self.collectives?.gathering_first(self.layers.kind_at(0)?))
    }

    fn gathering_first(&mut self, instant: Instant) {
        let embedding = self.embedding.block();
        self.account.add(instant, &self.embedding, embedding.kept_by_forward(), 1);
        self.account.add(instant, &self.embedding, &embedding.only_output(), 1);
        self.account.add_held(instant, &self.held_while_gathering_first().unwrap_or_default());
    }
}

/// The pass of a reference model whose forward follows the policy's, before the loss.
pub(crate) fn reference_pass(scenario: &Scenario, policy: &Pass) -> Option<Pass> {
    if !matches!(scenario.objective.method, Method::Dpo | Method::Ipo | Method::Kto) {
        return None;
    }
    let place = scenario.objective.reference().place;
    let shared = (place == Place::Adapter).then_some(policy.weight);
    Some(Pass::of_reference(scenario, place.on_gpu().or(shared)?))
}
