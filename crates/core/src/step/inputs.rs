//! What a step is given and what the model holds beside its parameters: the batch, masks, RoPE's tables, buffers.

use super::others;
use crate::ledger::{Category, Dim, Dims, Instant, Module, Name, Symbol, What};
use crate::model::{Architecture, Family, Image, Mixer, RopeKind, ScanNorms, Speech, parameters};
use crate::plan::{Adapters, Pass, rotary_dim};
use crate::scenario::{AdapterMethod, Attention, Method, Padding, Scenario, Stack};
use crate::tape::Storage;
use crate::units::{Count, Dtype};

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
    let mut buffers = vera(scenario, a);
    if scenario.lora.method.has_tokens() {
        // `PeftModel.prompt_tokens`.
        let tokens = Dims::new(&[Dim::number(scenario.lora.tokens.get())]);
        buffers.push((storage(Module::Prompt, What::TokenIds, tokens, Dtype::Int64), 1));
    }
    if a.has_rope() {
        let frequencies = rope_frequencies(a);
        buffers.push((frequencies, 1));
        for (part, _) in others::on_gpu(scenario).filter(|(_, model)| model.millions.is_none()) {
            let name = Name { part, ..frequencies.name };
            buffers.push((Storage { name, category: Category::ReferenceModel, ..frequencies }, 1));
        }
    }
    buffers.extend(weights_of_scan_norms(a, pass));
    let Some(positions) = a.positions.map(|rows| Dim::new(Symbol::Positions, rows.get())) else {
        return buffers;
    };
    let buffer = |module, what, dims: &[Dim], dtype| storage(module, what, Dims::new(dims), dtype);
    if pass.stack == Stack::Torch26 && a.family == Family::Gpt2 {
        // `GPT2Attention`'s buffer `bias`.
        let mask = buffer(Module::Attention, What::Mask, &[positions, positions], Dtype::Bool);
        buffers.push((mask, a.layers.get()));
    }
    if a.family.has_mask_buffer() {
        buffers.push((buffer(Module::Attention, What::Mask, &[positions, positions], Dtype::Bool), 1));
    }
    if a.family.is_masked() {
        // `BertEmbeddings`' buffers `position_ids` and, where there are types, `token_type_ids`.
        let copies = 1 + u64::from(a.token_types.is_some());
        buffers
            .push((buffer(Module::TokenTypeEmbedding, What::TokenIds, &[positions], Dtype::Int64), copies));
    }
    buffers
}

/// The ones that `FalconMambaWeightlessRMSNorm` has for kernels, of the length of a step as wide as all channels.
fn weights_of_scan_norms(a: &Architecture, pass: &Pass) -> Option<(Storage, u64)> {
    let layer = a.recurrent.filter(|_| a.family.scan_norms() == ScanNorms::WithoutWeights)?;
    let width = layer.values().saturating_add(layer.key_dim.get().saturating_mul(2));
    let ones = storage(Module::StepNorm, What::Buffer, Dims::new(&[Dim::number(width)]), pass.weight);
    Some((ones, a.recurrent_layers()))
}

/// VeRA's two random matrices, as wide as the widest of the adapted layers (`VeraModel._find_dim`, `_init_vera_A_vera_B`).
fn vera(scenario: &Scenario, a: &Architecture) -> Vec<(Storage, u64)> {
    let Some(adapters) = Adapters::of(scenario).filter(|adapters| adapters.method == AdapterMethod::Vera)
    else {
        return Vec::new();
    };
    let (mut rows, mut columns) = (0, 0);
    for parameter in parameters(a).iter().filter(|parameter| adapters.target(parameter.name.module)) {
        if let Some((output, input)) = parameter.matrix {
            (rows, columns) = (output.max(rows), input.max(columns));
        }
    }
    let matrix = |what, dims: &[Dim]| (storage(Module::Vera, what, Dims::new(dims), adapters.dtype), 1);
    vec![
        matrix(What::LoraA, &[adapters.rank, Dim::number(columns)]),
        matrix(What::LoraB, &[Dim::number(rows), adapters.rank]),
    ]
}

/// What a step is given, and what the model makes once of it.
pub(crate) fn inputs(scenario: &Scenario, pass: &Pass) -> Vec<Input> {
    let tokens = Dims::new(&[pass.batch(), pass.given()]);
    let of_batch = |what| Input {
        storage: storage(Module::Batch, what, tokens, Dtype::Int64),
        copies: 1,
        until: Instant::BackwardEmbedding,
    };
    if let Some(image) = pass.architecture.image {
        let labels = storage(Module::Batch, What::Labels, Dims::new(&[pass.batch()]), Dtype::Int64);
        let labels = Input { storage: labels, copies: 1, until: Instant::BackwardEmbedding };
        return vec![pixels(&image, pass), labels];
    }
    if let Some(speech) = pass.architecture.speech {
        // What the decoder reads is labels moved by one (`shift_tokens_right`), until its embedding has run backward.
        let until = Instant::BackwardFirstVisited;
        let of_text = [of_batch(What::Labels), Input { until, ..of_batch(What::TokenIds) }];
        return [features(&speech, pass)].into_iter().chain(of_text).collect();
    }
    let has_graph = !scenario.optimizer.needs_no_gradients();
    let follows = has_graph && (0..pass.architecture.blocks()).any(|index| pass.trains_or_follows(index));
    let mut inputs = vec![of_batch(What::TokenIds)];
    if let Some(front) = &pass.front {
        inputs.push(pixels(&front.of.image, &front.tower));
    }
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
    if pass.prompt().is_some() {
        // `torch.cat((prefix_labels, labels))`, which PEFT's forward holds until it returns.
        let dims = Dims::new(&pass.tokens());
        let storage = storage(Module::Prompt, What::Labels, dims, Dtype::Int64);
        inputs.push(Input { storage, copies: 1, until: Instant::Loss });
    }
    if pass.prefix().is_some() && scenario.padding != Padding::None {
        // `torch.cat((prefix_attention_mask, attention_mask))`, of ones in fp32.
        let dims = Dims::new(&[pass.batch(), pass.keys()]);
        let storage = storage(Module::Prompt, What::Mask, dims, Dtype::Fp32);
        inputs.push(Input { storage, copies: 1, until: Instant::Loss });
    }
    inputs.extend(masks(scenario, pass));
    if pass.architecture.decoder.is_some() {
        inputs.extend(relative_positions(pass));
    }
    if pass.architecture.family.has_alibi() {
        inputs.push(slopes(scenario, pass));
        inputs.extend(probabilities_before(pass));
    }
    if pass.architecture.family == Family::Opt {
        inputs.extend(counted_positions(scenario, pass));
    }
    if pass.architecture.has_rope() {
        // Queries and keys that need a gradient keep the tables that they are multiplied by.
        // Where each layer repeats them, only a checkpoint keeps the tables themselves.
        let repeats = pass.architecture.family.rope().repeats_tables() && !scenario.checkpointing.is_on();
        let is_kept = follows && !repeats;
        let until = if is_kept { Instant::BackwardLastVisited } else { Instant::Forward };
        inputs.push(Input { storage: rope_table(pass), copies: 1, until });
    }
    inputs
}

/// The probabilities of the layer before, which a model that hands them on names until the next one has made its own (`outputs` in
/// `BloomModel.forward`). Where there are no checkpoints backward keeps them.
fn probabilities_before(pass: &Pass) -> Option<Input> {
    let dims = Dims::new(&[pass.batch(), pass.heads(), pass.sequence(), pass.sequence()]);
    let storage = storage(Module::Attention, What::Softmax, dims, pass.compute());
    let is_named = pass.checkpointing.is_on() && pass.architecture.layers > Count::ONE;
    is_named.then_some(Input { storage, copies: 1, until: Instant::Forward })
}

/// A slope of each head times each position, of every sample (`build_alibi_tensor`), which each layer is given.
fn slopes(scenario: &Scenario, pass: &Pass) -> Input {
    let dims = Dims::new(&[pass.batch(), pass.heads(), pass.sequence()]);
    let storage = storage(Module::RelativePositions, What::Output, dims, pass.weight);
    let is_kept = scenario.checkpointing.is_on();
    Input { storage, copies: 1, until: if is_kept { Instant::BackwardLastVisited } else { Instant::Forward } }
}

/// The mask that positions are counted by, of ones in fp32 where none is given, and the positions, which each layer is given as well
/// (`OPTDecoder.forward`).
fn counted_positions(scenario: &Scenario, pass: &Pass) -> impl Iterator<Item = Input> {
    let dims = Dims::new(&pass.tokens());
    let of = |what, dtype| storage(Module::PositionEmbedding, what, dims, dtype);
    let ones = (scenario.padding == Padding::None).then(|| of(What::Mask, Dtype::Fp32));
    let is_kept = scenario.checkpointing.is_on();
    let until = if is_kept { Instant::BackwardLastVisited } else { Instant::Forward };
    let ones = ones.map(|storage| Input { storage, copies: 1, until: Instant::Forward });
    ones.into_iter().chain([Input { storage: of(What::TokenIds, Dtype::Int64), copies: 1, until }])
}

/// Images in fp32, as a processor makes them.
fn pixels(image: &Image, pass: &Pass) -> Input {
    let side = Dim::number(image.size.get());
    let dims = Dims::new(&[pass.batch(), Dim::number(image.channels.get()), side, side]);
    let storage = storage(Module::Batch, What::Pixels, dims, Dtype::Fp32);
    Input { storage, copies: 1, until: Instant::BackwardEmbedding }
}

/// Spectrograms in the dtype of the weights, which the convolution asks for outside of autocast.
fn features(speech: &Speech, pass: &Pass) -> Input {
    let dims = Dims::new(&[pass.batch(), Dim::number(speech.mel_bins.get()), Dim::number(speech.frames())]);
    let storage = storage(Module::Batch, What::Features, dims, pass.weight);
    Input { storage, copies: 1, until: Instant::BackwardEmbedding }
}

fn storage(module: Module, what: What, dims: Dims, dtype: Dtype) -> Storage {
    Storage { name: Name::of(module, what), category: Category::Activations, dims, dtype }
}

/// Of each half of an encoder-decoder: which row of the table a query and a key have, and the bias that its layers share
/// (`T5Attention.compute_bias`).
fn relative_positions(pass: &Pass) -> [Input; 2] {
    let sequence = pass.sequence();
    let of_heads = Dims::new(&[pass.heads(), sequence, sequence]);
    let rows =
        storage(Module::RelativePositions, What::TokenIds, Dims::new(&[sequence, sequence]), Dtype::Int64);
    let bias = storage(Module::RelativePositions, What::Output, of_heads, pass.weight);
    // Checkpoints keep the biases that are handed to them, and the first layer of each half makes its rows again.
    let (of_rows, of_bias, until) = if pass.checkpointing.is_on() {
        (0, 2, Instant::BackwardLastVisited)
    } else {
        (2, 1, Instant::Forward)
    };
    [
        Input { storage: rows, copies: of_rows, until: Instant::BackwardLastVisited },
        Input { storage: bias, copies: of_bias, until },
    ]
}

/// The causal masks that layers share, where SDPA can't do with `is_causal`: one of the layers that attend to everything, one of those
/// with a window. They are alive while the layers run, and as arguments of the checkpoints until the last of these has been recomputed
/// (`masking_utils.py`, `eager_mask`, `sdpa_mask`); that of layers which the first one is not of goes a little earlier, which is not
/// counted.
fn masks(scenario: &Scenario, pass: &Pass) -> impl Iterator<Item = Input> {
    let is_checkpointed = scenario.checkpointing.is_on();
    let until = if is_checkpointed { Instant::BackwardLastVisited } else { Instant::Forward };
    [false, true].into_iter().filter_map(|is_windowed| mask(pass, is_windowed)).map(move |storage| Input {
        storage,
        copies: 1,
        until,
    })
}

/// The mask of the layers with a window, or of the others, where there is such a layer and it needs one.
fn mask(pass: &Pass, is_windowed: bool) -> Option<Storage> {
    let a = &pass.architecture;
    let is_of_it = |mixer: Mixer| mixer.is_attention() && (mixer == Mixer::Window) == is_windowed;
    if !a.mixers().any(is_of_it) {
        return None;
    }
    let (sequence, keys) = (pass.sequence(), pass.keys());
    let of_batch = Dims::new(&[pass.batch(), sequence, keys]);
    let reaches = a.window.is_some_and(|window| pass.sequence >= window.get());
    // Without padding an encoder's attention is not masked at all but for windows.
    let is_encoder = a.family.is_masked() || a.decoder.is_some() || a.image.is_some();
    if is_encoder && !pass.is_padded() && !(is_windowed && reaches) {
        return None;
    }
    let is_always_made = a.family.always_makes_mask() || pass.prefix().is_some();
    let (dims, dtype) = if pass.attention == Attention::Eager {
        (of_batch, pass.weight)
    } else if pass.padding == Padding::Padded {
        (of_batch, Dtype::Bool)
    } else if is_windowed && reaches || is_always_made {
        // A mask of ones is joined with the window, which then is one for each sequence.
        let of_all = Dims::new(&[sequence, keys]);
        (if pass.padding == Padding::Ones { of_batch } else { of_all }, Dtype::Bool)
    } else {
        return None;
    };
    Some(storage(Module::Attention, What::Mask, dims, dtype))
}

/// Cosines and sines, or, for latent attention, complex numbers: two in fp32 for two dimensions.
fn rope_table(pass: &Pass) -> Storage {
    let (sequence, rotary) = (pass.sequence(), pass.rotary_dim());
    match pass.architecture.family.rope() {
        RopeKind::Complex => {
            return storage(Module::Rope, What::CosSin, Dims::new(&[sequence, rotary]), Dtype::Fp32);
        }
        // Half as many cosines and sines: each half of a head takes them all.
        RopeKind::Concatenated => {
            return storage(Module::Rope, What::CosSin, Dims::new(&[sequence, rotary]), pass.weight);
        }
        _ => {}
    }
    let tables = Dim::number(2 * rope_kinds(&pass.architecture));
    storage(Module::Rope, What::CosSin, Dims::new(&[tables, sequence, rotary]), pass.rope_dtype())
}

/// Gemma-3 and OLMo 3 have a table for its windowed layers and one for the others.
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
