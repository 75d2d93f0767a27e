//! The parameters of a model, tensor by tensor.
//!
//! Shapes follow the modules of transformers (`modeling_llama.py` and its kin); GPT-2's `Conv1D` holds the
//! transposed matrix, which changes no count.

use super::{Architecture, Family, NormKind};
use crate::ledger::{Dim, Dims, Module, Name, Symbol, What};

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Before the first layer; once.
    Embedding,
    /// In every decoder layer.
    Layer,
    /// After the last layer; once.
    Head,
}

/// A parameter tensor, as often as its place says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Module and part (weight or bias).
    pub name: Name,
    /// Where.
    pub place: Place,
    /// Shape.
    pub dims: Dims,
    /// Rows and columns of a matrix; none for norms and biases.
    pub matrix: Option<(u64, u64)>,
}

impl Parameter {
    /// Elements of one such tensor.
    pub fn elements(&self) -> u64 {
        self.dims.product()
    }

    /// How many such tensors the model has.
    pub fn copies(&self, architecture: &Architecture) -> u64 {
        match self.place {
            Place::Layer => architecture.layers.get(),
            Place::Embedding | Place::Head => 1,
        }
    }

    /// Whether autocast casts it to 16 bits: operand of a matrix product (`aten/src/ATen/autocast_mode.h`).
    pub fn is_linear(&self) -> bool {
        !matches!(
            self.name.module,
            Module::Embedding
                | Module::PositionEmbedding
                | Module::InputNorm
                | Module::PostAttentionNorm
                | Module::PreMlpNorm
                | Module::PostMlpNorm
                | Module::QNorm
                | Module::KNorm
                | Module::FinalNorm
        )
    }
}

/// Every parameter, in the order in which the model registers them.
pub fn parameters(architecture: &Architecture) -> Vec<Parameter> {
    let a = architecture;
    let hidden = Dim::new(Symbol::Hidden, a.hidden.get());
    let mut list = List { architecture: a, parameters: Vec::with_capacity(32) };
    list.matrix(Place::Embedding, Module::Embedding, &[vocabulary(a)], &[hidden]);
    if let Some(positions) = a.positions {
        let rows = Dim::new(Symbol::Positions, positions.get());
        list.matrix(Place::Embedding, Module::PositionEmbedding, &[rows], &[hidden]);
    }
    list.attention(hidden);
    list.mlp(hidden);
    list.layer_norms(hidden);
    list.norm(Place::Head, Module::FinalNorm, hidden);
    if !a.tied {
        list.matrix(Place::Head, Module::LmHead, &[vocabulary(a)], &[hidden]);
    }
    list.parameters
}

/// Elements of all parameters together.
pub fn parameter_count(architecture: &Architecture) -> u64 {
    elements(&parameters(architecture), architecture)
}

/// The parameters of LoRA's adapters: two matrices beside each targeted one (`peft/tuners/lora/layer.py`).
pub(crate) fn adapters(
    parameters: &[Parameter],
    rank: Dim,
    is_target: impl Fn(Module) -> bool,
) -> Vec<Parameter> {
    let mut adapters = Vec::new();
    for parameter in parameters.iter().filter(|p| p.place == Place::Layer && is_target(p.name.module)) {
        let Some((rows, columns)) = parameter.matrix else { continue };
        let mut matrix = |what, rows: Dim, columns: Dim| {
            adapters.push(Parameter {
                name: Name::of(parameter.name.module, what),
                dims: Dims::new(&[rows, columns]),
                matrix: Some((rows.value, columns.value)),
                ..*parameter
            });
        };
        matrix(What::LoraA, rank, Dim::number(columns));
        matrix(What::LoraB, Dim::number(rows), rank);
    }
    adapters
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
        self.parameters.push(Parameter { name, place, dims: Dims::new(&[rows, columns].concat()), matrix });
    }

    fn vector(&mut self, place: Place, module: Module, dims: &[Dim]) {
        let name = Name::of(module, What::Weight);
        self.parameters.push(Parameter { name, place, dims: Dims::new(dims), matrix: None });
    }

    fn bias(&mut self, place: Place, module: Module, dims: &[Dim]) {
        let name = Name::of(module, What::Bias);
        self.parameters.push(Parameter { name, place, dims: Dims::new(dims), matrix: None });
    }

    fn norm(&mut self, place: Place, module: Module, width: Dim) {
        self.vector(place, module, &[width]);
        if self.architecture.family.norm() == NormKind::LayerNorm {
            self.bias(place, module, &[width]);
        }
    }

    fn linear(&mut self, module: Module, output: &[Dim], input: &[Dim], bias: bool) {
        self.matrix(Place::Layer, module, output, input);
        if bias {
            self.bias(Place::Layer, module, output);
        }
    }

    fn attention(&mut self, hidden: Dim) {
        let a = self.architecture;
        let head_dim = Dim::new(Symbol::HeadDim, a.head_dim.get());
        let query = [Dim::new(Symbol::Heads, a.heads.get()), head_dim];
        let key = [Dim::new(Symbol::KvHeads, a.kv_heads.get()), head_dim];
        if has_one_qkv(a) {
            let all_heads = a.heads.get().saturating_add(a.kv_heads.get().saturating_mul(2));
            let fused = [Dim::new(Symbol::QkvHeads, all_heads), head_dim];
            self.linear(Module::QkvProj, &fused, &[hidden], a.qkv_bias);
        } else {
            self.linear(Module::QProj, &query, &[hidden], a.qkv_bias);
            self.linear(Module::KProj, &key, &[hidden], a.qkv_bias);
            self.linear(Module::VProj, &key, &[hidden], a.qkv_bias);
        }
        self.linear(Module::OProj, &[hidden], &query, a.output_bias);
        if a.family.has_qk_norm() {
            self.norm(Place::Layer, Module::QNorm, head_dim);
            self.norm(Place::Layer, Module::KNorm, head_dim);
        }
    }

    fn mlp(&mut self, hidden: Dim) {
        let a = self.architecture;
        let ffn = Dim::new(Symbol::Ffn, a.ffn.get());
        if a.family.has_fused_projections() {
            self.linear(Module::GateUpProj, &[Dim::number(2), ffn], &[hidden], a.mlp_bias);
        } else {
            if a.family.has_gated_mlp() {
                self.linear(Module::GateProj, &[ffn], &[hidden], a.mlp_bias);
            }
            self.linear(Module::UpProj, &[ffn], &[hidden], a.mlp_bias);
        }
        self.linear(Module::DownProj, &[hidden], &[ffn], a.mlp_bias);
    }

    fn layer_norms(&mut self, hidden: Dim) {
        self.norm(Place::Layer, Module::InputNorm, hidden);
        self.norm(Place::Layer, Module::PostAttentionNorm, hidden);
        if self.architecture.family.has_post_norms() {
            self.norm(Place::Layer, Module::PreMlpNorm, hidden);
            self.norm(Place::Layer, Module::PostMlpNorm, hidden);
        }
    }
}

/// Whether one projection makes q, k and v: `Phi3Attention.qkv_proj`, `GPT2Attention.c_attn`, `GPTNeoXAttention.query_key_value`.
pub(crate) fn has_one_qkv(architecture: &Architecture) -> bool {
    architecture.family.has_fused_projections()
        || matches!(architecture.family, Family::Gpt2 | Family::GptNeox)
}
