//! The instants of a training step: which blocks' storages are alive at each.
//!
//! Layers are equal, so that each kind of layer is noted once and counted; the layer that forward ends with and the two that
//! backward begins and ends with are looked at one by one, of each kind. FINDINGS sections 4, 7 and 8.

mod adapters;
mod blocks;
mod deepspeed;
pub(crate) mod inputs;
mod layers;
mod megatron;
pub(crate) mod others;
mod pipeline;
pub(crate) mod rollout;
mod sharded;
mod tensor;
mod trained;

pub(crate) use blocks::{Blocks, LayerBlocks, kind_of, kinds};
use layers::{Kept, Layers};
pub use pipeline::Rank;
pub(crate) use pipeline::ranks;
pub(crate) use trained::Parameters;
pub(crate) use trained::trained_elements;

use crate::account::{Account, Registered};
use crate::ledger::{Category, Instant, Module, Name, Part, What};
use crate::model::{Architecture, Parameter};
use crate::optimizer::{Held, Updated};
use crate::parallel::deepspeed::{Live, Zero};
use crate::parallel::{self, Collectives, Earlier};
use crate::plan::Pass;
use crate::quantised;
use crate::rules::{self, LayerKind};
use crate::scenario::{DataParallel, Method, Place, Scenario, ZeroGrad};
use crate::tape::{Block, GradientSum, Mode, Run, Storage};
use crate::timeline::LayerTotals;
use crate::units::{Bytes, Count, Dtype};

/// Everything from the forward pass to the end of backward.
const FORWARD_AND_BACKWARD: [Instant; 6] = [
    Instant::Forward,
    Instant::Loss,
    Instant::BackwardHead,
    Instant::BackwardFirstVisited,
    Instant::BackwardLastVisited,
    Instant::BackwardEmbedding,
];

struct Step<'a> {
    scenario: &'a Scenario,
    pass: &'a Pass,
    call: Call,
    account: Account,
    collectives: Option<&'a Collectives>,
    zero: Option<Zero>,
    live: Live,
    embedding: Registered<'a>,
    layers: Layers<'a>,
    head: Registered<'a>,
}

/// Which layer an instant looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// The one at which memory is largest.
    Largest,
    /// A given one, from 0.
    At(u64),
}

/// Every storage of a training step at every instant.
pub(crate) fn account(scenario: &Scenario, looked: Looked) -> Account {
    walk(scenario, looked).0
}

/// The same with what is alive while each layer runs.
pub(crate) fn account_and_layers(scenario: &Scenario) -> (Account, Vec<LayerTotals>) {
    walk(scenario, Looked::Largest)
}

/// Of several calls of the policy whose graphs one backward goes through: which one backward is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// The one that ran last.
    First,
    /// The one before: the first one's gradients are there.
    Second,
}

fn walk(scenario: &Scenario, looked: Looked) -> (Account, Vec<LayerTotals>) {
    if scenario.parallel.scheme() == Some(DataParallel::Megatron) {
        return megatron::walk(scenario, looked);
    }
    if scenario.is_pipelined() {
        return pipeline::walk(scenario, looked);
    }
    let (mut account, mut layers) = walk_call(scenario, looked, Call::First);
    if scenario.calls() > 1 || scenario.objective.method == Method::Ppo {
        let (second, of_second) = walk_call(scenario, looked, Call::Second);
        account.take_larger(&second);
        for (layer, other) in layers.iter_mut().zip(of_second) {
            if other.backward.sum() > layer.backward.sum() {
                layer.backward = other.backward;
            }
        }
    }
    (account, layers)
}

fn walk_call(scenario: &Scenario, looked: Looked, call: Call) -> (Account, Vec<LayerTotals>) {
    let architecture = &scenario.architecture();
    let mut pass = Pass::of_policy(scenario);
    let is_ppo = scenario.objective.method == Method::Ppo;
    if call == Call::Second && is_ppo {
        // The value model, of which forward ran before the policy's.
        pass.architecture = scenario.value_architecture();
    } else if call == Call::Second {
        (pass.accumulates, pass.sums) = (true, GradientSum::NewTensor);
    }
    let parameters = Parameters::of(scenario);
    let blocks = Blocks::of_policy(scenario, &pass);
    let present = rollout::present(scenario);
    let collectives = Collectives::of(scenario, parameters.trained());
    let mut account = Account::new(architecture, parameters.gradients(), scenario.trained(), present);
    let embedding = account.register(&blocks.embedding);
    let layers = Layers::register(&pass, &blocks.layers, collectives.as_ref(), &mut account);
    let head = account.register(&blocks.head);
    let collectives = collectives.as_ref();
    let value = (is_ppo && call == Call::First).then(|| {
        let pass = Pass { architecture: scenario.value_architecture(), ..pass.clone() };
        rules::head(&pass, Mode::Grad, scenario)
    });
    let value = value.as_ref().map(|block| account.register(block));
    let zero = Zero::of(scenario);
    let mut step = Step {
        scenario,
        pass: &pass,
        call,
        account,
        collectives,
        zero,
        live: Live::default(),
        embedding,
        layers,
        head,
    };
    step.always(&parameters);
    rollout::note(&mut step.account, scenario, &pass);
    if !present.contains(Instant::Forward) {
        return (step.account, Vec::new());
    }
    step.inputs();
    step.earlier_gradients();
    step.zero_always();
    match value {
        Some(value) => step.value_model(&value),
        None if is_ppo => {}
        None => step.other_calls(),
    }
    let layers = step.layer_totals();
    step.forward(looked);
    step.loss();
    step.backward(looked);
    step.optimizer_step(&parameters);
    (step.account, layers)
}

impl Step<'_> {
    /// Weights, buffers, optimizer states.
    fn always(&mut self, parameters: &Parameters) {
        let architecture = &self.pass.architecture;
        for parameter in parameters.adapters.iter().flatten() {
            let storage = Storage {
                name: parameter.name,
                category: Category::Parameters,
                dims: parameter.dims,
                dtype: self.scenario.trained(),
            };
            self.account.add_storage(&Instant::ALL, storage, parameter.copies(architecture));
        }
        for parameter in parameters.of_model() {
            let storages = match self.pass.quantised {
                Some(quantised) => quantised.storages(parameter),
                None => vec![quantised::whole(parameter, self.scenario.stored())],
            };
            for storage in storages {
                self.account.add_storage(&Instant::ALL, storage, parameter.copies(architecture));
            }
        }
        if let Some(dtype) = self.scenario.optimizer_settings.ema.on_gpu(self.pass.weight) {
            self.average(parameters, dtype);
        }
        others::note(&mut self.account, self.scenario);
        for (storage, copies) in inputs::buffers(self.scenario, self.pass) {
            self.account.add_storage(&Instant::ALL, storage, copies);
        }
        if let Some(buckets) = self.buckets(parameters) {
            self.hold(&Instant::ALL, &buckets);
        }
        if self.scenario.objective.method == Method::Generate {
            return;
        }
        let architecture = self.scenario.architecture();
        let updated = updated(self.scenario, &architecture, parameters.updated());
        if self.scenario.optimizer_dtype() != self.scenario.trained() {
            let master = updated.copy(Category::MasterWeights, What::Master);
            self.hold(&Instant::ALL, &master);
        }
        let updated = Updated { parameters: parameters.with_states(), ..updated };
        for state in updated.states(self.scenario.optimizer) {
            self.hold(&Instant::ALL, &state);
        }
    }

    /// DDP's buckets, where gradients aren't views of them. They hold every gradient (`torch/csrc/distributed/c10d/reducer.cpp`,
    /// `initialize_buckets`). PARALLEL section 1.
    fn buckets(&self, parameters: &Parameters) -> Option<Held> {
        let parallel = &self.scenario.parallel;
        let is_ddp = parallel.scheme().is_some_and(|data| !data.shards_weights()) && self.zero.is_none();
        let trained = Updated {
            architecture: &self.scenario.model.architecture,
            parameters: parameters.trained(),
            dtype: self.scenario.trained(),
            settings: &self.scenario.optimizer_settings,
        };
        let mut buckets = trained.copy(Category::Communication, What::Bucket);
        buckets.storage.name.module = Module::Buckets;
        (is_ddp && !self.pass.grads_in_buckets).then_some(buckets)
    }

    /// A moving average of all weights, which begins as a copy of the model.
    fn average(&mut self, parameters: &Parameters, dtype: Dtype) {
        for of in [parameters.model.as_slice(), parameters.adapters.as_deref().unwrap_or_default()] {
            let all = Updated { dtype, ..updated(self.scenario, &self.pass.architecture, of) };
            self.hold(&Instant::ALL, &all.copy(Category::ReferenceModel, What::Average));
        }
    }

    fn hold(&mut self, instants: &[Instant], held: &Held) {
        self.account.add_rounded(instants, held.storage, held.rounding);
    }

    /// The batch, masks, and RoPE's cosines and sines.
    fn inputs(&mut self) {
        for input in inputs::inputs(self.scenario, self.pass) {
            let until = FORWARD_AND_BACKWARD.iter().take_while(|&&instant| instant <= input.until).count();
            let instants = FORWARD_AND_BACKWARD.get(..until).unwrap_or_default();
            self.account.add_storage(instants, input.storage, input.copies);
        }
    }

    /// What is alive while each layer runs; of the account there is so far what the layers don't decide.
    fn layer_totals(&self) -> Vec<LayerTotals> {
        let embedding = self.embedding.block();
        let (forward, backward) =
            (self.account.totals(Instant::Forward), self.account.totals(Instant::BackwardLastVisited));
        let forward = forward.and(&embedding.by_category(embedding.kept_by_forward()));
        let head = self.head.block();
        let backward = backward
            .and(&embedding.by_category(embedding.kept_for_backward()))
            .and(&head.by_category(&head.left_by_backward()));
        let lookup = rules::hands_lookup_on(&self.pass.architecture)
            .then(|| embedding.by_category(&embedding.only_output()));
        let mut layers = self.layers.totals(forward, backward, lookup);
        if self.is_larger_while_gathering_first(Looked::At(0))
            && let (Some(first), Some(held)) = (layers.first_mut(), self.held_while_gathering_first())
        {
            let output = embedding.by_category(&embedding.only_output());
            first.forward = forward.and(&output).and(&sharded::totals(&held));
        }
        layers
    }

    fn forward(&mut self, looked: Looked) {
        let instant = Instant::Forward;
        if self.is_larger_while_gathering_first(looked) {
            return self.gathering_first(instant);
        }
        let running = self.layers.looked(looked, Layers::largest_in_forward);
        self.account.add(instant, &self.embedding, self.embedding.block().kept_by_forward(), 1);
        self.layers.kept(&mut self.account, instant, &(0..running), Kept::InAutocast);
        self.layers.forward_of(&mut self.account, instant, running);
        self.zero_forward(running);
        if !self.layers.first_keeps_input(running) && rules::hands_lookup_on(&self.pass.architecture) {
            // The model's forward still names the embedding's output (`inputs_embeds`), which is the first layer's input.
            self.account.add(instant, &self.embedding, &self.embedding.block().only_output(), 1);
        }
    }

    fn loss(&mut self) {
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
        let kept = if is_in_autocast || !leaves_early { Kept::InAutocast } else { Kept::ForBackward };
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

    fn backward(&mut self, looked: Looked) {
        let kept_by_embedding = self.embedding.block().kept_for_backward();
        let left_by_head = self.head.block().left_by_backward();
        for instant in [Instant::BackwardHead, Instant::BackwardFirstVisited, Instant::BackwardLastVisited] {
            self.account.add(instant, &self.embedding, kept_by_embedding, 1);
        }
        for instant in [Instant::BackwardFirstVisited, Instant::BackwardLastVisited] {
            self.account.add(instant, &self.head, &left_by_head, 1);
        }
        let all = 0..self.layers.count();
        self.layers.kept(&mut self.account, Instant::BackwardHead, &all, Kept::ForBackward);
        let head = self.zero_head().unwrap_or_else(|| self.head.block().at_peak(Run::Backward));
        self.account.add(Instant::BackwardHead, &self.head, &head, 1);
        if let (Some(collectives), Some(last)) = (self.collectives, self.last_kind()) {
            let before = self.layers.kinds_among(&all);
            let held = collectives.at_head(last, &parallel::Layers { before: &before, after: &[] });
            self.account.add_held(Instant::BackwardHead, &held);
        }
        let first = self.layers.looked(looked, Layers::largest_visited_first);
        let last = self.layers.looked(looked, Layers::largest_visited_last);
        let reducing = self.zero_reduces_at_first(first);
        if reducing.is_none() {
            self.layers.backward_of(&mut self.account, Instant::BackwardFirstVisited, first);
        }
        self.layers.backward_of(&mut self.account, Instant::BackwardLastVisited, last);
        self.zero_backward(reducing.unwrap_or(first), last);
        if self.zero_reduces_at_end() {
            return;
        }
        self.layers.left(&mut self.account, Instant::BackwardEmbedding, &all);
        let embedding = self.embedding.block().at_peak(Run::Backward);
        if let (Some(collectives), Some(first)) = (self.collectives, self.layers.kind_at(0)) {
            let all = self.layers.kinds_among(&all);
            let mut running = collectives.at_embedding(first, &all);
            running.extend(collectives.left_by_earlier(&all));
            let reducing = collectives.reducing_root();
            let is_last_micro_batch = collectives.earlier == Earlier::Whole;
            let blocks = self.head.block().bytes(&left_by_head) + self.embedding.block().bytes(&embedding);
            let shards = if is_last_micro_batch { self.account.gradient_bytes() } else { Bytes::ZERO };
            if parallel::bytes(&reducing) + shards > blocks + parallel::bytes(&running) {
                if is_last_micro_batch {
                    self.account.add_gradients(Instant::BackwardEmbedding);
                }
                return self.account.add_held(Instant::BackwardEmbedding, &reducing);
            }
            self.account.add_held(Instant::BackwardEmbedding, &running);
        }
        self.account.add(Instant::BackwardEmbedding, &self.head, &left_by_head, 1);
        self.account.add(Instant::BackwardEmbedding, &self.embedding, &embedding, 1);
    }

    fn last_kind(&self) -> Option<LayerKind> {
        self.layers.kind_at(self.layers.count().saturating_sub(1))
    }

    /// Whether more is alive before the first layer runs, while its weights are gathered, than when the layer that is looked at runs: so it
    /// is with short sequences.
    fn is_larger_while_gathering_first(&self, looked: Looked) -> bool {
        let Some(held) = self.held_while_gathering_first() else { return false };
        let running = match looked {
            Looked::Largest => self.layers.largest_in_forward(),
            Looked::At(0) => 0,
            Looked::At(_) => return false,
        };
        let embedding = self.embedding.block();
        let first = parallel::bytes(&held) + embedding.bytes(&embedding.only_output());
        first > self.layers.bytes_in_forward(running)
    }

    fn held_while_gathering_first(&self) -> Option<Vec<parallel::Held>> {
        Some(self.collectives?.gathering_first(self.layers.kind_at(0)?))
    }

    fn gathering_first(&mut self, instant: Instant) {
        let embedding = self.embedding.block();
        self.account.add(instant, &self.embedding, embedding.kept_by_forward(), 1);
        self.account.add(instant, &self.embedding, &embedding.only_output(), 1);
        self.account.add_held(instant, &self.held_while_gathering_first().unwrap_or_default());
    }

    /// Gradients that are there before backward makes them: of earlier micro-batches, or of the step before.
    fn earlier_gradients(&mut self) {
        if self.call == Call::Second {
            for &instant in FORWARD_AND_BACKWARD.iter().skip(2) {
                self.account.add_gradients_where(instant, |name| name.part != Part::Value);
            }
        }
        if self.scenario.updates_in_backward() {
            return;
        }
        if let Some(collectives) = self.collectives {
            let held = collectives.left_by_earlier(&self.layers.kinds_among(&(0..self.layers.count())));
            for &instant in &FORWARD_AND_BACKWARD[..FORWARD_AND_BACKWARD.len() - 1] {
                self.account.add_held(instant, &held);
            }
        }
        if self.zero.as_ref().is_some_and(|zero| zero.stage > 1) {
            return;
        }
        let is_reduced = self.collectives.is_none_or(|collectives| collectives.earlier == Earlier::Reduced);
        let accumulates = self.scenario.gradient_accumulation > Count::ONE || self.pass.grads_in_buckets;
        let until = if accumulates && !is_reduced {
            0
        } else if accumulates {
            FORWARD_AND_BACKWARD.len()
        } else if self.scenario.zero_grad == ZeroGrad::BeforeBackward && !self.scenario.replaces_gradients() {
            2
        } else {
            0
        };
        for &instant in FORWARD_AND_BACKWARD.iter().take(until) {
            self.account.add_gradients(instant);
        }
    }

    /// What the value model keeps while the policy runs and is trained: backward comes to it last.
    fn value_model(&mut self, head: &Registered<'_>) {
        let all = 0..self.layers.count();
        for (at, &instant) in FORWARD_AND_BACKWARD.iter().enumerate() {
            let kept = if at < 2 { Kept::InAutocast } else { Kept::ForBackward };
            let of_embedding = self.embedding.block().kept_for_backward().clone();
            self.account.add(instant, &self.embedding, &of_embedding, 1);
            self.account.add(instant, head, head.block().kept_for_backward(), 1);
            self.layers.kept(&mut self.account, instant, &all, kept);
        }
    }

    /// What calls keep whose graphs wait for the same backward.
    fn other_calls(&mut self) {
        let calls = self.scenario.calls();
        let all = 0..self.layers.count();
        let done = u64::from(self.call == Call::Second);
        for (at, &instant) in FORWARD_AND_BACKWARD.iter().enumerate() {
            let is_forward = at < 2;
            let others = if is_forward { calls - 1 } else { calls.saturating_sub(1 + done) };
            let kept = if is_forward { Kept::InAutocast } else { Kept::ForBackward };
            for _ in 0..others.min(1) {
                let (embedding, head) = (self.embedding.block(), self.head.block());
                let of = |block: &Block| {
                    if is_forward {
                        block.kept_by_forward().clone()
                    } else {
                        block.kept_for_backward().clone()
                    }
                };
                let (of_embedding, of_head) = (of(embedding), of(head));
                self.account.add(instant, &self.embedding, &of_embedding, others);
                self.account.add(instant, &self.head, &of_head, others);
                self.layers.kept_times(&mut self.account, instant, &all, kept, others);
            }
        }
    }

    fn optimizer_step(&mut self, parameters: &Parameters) {
        if self.scenario.updates_in_backward() {
            return;
        }
        if self.zero.is_some() {
            return self.zero_step();
        }
        let instant = Instant::OptimizerStep;
        if !self.scenario.replaces_gradients() {
            self.account.add_gradients(instant);
        }
        let architecture = self.scenario.architecture();
        let updated = updated(self.scenario, &architecture, parameters.updated());
        let mut temporaries = match &self.pass.tensor {
            Some(split) => tensor::step_temporaries(split, &updated, self.scenario.optimizer),
            None => updated.step_temporaries(self.scenario.optimizer),
        };
        if self.scenario.optimizer_dtype() != self.scenario.trained() {
            temporaries.push(updated.copy(Category::Temporaries, What::GradientFp32));
        }
        for held in temporaries {
            self.hold(&[instant], &held);
        }
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

/// What the update of each parameter allocates where it runs inside backward; nothing where it doesn't.
pub(crate) fn hooks(scenario: &Scenario) -> Vec<(Name, Bytes)> {
    if Zero::of(scenario)
        .is_some_and(|zero| zero.reduces_in_backward() && !(zero.stage == 1 && zero.accumulates))
    {
        // Each gradient is copied into a bucket, and its own memory is free.
        let parameters = Parameters::of(scenario);
        return parameters.trained().iter().map(|parameter| (parameter.name, Bytes::ZERO)).collect();
    }
    if !scenario.updates_in_backward() {
        return Vec::new();
    }
    let has_master = scenario.optimizer_dtype() != scenario.trained();
    let parameters = Parameters::of(scenario);
    let architecture = scenario.architecture();
    let of_one = |parameter: &Parameter| {
        let alone = updated(scenario, &architecture, std::slice::from_ref(parameter));
        let update = alone.step_temporaries(scenario.optimizer);
        let copies = parameter.copies(&architecture).max(1);
        // A list of one tensor still counts all layers'.
        let of_all = |held: &Held| held.storage.bytes().get() / if held.each.is_empty() { 1 } else { copies };
        let made: u64 = update.iter().map(of_all).fold(0, u64::saturating_add);
        let cast = if has_master { parameter.elements().saturating_mul(Dtype::Fp32.size()) } else { 0 };
        (parameter.name, Bytes::new(made.saturating_add(cast)))
    };
    parameters.trained().iter().map(of_one).collect()
}

/// Optimizer states in unified memory.
pub(crate) fn paged(scenario: &Scenario) -> Bytes {
    if !scenario.optimizer.is_paged() {
        return Bytes::ZERO;
    }
    updated(scenario, &scenario.architecture(), Parameters::of(scenario).updated()).paged(scenario.optimizer)
}

/// The optimizer's view of the trained parameters.
pub(crate) fn updated<'a>(
    scenario: &'a Scenario,
    architecture: &'a Architecture,
    parameters: &'a [Parameter],
) -> Updated<'a> {
    Updated {
        architecture,
        parameters,
        dtype: scenario.optimizer_dtype(),
        settings: &scenario.optimizer_settings,
    }
}
