//! The parameters of a model, tensor by tensor.
//!
//! Shapes follow the modules of transformers (`modeling_llama.py` and its kin); GPT-2's `Conv1D` holds the
//! transposed matrix, which changes no count.

mod images;
mod recurrent;

use super::{Architecture, Branches, Decoder, Experts, Family, Latent, QkNorm};
use crate::ledger::{Dim, Dims, Module, Name, Part, Symbol, What};

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
            Place::Embedding | Place::Bridge | Place::Head | Place::UnusedTower => 1,
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
        !matches!(self.place, Place::Embedding | Place::Bridge | Place::Head | Place::UnusedTower)
    }

    /// Whether nothing that the loss depends on reads it, so that it never gets a gradient.
    pub fn is_unused(&self) -> bool {
        matches!(self.place, Place::UnusedTowerLayer | Place::UnusedTower)
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

/// Every parameter, in the order in which the model registers them.
pub fn parameters(architecture: &Architecture) -> Vec<Parameter> {
    let a = architecture;
    let hidden = Dim::new(Symbol::Hidden, a.hidden.get());
    let mut list = List { architecture: a, parameters: Vec::with_capacity(32) };
    if let Some(image) = a.image {
        list.of_images(hidden, &image);
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
    if a.family.is_masked() {
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
    if a.family.has_head_bias() {
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

    fn attention(&mut self, hidden: Dim) {
        let a = self.architecture;
        let head_dim = Dim::new(Symbol::HeadDim, a.head_dim.get());
        let query = [Dim::new(Symbol::Heads, a.heads.get()), head_dim];
        let key = [Dim::new(Symbol::KvHeads, a.kv_heads.get()), head_dim];
        let place = if a.recurrent.is_some() { Place::AttentionLayer } else { Place::Layer };
        if let Some(latent) = a.latent {
            self.latent(hidden, &latent);
            return;
        }
        if has_one_qkv(a) {
            let all_heads = a.heads.get().saturating_add(a.kv_heads.get().saturating_mul(2));
            let fused = [Dim::new(Symbol::QkvHeads, all_heads), head_dim];
            self.linear_at(place, Module::QkvProj, &fused, &[hidden], a.qkv_bias);
        } else {
            // Beside the queries, what the output is multiplied by.
            let gated = [Dim::number(2), query[0], query[1]];
            let of_query = if a.family.gates_attention() { &gated[..] } else { &query };
            self.linear_at(place, Module::QProj, of_query, &[hidden], a.qkv_bias);
            self.linear_at(place, Module::KProj, &key, &[hidden], a.qkv_bias);
            self.linear_at(place, Module::VProj, &key, &[hidden], a.qkv_bias);
        }
        self.linear_at(place, Module::OProj, &[hidden], &query, a.output_bias);
        if a.family.has_sinks() {
            self.vector(place, Module::Sinks, &query[..1]);
        }
        match a.qk_norm() {
            QkNorm::None | QkNorm::WithoutWeights => {}
            QkNorm::Heads | QkNorm::HeadsAfterRope => {
                self.norm(place, Module::QNorm, head_dim);
                self.norm(place, Module::KNorm, head_dim);
            }
            QkNorm::Wide => {
                self.norm(place, Module::QNorm, Dim::number(a.query_width()));
                self.norm(place, Module::KNorm, Dim::number(a.kv_width()));
            }
        }
    }

    /// `DeepseekV2Attention`.
    fn latent(&mut self, hidden: Dim, latent: &Latent) {
        let a = self.architecture;
        let heads = Dim::new(Symbol::Heads, a.heads.get());
        let query = [heads, Dim::new(Symbol::HeadDim, a.head_dim.get())];
        if let Some(rank) = latent.query_rank {
            let rank = Dim::new(Symbol::QueryRank, rank.get());
            self.linear(Module::QAProj, &[rank], &[hidden], a.qkv_bias);
            self.norm(Place::Layer, Module::QANorm, rank);
            self.linear(Module::QBProj, &query, &[rank], false);
        } else {
            self.linear(Module::QProj, &query, &[hidden], false);
        }
        let rank = Dim::new(Symbol::LatentRank, latent.rank.get());
        let compressed = Dim::number(latent.rank.get().saturating_add(a.rotary_dim().get()));
        self.linear(Module::KvAProj, &[compressed], &[hidden], a.qkv_bias);
        self.norm(Place::Layer, Module::KvANorm, rank);
        let both = Dim::number(a.plain_dim().saturating_add(latent.value.get()));
        self.linear(Module::KvBProj, &[heads, both], &[rank], false);
        let value = Dim::new(Symbol::ValueDim, latent.value.get());
        self.linear(Module::OProj, &[hidden], &[heads, value], a.output_bias);
    }

    /// `T5Stack`, twice.
    fn encoder_decoder(&mut self, hidden: Dim, decoder: &Decoder) {
        let table = [Dim::number(decoder.buckets.get())];
        let heads = [Dim::new(Symbol::Heads, self.architecture.heads.get())];
        self.matrix(Place::Embedding, Module::RelativePositions, &table, &heads);
        self.t5_attention(Place::Layer, Part::Main, Module::InputNorm, hidden);
        self.t5_mlp(Place::Layer, hidden);
        let begin = self.parameters.len();
        self.norm(Place::Bridge, Module::FinalNorm, hidden);
        self.matrix(Place::Bridge, Module::RelativePositions, &table, &heads);
        self.t5_attention(Place::DecoderLayer, Part::Decoder, Module::InputNorm, hidden);
        self.t5_mlp(Place::DecoderLayer, hidden);
        for parameter in self.parameters.iter_mut().skip(begin + 1) {
            parameter.name.part = Part::Decoder;
        }
        self.t5_attention(Place::DecoderLayer, Part::Cross, Module::InputNorm, hidden);
        self.norm(Place::Head, Module::FinalNorm, hidden);
        if let Some(norm) = self.parameters.last_mut() {
            norm.name.part = Part::Decoder;
        }
    }

    fn t5_attention(&mut self, place: Place, part: Part, norm: Module, hidden: Dim) {
        let a = self.architecture;
        let inner = [Dim::new(Symbol::Heads, a.heads.get()), Dim::new(Symbol::HeadDim, a.head_dim.get())];
        let begin = self.parameters.len();
        for module in [Module::QProj, Module::KProj, Module::VProj] {
            self.matrix(place, module, &inner, &[hidden]);
        }
        self.matrix(place, Module::OProj, &[hidden], &inner);
        self.norm(place, norm, hidden);
        for parameter in self.parameters.iter_mut().skip(begin) {
            parameter.name.part = part;
        }
    }

    fn t5_mlp(&mut self, place: Place, hidden: Dim) {
        self.mlp(place, hidden);
        self.norm(place, Module::PostAttentionNorm, hidden);
    }

    /// One MLP in each layer, or experts in some and one MLP in the others.
    fn mlps(&mut self, hidden: Dim) {
        let Some(experts) = self.architecture.experts else {
            return self.mlp(Place::Layer, hidden);
        };
        if self.architecture.sparse_layers() < self.architecture.layers.get() {
            self.mlp(Place::DenseLayer, hidden);
        }
        self.experts(hidden, &experts);
    }

    fn mlp(&mut self, place: Place, hidden: Dim) {
        let a = self.architecture;
        let ffn = Dim::new(Symbol::Ffn, a.ffn.get());
        if a.family.has_fused_gate() {
            self.linear_at(place, Module::GateUpProj, &[Dim::number(2), ffn], &[hidden], a.mlp_bias);
        } else {
            if a.is_gated() {
                self.linear_at(place, Module::GateProj, &[ffn], &[hidden], a.mlp_bias);
            }
            self.linear_at(place, Module::UpProj, &[ffn], &[hidden], a.mlp_bias);
        }
        self.linear_at(place, Module::DownProj, &[hidden], &[ffn], a.mlp_bias);
    }

    /// The router and the experts' matrices (`MixtralExperts`), with the MLP that every token goes through (`DeepseekV2Moe`).
    fn experts(&mut self, hidden: Dim, experts: &Experts) {
        let count = Dim::new(Symbol::Experts, experts.count.get());
        let ffn = Dim::new(Symbol::ExpertFfn, experts.ffn.get());
        let has_biases = self.architecture.family.has_expert_biases();
        let router_is_first = matches!(self.architecture.family, Family::Mixtral | Family::Olmoe);
        if router_is_first {
            self.linear_at(Place::SparseLayer, Module::Router, &[count], &[hidden], false);
        }
        self.stacked(Module::ExpertsUp, count, &[Dim::number(2), ffn], &[hidden]);
        self.stacked(Module::ExpertsDown, count, &[hidden], &[ffn]);
        if has_biases {
            self.bias(Place::SparseLayer, Module::ExpertsUp, &[count, Dim::number(2), ffn]);
            self.bias(Place::SparseLayer, Module::ExpertsDown, &[count, hidden]);
        }
        if !router_is_first {
            self.linear_at(Place::SparseLayer, Module::Router, &[count], &[hidden], has_biases);
        }
        if self.architecture.family.has_shared_gate() {
            self.linear_at(Place::SparseLayer, Module::SharedGate, &[Dim::number(1)], &[hidden], false);
        }
        if let Some(width) = experts.shared_ffn {
            let shared = Dim::new(Symbol::SharedFfn, width.get());
            let bias = self.architecture.mlp_bias;
            self.linear_at(Place::SparseLayer, Module::SharedGateProj, &[shared], &[hidden], bias);
            self.linear_at(Place::SparseLayer, Module::SharedUpProj, &[shared], &[hidden], bias);
            self.linear_at(Place::SparseLayer, Module::SharedDownProj, &[hidden], &[shared], bias);
        }
    }

    /// A matrix for each expert, all in one parameter.
    fn stacked(&mut self, module: Module, count: Dim, rows: &[Dim], columns: &[Dim]) {
        let of_all = |dims: &[Dim]| Dims::new(dims).product().saturating_mul(count.value);
        self.parameters.push(Parameter {
            name: Name::of(module, What::Weight),
            place: Place::SparseLayer,
            layers: LayerRange::ALL,
            dims: Dims::new(&[&[count], rows, columns].concat()),
            matrix: Some((of_all(rows), of_all(columns))),
        });
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

/// Whether one projection makes q, k and v: `Phi3Attention.qkv_proj`, `GPT2Attention.c_attn`, `GPTBigCodeAttention.c_attn`,
/// `GPTNeoXAttention.query_key_value`,
/// `ModernBertAttention.Wqkv`.
pub(crate) fn has_one_qkv(architecture: &Architecture) -> bool {
    architecture.family.has_fused_qkv()
        || matches!(
            architecture.family,
            Family::Gpt2 | Family::GptBigCode | Family::Falcon | Family::GptNeox | Family::ModernBert
        )
}
