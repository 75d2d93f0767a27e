//! What a step is given and what the model holds beside its parameters: the batch, masks, RoPE's tables, buffers.

use super::others;
use crate::ledger::{Category, Dim, Dims, Instant, Module, Name, Symbol, What};
use crate::model::Architecture;
use crate::plan::{Pass, rotary_dim};
use crate::scenario::{Attention, Method, Padding, Scenario, Stack};
use crate::tape::Storage;
use crate::units::Dtype;

/// A tensor that is there from the beginning of forward.
pub(crate) struct Input {
    pub(crate) storage: Storage,
    pub(crate) copies: u64,
    /// The last instant at which it is alive.
    pub(crate) until: Instant,
}

/// The model's buffers, the reference model's too.
pub(crate) fn buffers(scenario: &Scenario, pass: &Pass) -> Vec<(Storage, u64)> {
    let a = &pass.architecture;
    let mut buffers = Vec::new();
    if a.has_rope() {
        let frequencies = rope_frequencies(a);
        buffers.push((frequencies, 1));
        for (part, model) in others::on_gpu(scenario).filter(|(_, model)| model.millions.is_none()) {
            let _ = model;
            let name = Name { part, ..frequencies.name };
            buffers.push((Storage { name, category: Category::ReferenceModel, ..frequencies }, 1));
        }
    }
    let Some(positions) = a.positions.map(|rows| Dim::new(Symbol::Positions, rows.get())) else {
        return buffers;
    };
    let buffer = |module, what, dims: &[Dim], dtype| storage(module, what, Dims::new(dims), dtype);
    if pass.stack == Stack::Torch26 {
        // `GPT2Attention`'s buffer `bias`.
        let mask = buffer(Module::Attention, What::Mask, &[positions, positions], Dtype::Bool);
        buffers.push((mask, a.layers.get()));
    }
    if a.family.is_masked() {
        // `BertEmbeddings`' buffers `position_ids` and, where there are types, `token_type_ids`.
        let copies = 1 + u64::from(a.token_types.is_some());
        buffers
            .push((buffer(Module::TokenTypeEmbedding, What::TokenIds, &[positions], Dtype::Int64), copies));
    }
    buffers
}

/// What a step is given, and what the model makes once of it.
pub(crate) fn inputs(scenario: &Scenario, pass: &Pass) -> Vec<Input> {
    let tokens = Dims::new(&pass.tokens());
    let of_batch = |what| Input {
        storage: storage(Module::Batch, what, tokens, Dtype::Int64),
        copies: 1,
        until: Instant::BackwardEmbedding,
    };
    let follows = (0..pass.architecture.blocks()).any(|index| pass.trains_or_follows(index));
    let mut inputs = vec![of_batch(What::TokenIds)];
    let method = scenario.objective.method;
    if method.is_language_modelling()
        || matches!(method, Method::Kto | Method::Orpo | Method::SimPo | Method::Cpo | Method::Distillation)
    {
        inputs.push(of_batch(What::Labels));
    }
    if method == Method::Kto {
        // Mismatched completions with their labels, for the estimate of the divergence.
        inputs.push(Input { copies: 2, ..of_batch(What::TokenIds) });
    }
    if scenario.padding != Padding::None {
        inputs.push(of_batch(What::Mask));
    }
    inputs.extend(masks(scenario, pass));
    if pass.architecture.decoder.is_some() {
        inputs.extend(relative_positions(pass));
    }
    if pass.architecture.has_rope() {
        // Queries and keys that need a gradient keep the tables that they are multiplied by.
        let until = if follows { Instant::BackwardLastVisited } else { Instant::Forward };
        inputs.push(Input { storage: rope_table(pass), copies: 1, until });
    }
    inputs
}

fn storage(module: Module, what: What, dims: Dims, dtype: Dtype) -> Storage {
    Storage { name: Name::of(module, what), category: Category::Activations, dims, dtype }
}

/// Of each half of an encoder-decoder: which row of the table a query and a key have, and the bias that its layers share; and the zeros
/// that attention to the encoder shares (`T5Attention.compute_bias`).
fn relative_positions(pass: &Pass) -> [Input; 3] {
    let sequence = pass.sequence();
    let of_heads = Dims::new(&[pass.heads(), sequence, sequence]);
    let rows =
        storage(Module::RelativePositions, What::TokenIds, Dims::new(&[sequence, sequence]), Dtype::Int64);
    let bias = storage(Module::RelativePositions, What::Output, of_heads, pass.weight);
    let zeros = storage(Module::RelativePositions, What::Output, of_heads, pass.compute());
    [
        Input { storage: rows, copies: 2, until: Instant::BackwardLastVisited },
        Input { storage: bias, copies: 1, until: Instant::Forward },
        Input { storage: zeros, copies: 1, until: Instant::BackwardFirstVisited },
    ]
}

/// The causal masks that layers share, where SDPA can't do with `is_causal`: alive while the layers run, and as arguments of the
/// checkpoints until the last of them has been recomputed (`masking_utils.py`, `eager_mask`, `sdpa_mask`).
fn masks(scenario: &Scenario, pass: &Pass) -> Option<Input> {
    let a = &pass.architecture;
    let windowed = (0..a.layers.get()).filter(|&index| a.is_windowed(index)).count() as u64;
    let (has_windowed, has_full) = (windowed > 0, windowed < a.layers.get());
    let reaches = a.window.is_some_and(|window| pass.sequence >= window.size.get());
    let sequence = pass.sequence();
    let of_batch = Dims::new(&[pass.batch(), sequence, sequence]);
    // Without padding an encoder's attention is not masked at all but for windows.
    let is_encoder = a.family.is_masked() || a.decoder.is_some();
    let has_full = has_full && (!is_encoder || pass.is_padded());
    let has_windowed = has_windowed && (!is_encoder || reaches || pass.is_padded());
    let needs_none = !has_full && !has_windowed;
    let of_all = u64::from(has_full) + u64::from(has_windowed);
    let (copies, dims, dtype) = if needs_none {
        return None;
    } else if pass.attention == Attention::Eager {
        (of_all, of_batch, pass.weight)
    } else if pass.is_padded() {
        (of_all, of_batch, Dtype::Bool)
    } else {
        (u64::from(has_windowed && reaches), Dims::new(&[sequence, sequence]), Dtype::Bool)
    };
    let is_checkpointed = scenario.checkpointing.is_on();
    let until = if is_checkpointed { Instant::BackwardLastVisited } else { Instant::Forward };
    let storage = storage(Module::Attention, What::Mask, dims, dtype);
    (copies > 0).then_some(Input { storage, copies, until })
}

/// Cosines and sines, or, for latent attention, complex numbers: two in fp32 for two dimensions.
fn rope_table(pass: &Pass) -> Storage {
    let (sequence, rotary) = (pass.sequence(), pass.rotary_dim());
    if pass.architecture.latent.is_some() {
        return storage(Module::Rope, What::CosSin, Dims::new(&[sequence, rotary]), Dtype::Fp32);
    }
    let tables = Dim::number(2 * rope_kinds(&pass.architecture));
    storage(Module::Rope, What::CosSin, Dims::new(&[tables, sequence, rotary]), pass.weight)
}

/// Gemma-3 has a table for its windowed layers and one for the others.
fn rope_kinds(architecture: &Architecture) -> u64 {
    1 + u64::from(architecture.family.has_two_ropes())
}

/// `inv_freq` and the copy of it that the module keeps (`original_inv_freq`), half as many fp32 numbers each as dimensions are rotated.
fn rope_frequencies(architecture: &Architecture) -> Storage {
    let rotary = rotary_dim(architecture);
    let kinds = rope_kinds(architecture);
    let dims = if kinds > 1 { Dims::new(&[Dim::number(kinds), rotary]) } else { Dims::new(&[rotary]) };
    storage(Module::Rope, What::Buffer, dims, Dtype::Fp32)
}
