//! The instants of a training step: which blocks' storages are alive at each.
//!
//! Layers are equal, so that each kind of layer is noted once and counted; the layer that forward ends with and the two that
//! backward begins and ends with are looked at one by one, of each kind. FINDINGS sections 4, 7 and 8.

mod blocks;
mod layers;
mod trained;

use blocks::{Blocks, kinds};
use layers::{Kept, Layers};
use trained::Parameters;
pub(crate) use trained::trained_elements;

use crate::account::{Account, Registered};
use crate::ledger::{Category, Dim, Dims, Instant, Module, Name, Symbol, What};
use crate::model::{Architecture, Parameter};
use crate::optimizer::{Held, Updated};
use crate::plan::{Pass, rotary_dim};
use crate::rules::{self, LayerKind};
use crate::scenario::{Attention, Checkpointing, Objective, Padding, Scenario, Stack, ZeroGrad};
use crate::tape::{Block, Mode, Run, Storage};
use crate::units::{Bytes, Dtype};

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
    account: Account,
    embedding: Registered<'a>,
    layers: Layers<'a>,
    head: Registered<'a>,
}

/// Every storage of a training step at every instant.
pub(crate) fn account(scenario: &Scenario) -> Account {
    let architecture = &scenario.model.architecture;
    let pass = Pass::of_policy(scenario);
    let parameters = Parameters::of(scenario);
    let blocks = Blocks::of_policy(scenario, &pass);
    let mut account = Account::new(architecture, parameters.trained(), scenario.trained());
    let embedding = account.register(&blocks.embedding);
    let layers = Layers::register(&pass, &blocks.layers, &mut account);
    let head = account.register(&blocks.head);
    let mut step = Step { scenario, pass: &pass, account, embedding, layers, head };
    step.always(&parameters);
    step.inputs();
    step.forward();
    step.loss();
    step.backward();
    step.earlier_gradients();
    step.optimizer_step(&parameters);
    step.account
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
        for parameter in &parameters.model {
            let storage = Storage {
                name: parameter.name,
                category: Category::Parameters,
                dims: parameter.dims,
                dtype: self.pass.weight,
            };
            self.account.add_storage(&Instant::ALL, storage, parameter.copies(architecture));
            if let Some(dtype) = self.scenario.objective.reference_on_gpu() {
                let storage = Storage { category: Category::ReferenceModel, dtype, ..storage };
                self.account.add_storage(&Instant::ALL, storage, parameter.copies(architecture));
            }
        }
        if architecture.has_rope() {
            let frequencies = rope_frequencies(architecture);
            self.account.add_storage(&Instant::ALL, frequencies, 1);
            if self.scenario.objective.reference_on_gpu().is_some() {
                let frequencies = Storage { category: Category::ReferenceModel, ..frequencies };
                self.account.add_storage(&Instant::ALL, frequencies, 1);
            }
        }
        if let (Stack::Torch26, Some(positions)) = (self.pass.stack, architecture.positions) {
            let positions = Dim::new(Symbol::Positions, positions.get());
            // `GPT2Attention`'s buffer `bias`.
            let mask = Storage {
                name: Name::of(Module::Attention, What::Mask),
                category: Category::Activations,
                dims: Dims::new(&[positions, positions]),
                dtype: Dtype::Bool,
            };
            self.account.add_storage(&Instant::ALL, mask, architecture.layers.get());
        }
        if let (Some(_), Some(positions)) = (architecture.token_types, architecture.positions) {
            // `BertEmbeddings`' buffers `position_ids` and `token_type_ids`.
            let ids = Storage {
                name: Name::of(Module::TokenTypeEmbedding, What::TokenIds),
                category: Category::Activations,
                dims: Dims::new(&[Dim::new(Symbol::Positions, positions.get())]),
                dtype: Dtype::Int64,
            };
            self.account.add_storage(&Instant::ALL, ids, 2);
        }
        let updated = updated(self.scenario, parameters.trained());
        if self.scenario.optimizer_dtype() != self.scenario.trained() {
            let master = updated.copy(Category::MasterWeights, What::Master);
            self.hold(&Instant::ALL, &master);
        }
        for state in updated.states(self.scenario.optimizer) {
            self.hold(&Instant::ALL, &state);
        }
    }

    fn hold(&mut self, instants: &[Instant], held: &Held) {
        self.account.add_rounded(instants, held.storage, held.rounding);
    }

    /// The batch, and RoPE's cosines and sines.
    fn inputs(&mut self) {
        let tokens = Dims::new(&self.pass.tokens());
        let input = |module, what, dims, dtype| Storage {
            name: Name::of(module, what),
            category: Category::Activations,
            dims,
            dtype,
        };
        let ids = input(Module::Batch, What::TokenIds, tokens, Dtype::Int64);
        self.account.add_storage(&FORWARD_AND_BACKWARD, ids, 1);
        if self.scenario.objective == Objective::CausalLm {
            let labels = input(Module::Batch, What::Labels, tokens, Dtype::Int64);
            self.account.add_storage(&FORWARD_AND_BACKWARD, labels, 1);
        }
        if self.scenario.padding != Padding::None {
            let mask = input(Module::Batch, What::Mask, tokens, Dtype::Int64);
            self.account.add_storage(&FORWARD_AND_BACKWARD, mask, 1);
        }
        self.masks();
        if self.pass.architecture.has_rope() {
            let tables = Dim::number(2 * rope_kinds(&self.pass.architecture));
            let dims = Dims::new(&[tables, self.pass.sequence(), self.pass.rotary_dim()]);
            // Latent attention multiplies by complex numbers, of which each is two in fp32 for two dimensions.
            let (dims, dtype) = if self.pass.architecture.latent.is_some() {
                (Dims::new(&[self.pass.sequence(), self.pass.rotary_dim()]), Dtype::Fp32)
            } else {
                (dims, self.pass.weight)
            };
            let table = input(Module::Rope, What::CosSin, dims, dtype);
            let until_last_layer = FORWARD_AND_BACKWARD.get(..5).unwrap_or_default();
            self.account.add_storage(until_last_layer, table, 1);
        }
    }

    /// The causal masks that layers share, where SDPA can't do with `is_causal`: alive while the layers run, and as arguments of the
    /// checkpoints until the last of them has been recomputed (`masking_utils.py`, `eager_mask`, `sdpa_mask`).
    fn masks(&mut self) {
        let a = &self.pass.architecture;
        let windowed = (0..a.layers.get()).filter(|&index| a.is_windowed(index)).count() as u64;
        let (has_windowed, has_full) = (windowed > 0, windowed < a.layers.get());
        let reaches = a.window.is_some_and(|window| self.pass.sequence >= window.size.get());
        let is_eager = self.pass.attention == Attention::Eager;
        let sequence = self.pass.sequence();
        let of_batch = Dims::new(&[self.pass.batch(), sequence, sequence]);
        let (kinds, dims, dtype) = if is_eager {
            (u64::from(has_full) + u64::from(has_windowed), of_batch, self.pass.weight)
        } else if self.pass.is_padded() {
            (u64::from(has_full) + u64::from(has_windowed), of_batch, Dtype::Bool)
        } else {
            (u64::from(has_windowed && reaches), Dims::new(&[sequence, sequence]), Dtype::Bool)
        };
        let mask = Storage {
            name: Name::of(Module::Attention, What::Mask),
            category: Category::Activations,
            dims,
            dtype,
        };
        let is_checkpointed = self.scenario.checkpointing == Checkpointing::Layers;
        let until = if is_checkpointed { FORWARD_AND_BACKWARD.len() - 1 } else { 1 };
        self.account.add_storage(FORWARD_AND_BACKWARD.get(..until).unwrap_or_default(), mask, kinds);
    }

    fn forward(&mut self) {
        let instant = Instant::Forward;
        let running = self.layers.largest_in_forward();
        self.account.add(instant, &self.embedding, self.embedding.block().kept_by_forward(), 1);
        self.layers.kept(&mut self.account, instant, &(0..running), Kept::InAutocast);
        self.layers.forward_of(&mut self.account, instant, running);
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
        self.account.add(instant, &self.embedding, self.embedding.block().kept_for_backward(), 1);
        let kept = if is_in_autocast || !leaves_early { Kept::InAutocast } else { Kept::ForBackward };
        let all = 0..self.layers.count();
        self.layers.kept(&mut self.account, instant, &all, kept);
        match reference {
            _ if is_in_autocast => {
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

    /// The block of the reference model's forward at which memory is largest, where that is more than at the trained model's loss.
    fn reference_peak(&self) -> Option<Block> {
        let objective = self.scenario.objective;
        let shared = (objective == Objective::DpoReferenceAdapter).then_some(self.pass.weight);
        let pass = Pass::of_reference(self.scenario, objective.reference_on_gpu().or(shared)?);
        let head = self.head.block();
        let policy = head.bytes(&head.at_peak(Run::Forward));
        let kept = head.bytes(head.kept_by_forward());
        let mut blocks: Vec<Block> = kinds(&pass)
            .iter()
            .map(|kind| rules::layer(&pass, Mode::NoGrad, LayerKind { follows: true, ..kind.layer }))
            .collect();
        blocks.push(rules::head(&pass, Mode::NoGrad, self.scenario));
        let size = |block: &Block| block.bytes(&block.at_peak(Run::Forward));
        let largest = blocks.into_iter().max_by_key(size)?;
        (kept + size(&largest) > policy).then_some(largest)
    }

    fn backward(&mut self) {
        let kept_by_embedding = self.embedding.block().kept_for_backward();
        let left_by_head = self.head.block().left_by_backward();
        for instant in [Instant::BackwardHead, Instant::BackwardFirstVisited, Instant::BackwardLastVisited] {
            self.account.add(instant, &self.embedding, kept_by_embedding, 1);
        }
        for instant in
            [Instant::BackwardFirstVisited, Instant::BackwardLastVisited, Instant::BackwardEmbedding]
        {
            self.account.add(instant, &self.head, &left_by_head, 1);
        }
        let all = 0..self.layers.count();
        self.layers.kept(&mut self.account, Instant::BackwardHead, &all, Kept::ForBackward);
        self.account.add(Instant::BackwardHead, &self.head, &self.head.block().at_peak(Run::Backward), 1);
        let (first, last) = (self.layers.largest_visited_first(), self.layers.largest_visited_last());
        self.layers.backward_of(&mut self.account, Instant::BackwardFirstVisited, first);
        self.layers.backward_of(&mut self.account, Instant::BackwardLastVisited, last);
        self.layers.left(&mut self.account, Instant::BackwardEmbedding, &all);
        let embedding = self.embedding.block().at_peak(Run::Backward);
        self.account.add(Instant::BackwardEmbedding, &self.embedding, &embedding, 1);
    }

    /// Gradients that are there before backward makes them: of earlier micro-batches, or of the step before.
    fn earlier_gradients(&mut self) {
        let until = if self.pass.accumulates {
            FORWARD_AND_BACKWARD.len()
        } else if self.scenario.zero_grad == ZeroGrad::BeforeBackward {
            2
        } else {
            0
        };
        for &instant in FORWARD_AND_BACKWARD.iter().take(until) {
            self.account.add_gradients(instant);
        }
    }

    fn optimizer_step(&mut self, parameters: &Parameters) {
        let instant = Instant::OptimizerStep;
        self.account.add_gradients(instant);
        let updated = updated(self.scenario, parameters.trained());
        let mut temporaries = updated.step_temporaries(self.scenario.optimizer);
        if self.scenario.optimizer_dtype() != self.scenario.trained() {
            temporaries.push(updated.copy(Category::Temporaries, What::GradientFp32));
        }
        for held in temporaries {
            self.hold(&[instant], &held);
        }
    }
}

fn updated<'a>(scenario: &'a Scenario, parameters: &'a [Parameter]) -> Updated<'a> {
    Updated { architecture: &scenario.model.architecture, parameters, dtype: scenario.optimizer_dtype() }
}

/// Gemma-3 has a table for its windowed layers and one for the others.
fn rope_kinds(architecture: &Architecture) -> u64 {
    1 + u64::from(architecture.family == crate::model::Family::Gemma3Text)
}

/// `inv_freq` and the copy of it that the module keeps (`original_inv_freq`), half as many fp32 numbers each as dimensions are rotated.
fn rope_frequencies(architecture: &Architecture) -> Storage {
    let rotary = rotary_dim(architecture);
    let kinds = rope_kinds(architecture);
    let dims = if kinds > 1 { Dims::new(&[Dim::number(kinds), rotary]) } else { Dims::new(&[rotary]) };
    Storage {
        name: Name::of(Module::Rope, What::Buffer),
        category: Category::Activations,
        dims,
        dtype: Dtype::Fp32,
    }
}
