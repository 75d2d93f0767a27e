//! A parameter tensor: what it is called, where it stands, and how often the model has one.

use crate::ledger::{Dims, Module, Name};
use crate::model::Architecture;

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Before the first layer; once.
    Embedding,
    /// In every decoder layer.
    Layer,
    /// In every layer but the first.
    LaterLayer,
    /// In every layer that has one MLP, of a model in which others have experts.
    DenseLayer,
    /// In every layer that has experts.
    SparseLayer,
    /// In every layer with attention, of a model in which others carry a state.
    AttentionLayer,
    /// In every layer that carries a state in place of attention.
    RecurrentLayer,
    /// In every layer of a vision tower that the projector's input goes through.
    TowerLayer,
    /// In every layer of the tower behind those.
    UnusedTowerLayer,
    /// In the tower behind its layers; once, and nothing needs it.
    UnusedTower,
    /// Before the first layer; once, and it is never trained.
    Fixed,
    /// In every layer of an encoder of sound.
    EncoderLayer,
    /// Between encoder and decoder, or between tower and language model; once.
    Bridge,
    /// In every layer of the decoder behind an encoder.
    DecoderLayer,
    /// After the last layer; once.
    Head,
}

/// Layers that stand next to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerRange {
    /// The first, from 0.
    pub from: u64,
    /// The one after the last.
    pub to: u64,
}

impl LayerRange {
    /// All layers, however many there are.
    pub const ALL: Self = Self { from: 0, to: u64::MAX };
    /// None.
    pub const NONE: Self = Self { from: 0, to: 0 };

    /// Whether a layer is one of them.
    pub const fn contains(self, index: u64) -> bool {
        self.from <= index && index < self.to
    }
}

/// A parameter tensor, as often as its place says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Module and part (weight or bias).
    pub name: Name,
    /// Where.
    pub place: Place,
    /// Of the layers that its place names, those that it is counted in: all, but for what is trained of a model that is frozen in part.
    pub layers: LayerRange,
    /// Shape.
    pub dims: Dims,
    /// Rows and columns of a matrix, or of all experts' matrices together; none for norms and biases.
    pub matrix: Option<(u64, u64)>,
}

impl Parameter {
    /// Elements of one such tensor.
    pub fn elements(&self) -> u64 {
        self.dims.product()
    }

    /// How many such tensors the model has.
    pub fn copies(&self, architecture: &Architecture) -> u64 {
        if self.layers != LayerRange::ALL && self.is_in_stack() {
            let layers = self.layers.from..self.layers.to.min(architecture.layers.get());
            return layers.filter(|&index| self.is_at(architecture, index)).count() as u64;
        }
        match self.place {
            Place::Layer => architecture.layers.get(),
            Place::LaterLayer => architecture.layers.get().saturating_sub(1),
            Place::DenseLayer => architecture.layers.get() - architecture.sparse_layers(),
            Place::SparseLayer => architecture.sparse_layers(),
            Place::AttentionLayer => architecture.layers.get() - architecture.recurrent_layers(),
            Place::RecurrentLayer => architecture.recurrent_layers(),
            Place::DecoderLayer => architecture.decoder.map_or(0, |decoder| decoder.layers.get()),
            Place::TowerLayer => architecture.tower.map_or(0, |tower| tower.used.get()),
            Place::UnusedTowerLayer => {
                architecture.tower.map_or(0, |tower| tower.layers.get().saturating_sub(tower.used.get()))
            }
            Place::EncoderLayer => architecture.speech.map_or(0, |speech| speech.layers.get()),
            Place::Embedding | Place::Fixed | Place::Bridge | Place::Head | Place::UnusedTower => 1,
        }
    }

    /// Whether it stands in a layer of a decoder-only model or of an encoder, from 0.
    pub fn is_at(&self, architecture: &Architecture, index: u64) -> bool {
        let is_of_place = match self.place {
            Place::Layer => true,
            Place::LaterLayer => index > 0,
            Place::DenseLayer => !architecture.is_sparse(index),
            Place::SparseLayer => architecture.is_sparse(index),
            Place::AttentionLayer => !architecture.is_recurrent(index),
            Place::RecurrentLayer => architecture.is_recurrent(index),
            _ => false,
        };
        is_of_place && self.layers.contains(index)
    }

    /// Whether it stands in one of the layers that freezing counts: those of a decoder-only model or of an encoder.
    const fn is_in_stack(&self) -> bool {
        matches!(
            self.place,
            Place::Layer
                | Place::LaterLayer
                | Place::DenseLayer
                | Place::SparseLayer
                | Place::AttentionLayer
                | Place::RecurrentLayer
        )
    }

    /// Whether it stands in a layer.
    pub fn is_in_layer(&self) -> bool {
        !matches!(
            self.place,
            Place::Embedding | Place::Fixed | Place::Bridge | Place::Head | Place::UnusedTower
        )
    }

    /// Whether it never gets a gradient: nothing that the loss depends on reads it, or it is frozen by the model itself.
    pub fn is_unused(&self) -> bool {
        matches!(self.place, Place::UnusedTowerLayer | Place::UnusedTower | Place::Fixed)
    }

    /// Whether it is an embedding or the projection to the vocabulary.
    pub fn is_of_vocabulary(&self) -> bool {
        matches!(
            self.name.module,
            Module::Embedding
                | Module::PositionEmbedding
                | Module::TokenTypeEmbedding
                | Module::LmHead
                | Module::Classifier
        )
    }

    /// Whether it is the matrices of all experts in one tensor of three dimensions.
    pub fn is_stacked(&self) -> bool {
        matches!(self.name.module, Module::ExpertsUp | Module::ExpertsDown)
    }
}
