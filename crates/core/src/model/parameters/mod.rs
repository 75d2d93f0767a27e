//! The parameters of a model, tensor by tensor.
//!
//! Shapes follow the modules of transformers (`modeling_llama.py` and its kin); GPT-2's `Conv1D` holds the
//! transposed matrix, which changes no count.

mod attention;
mod encoder_decoder;
mod images;
mod mlp;
mod parameter;
mod recurrent;
mod speech;

pub(crate) use attention::has_one_qkv;
pub use parameter::{LayerRange, Parameter, Place};
pub(crate) use speech::KERNEL as SPEECH_KERNEL;

use super::{Architecture, Branches};
use crate::ledger::{Dim, Dims, Module, Name, Symbol, What};

/// Every parameter, in the order in which the model registers them.
pub fn parameters(architecture: &Architecture) -> Vec<Parameter> {
    let a = architecture;
    let hidden = Dim::new(Symbol::Hidden, a.hidden.get());
    let mut list = List { architecture: a, parameters: Vec::with_capacity(32) };
    if let Some(image) = a.image {
        list.of_images(hidden, &image);
        return list.parameters;
    }
    if let Some(speech) = a.speech {
        list.speech(hidden, &speech);
        return list.parameters;
    }
    if let Some(tower) = a.tower {
        list.tower(hidden, &tower);
    }
    list.matrix(Place::Embedding, Module::Embedding, &[vocabulary(a)], &[hidden]);
    if let Some(positions) = a.positions {
        let rows = Dim::new(Symbol::Positions, positions.get());
        list.matrix(Place::Embedding, Module::PositionEmbedding, &[rows], &[hidden]);
    }
    if let Some(decoder) = a.decoder {
        list.encoder_decoder(hidden, &decoder);
        return list.parameters;
    }
    if let Some(token_types) = a.token_types {
        let rows = Dim::number(token_types.get());
        list.matrix(Place::Embedding, Module::TokenTypeEmbedding, &[rows], &[hidden]);
    }
    if a.family.is_masked() || a.family.has_alibi() {
        list.norm(Place::Embedding, Module::EmbeddingNorm, hidden);
    }
    list.recurrent(hidden);
    if !a.family.is_state_space() {
        list.attention(hidden);
        list.mlps(hidden);
    }
    list.layer_norms(hidden);
    list.head_norm(hidden);
    if let Some(labels) = a.labels {
        list.matrix(Place::Head, Module::Score, &[Dim::number(labels.get())], &[hidden]);
    } else if !a.tied {
        list.matrix(Place::Head, Module::LmHead, &[vocabulary(a)], &[hidden]);
    }
    if a.has_head_bias() {
        list.bias(Place::Head, Module::LmHead, &[vocabulary(a)]);
    }
    list.parameters
}

/// Elements of all parameters together.
pub fn parameter_count(architecture: &Architecture) -> u64 {
    elements(&parameters(architecture), architecture)
}

/// Elements of some parameters together.
pub(crate) fn elements(parameters: &[Parameter], architecture: &Architecture) -> u64 {
    parameters.iter().fold(0, |sum: u64, parameter| {
        sum.saturating_add(parameter.elements().saturating_mul(parameter.copies(architecture)))
    })
}

fn vocabulary(architecture: &Architecture) -> Dim {
    Dim::new(Symbol::Vocabulary, architecture.vocabulary.get())
}

struct List<'a> {
    architecture: &'a Architecture,
    parameters: Vec<Parameter>,
}

impl List<'_> {
    fn matrix(&mut self, place: Place, module: Module, rows: &[Dim], columns: &[Dim]) {
        let name = Name::of(module, What::Weight);
        let matrix = Some((Dims::new(rows).product(), Dims::new(columns).product()));
        self.parameters.push(Parameter {
            name,
            place,
            layers: LayerRange::ALL,
            dims: Dims::new(&[rows, columns].concat()),
            matrix,
        });
    }

    fn vector(&mut self, place: Place, module: Module, dims: &[Dim]) {
        let name = Name::of(module, What::Weight);
        self.parameters.push(Parameter {
            name,
            place,
            layers: LayerRange::ALL,
            dims: Dims::new(dims),
            matrix: None,
        });
    }

    fn bias(&mut self, place: Place, module: Module, dims: &[Dim]) {
        let name = Name::of(module, What::Bias);
        self.parameters.push(Parameter {
            name,
            place,
            layers: LayerRange::ALL,
            dims: Dims::new(dims),
            matrix: None,
        });
    }

    fn norm(&mut self, place: Place, module: Module, width: Dim) {
        let kind = self.architecture.family.norm();
        if kind.has_weight() {
            self.vector(place, module, &[width]);
        }
        if kind.has_bias() {
            self.bias(place, module, &[width]);
        }
    }

    fn linear(&mut self, module: Module, output: &[Dim], input: &[Dim], bias: bool) {
        self.linear_at(Place::Layer, module, output, input, bias);
    }

    fn linear_at(&mut self, place: Place, module: Module, output: &[Dim], input: &[Dim], bias: bool) {
        self.matrix(place, module, output, input);
        if bias {
            self.bias(place, module, output);
        }
    }

    /// The norm after the last layer, or BERT's transformation before the vocabulary (`BertLMPredictionHead`).
    fn head_norm(&mut self, hidden: Dim) {
        if !self.architecture.family.is_masked() {
            return self.norm(Place::Head, Module::FinalNorm, hidden);
        }
        self.matrix(Place::Head, Module::HeadTransform, &[hidden], &[hidden]);
        if self.architecture.family.has_norms_after_sums() {
            self.bias(Place::Head, Module::HeadTransform, &[hidden]);
        } else {
            self.norm(Place::Head, Module::FinalNorm, hidden);
        }
        self.norm(Place::Head, Module::HeadNorm, hidden);
        self.bias(Place::Head, Module::LmHead, &[vocabulary(self.architecture)]);
    }

    fn layer_norms(&mut self, hidden: Dim) {
        if self.architecture.family.has_norms_after_sums() {
            self.norm(Place::Layer, Module::PostAttentionNorm, hidden);
            self.norm(Place::Layer, Module::PostMlpNorm, hidden);
            return;
        }
        let family = self.architecture.family;
        if family.has_pre_norms() {
            let place = if family.first_has_no_input_norm() { Place::LaterLayer } else { Place::Layer };
            self.norm(place, Module::InputNorm, hidden);
        }
        if self.architecture.branches() == Branches::ParallelOneNorm || family.is_state_space() {
            return;
        }
        self.norm(Place::Layer, Module::PostAttentionNorm, hidden);
        if family.has_post_norms() {
            if family.has_pre_norms() {
                self.norm(Place::Layer, Module::PreMlpNorm, hidden);
            }
            self.norm(Place::Layer, Module::PostMlpNorm, hidden);
        }
    }
}
