//! The instants of a training step: which blocks' storages are alive at each.
//!
//! Layers are equal, so that each kind of layer is noted once and counted; the layer that forward ends with and the two that
//! backward begins and ends with are looked at one by one, of each kind. FINDINGS sections 4, 7 and 8.

mod adapters;
mod always;
mod backward;
mod blocks;
mod calls;
mod deepspeed;
mod forward;
pub(crate) mod inputs;
mod layers;
mod megatron;
pub(crate) mod others;
mod pipeline;
pub(crate) mod rollout;
mod sharded;
mod stages;
mod tensor;
mod trained;
mod update;

pub(crate) use blocks::{Blocks, LayerBlocks, kind_of, kinds};
use calls::Call;
pub(crate) use forward::reference_pass;
use layers::Layers;
pub use stages::Rank;
use stages::Walked;
pub(crate) use trained::Parameters;
pub(crate) use trained::trained_elements;
pub(crate) use update::{by_dtype, hooks, paged, updated};

use crate::account::{Account, Registered};
use crate::ledger::Instant;
use crate::parallel::Collectives;
use crate::parallel::deepspeed::{Live, Zero};
use crate::plan::Pass;
use crate::rules;
use crate::scenario::{DataParallel, Method, Scenario};
use crate::tape::{GradientSum, Mode};
use crate::timeline::LayerTotals;

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
pub(crate) fn account_and_layers(scenario: &Scenario) -> Walked {
    walk(scenario, Looked::Largest)
}

/// The kinds of rank of a pipeline, the most loaded first; none without one.
pub(crate) fn ranks(scenario: &Scenario) -> Vec<Rank> {
    if scenario.is_pipelined() {
        pipeline::ranks(scenario)
    } else if scenario.parallel.scheme() == Some(DataParallel::Megatron) {
        megatron::ranks(scenario)
    } else {
        Vec::new()
    }
}

fn walk(scenario: &Scenario, looked: Looked) -> Walked {
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

fn walk_call(scenario: &Scenario, looked: Looked, call: Call) -> Walked {
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
    let collectives = Collectives::of(scenario, &parameters.frozen(scenario), parameters.trained());
    let gradient = |name| scenario.trained_dtype(name);
    let mut account = Account::new(architecture, parameters.gradients(), &gradient, present);
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
}
