//! The blocks of a model: each kind of layer once, with how many layers are of it.

use crate::plan::Pass;
use crate::rules;
use crate::scenario::{Checkpointing, Scenario};
use crate::tape::{Block, Mode};

/// The layers of one kind.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) is_windowed: bool,
    /// Whether autograd follows the layer's input: not that of the first layer where the embedding is frozen.
    pub(super) follows: bool,
    pub(super) count: u64,
}

/// The kinds of layer that the model has in this pass; a window only matters to sequences that reach it.
pub(super) fn kinds(pass: &Pass) -> Vec<Kind> {
    let a = &pass.architecture;
    let reaches = a.window.is_some_and(|window| pass.sequence >= window.size.get());
    let windowed =
        if reaches { (0..a.layers.get()).filter(|&index| a.is_windowed(index)).count() as u64 } else { 0 };
    let full = a.layers.get() - windowed;
    let first = Kind {
        is_windowed: reaches && a.is_windowed(0),
        follows: false,
        count: u64::from(!pass.first_follows()),
    };
    let others = |is_windowed, count: u64| {
        let taken = if first.is_windowed == is_windowed { first.count } else { 0 };
        Kind { is_windowed, follows: true, count: count - taken }
    };
    [first, others(false, full), others(true, windowed)].into_iter().filter(|kind| kind.count > 0).collect()
}

/// The blocks of one kind of layer.
pub(super) struct LayerBlocks {
    pub(super) kind: Kind,
    /// The first pass of a checkpointed layer.
    pub(super) without_graph: Option<Block>,
    pub(super) with_graph: Block,
}

/// A model's blocks.
pub(super) struct Blocks {
    pub(super) embedding: Block,
    pub(super) layers: Vec<LayerBlocks>,
    pub(super) head: Block,
}

impl Blocks {
    pub(super) fn of_policy(scenario: &Scenario, pass: &Pass) -> Self {
        let is_checkpointed = scenario.checkpointing == Checkpointing::Layers;
        let layers = kinds(pass)
            .into_iter()
            .map(|kind| LayerBlocks {
                kind,
                without_graph: is_checkpointed
                    .then(|| rules::layer(pass, Mode::NoGrad, kind.is_windowed, kind.follows)),
                with_graph: rules::layer(pass, Mode::Grad, kind.is_windowed, kind.follows),
            })
            .collect();
        Self {
            embedding: rules::embedding(pass, Mode::Grad),
            layers,
            head: rules::head(pass, Mode::Grad, scenario),
        }
    }
}
