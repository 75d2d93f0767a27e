//! The blocks of a model: each kind of layer once, with how many layers are of it.

use crate::model::Mixer;
use crate::plan::Pass;
use crate::rules::{self, LayerGraph, LayerKind, LayerPlace};
use crate::scenario::{Checkpointing, Scenario};
use crate::tape::{Block, Mode, Run};

/// The layers of one kind.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) layer: LayerKind,
    /// Its first and its last layer.
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// What layer `index` is in this pass; a window only matters to sequences that reach it.
pub(crate) fn kind_of(pass: &Pass, index: u64) -> LayerKind {
    if let Some(front) = &pass.front {
        let (used, all) = (front.of.used.get(), front.of.layers.get());
        let place = match index {
            _ if index < used => LayerPlace::Tower,
            _ if index < all => LayerPlace::UnusedTower,
            _ if index == all => LayerPlace::Projector,
            _ => return kind_in_text(pass, index.saturating_sub(all + 1)),
        };
        let graph = LayerGraph { is_trained: true, follows: true };
        return LayerKind {
            mixer: Mixer::Full,
            is_sparse: false,
            place,
            recomputes: pass.recomputes(index),
            graph,
        };
    }
    if let Some(encoder) = &pass.encoder {
        let layers = encoder.architecture.layers.get();
        let place = match index {
            _ if index < layers => LayerPlace::Encoder,
            _ if index == layers => LayerPlace::Bridge,
            _ if index + 1 == pass.architecture.blocks() => LayerPlace::LastDecoder,
            _ => LayerPlace::Decoder,
        };
        let kind = kind_in_text(pass, 0);
        return LayerKind { place, recomputes: pass.recomputes(index), ..kind };
    }
    kind_in_text(pass, index)
}

fn kind_in_text(pass: &Pass, index: u64) -> LayerKind {
    let a = &pass.architecture;
    LayerKind {
        mixer: if a.decoder.is_none() { mixer(pass, index) } else { Mixer::Full },
        is_sparse: a.is_sparse(index),
        place: match a.layers.get() {
            _ if index == 0 && a.family.first_has_no_input_norm() => LayerPlace::FirstWithoutNorm,
            _ if index == 0 && pass.stream_dtype() != pass.weight => LayerPlace::First,
            _ if a.decoder.is_none() => LayerPlace::Layer,
            layers if index < layers => LayerPlace::Encoder,
            layers if index == layers => LayerPlace::Bridge,
            _ => LayerPlace::Decoder,
        },
        recomputes: pass.recomputes(index),
        graph: LayerGraph { is_trained: pass.trained.is_layer(index), follows: pass.follows(index) },
    }
}

/// How layer `index` mixes tokens in this pass: a window that the sequence does not reach is none.
fn mixer(pass: &Pass, index: u64) -> Mixer {
    let a = &pass.architecture;
    let reaches = a.window.is_some_and(|window| pass.sequence >= window.get());
    match a.mixer(index) {
        Mixer::Window if !reaches => Mixer::Full,
        mixer => mixer,
    }
}

/// The kinds of layer that the model has in this pass.
pub(crate) fn kinds(pass: &Pass) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::with_capacity(3);
    for index in 0..pass.architecture.blocks() {
        let layer = kind_of(pass, index);
        match kinds.iter_mut().find(|kind| kind.layer == layer) {
            Some(kind) => kind.last = index,
            None => kinds.push(Kind { layer, first: index, last: index }),
        }
    }
    kinds
}

/// The blocks of one kind of layer.
pub(crate) struct LayerBlocks {
    pub(crate) kind: Kind,
    /// The first pass of a checkpointed layer.
    pub(crate) without_graph: Option<Block>,
    pub(crate) with_graph: Block,
    /// How its backward runs.
    pub(crate) run: Run,
    /// Whether the input that a checkpoint keeps is in the host's memory.
    pub(crate) offloads_input: bool,
}

/// Whether checkpointing keeps the input of a block and runs it again: not of what stands between stacks of layers, nor of a frozen tower.
fn can_be_checkpointed(pass: &Pass, place: LayerPlace) -> bool {
    let is_frozen = pass.front.as_ref().is_some_and(|front| front.is_frozen());
    match place {
        LayerPlace::Tower => !is_frozen,
        LayerPlace::UnusedTower => false,
        _ => place.is_layer(),
    }
}

/// A model's blocks.
pub(crate) struct Blocks {
    pub(crate) embedding: Block,
    pub(crate) layers: Vec<LayerBlocks>,
    pub(crate) head: Block,
}

impl Blocks {
    pub(crate) fn of_policy(scenario: &Scenario, pass: &Pass) -> Self {
        let (run, mode) = match scenario.checkpointing {
            Checkpointing::LayersReentrant | Checkpointing::OffloadedInputs => {
                (Run::Reentrant, Mode::Reentrant)
            }
            _ => (Run::Recompute, Mode::Recompute),
        };
        let recorded = if scenario.optimizer.needs_no_gradients() { Mode::NoGrad } else { Mode::Grad };
        let first_pass = if run == Run::Recompute { Mode::FirstPass } else { Mode::NoGrad };
        let layers = kinds(pass)
            .into_iter()
            .map(|kind| {
                let recomputes = kind.layer.recomputes && can_be_checkpointed(pass, kind.layer.place);
                let mode = if recomputes { mode } else { recorded };
                LayerBlocks {
                    kind,
                    without_graph: recomputes.then(|| rules::layer(pass, first_pass, kind.layer)),
                    with_graph: rules::layer(pass, mode, kind.layer),
                    run: if recomputes { run } else { Run::Backward },
                    offloads_input: scenario.checkpointing == Checkpointing::OffloadedInputs,
                }
            })
            .collect();
        Self {
            embedding: rules::embedding(pass, recorded),
            layers,
            head: rules::head(pass, recorded, scenario),
        }
    }
}
