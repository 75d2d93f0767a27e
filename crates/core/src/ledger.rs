//! Entries: named tensors with their shape in named dimensions, dtype, copies and lifetime.
//!
//! A formula is printed from the same value that is summed, so the two can't differ.

use core::fmt::Write as _;

pub use crate::instant::{Instant, InstantSet};
pub use crate::name::{Module, What};
use crate::units::{Bytes, Dtype};

/// What an entry is for. In the order in which bars are stacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// The trained model's weights and buffers.
    Parameters,
    /// The fp32 copy that the optimizer updates beside 16-bit weights.
    MasterWeights,
    /// Gradients of weights.
    Gradients,
    /// What the optimizer keeps between steps.
    OptimizerStates,
    /// What forward keeps for backward.
    Activations,
    /// Autocast's 16-bit copies of weights.
    WeightCasts,
    /// What lives only for an operation or two: gradients of activations, workspaces, copies inside `step()`.
    Temporaries,
    /// The frozen reference model: weights and what its forward pass holds.
    ReferenceModel,
    /// What ranks gather, reduce and exchange: gathered weights, buffers of collectives, buckets.
    Communication,
}

impl Category {
    /// All, in the order in which bars are stacked.
    pub const ALL: [Self; 9] = [
        Self::Parameters,
        Self::MasterWeights,
        Self::Gradients,
        Self::OptimizerStates,
        Self::Activations,
        Self::WeightCasts,
        Self::Temporaries,
        Self::ReferenceModel,
        Self::Communication,
    ];

    /// The word of the JSON output.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Parameters => "parameters",
            Self::MasterWeights => "master_weights",
            Self::Gradients => "gradients",
            Self::OptimizerStates => "optimizer_states",
            Self::Activations => "activations",
            Self::WeightCasts => "weight_casts",
            Self::Temporaries => "temporaries",
            Self::ReferenceModel => "reference_model",
            Self::Communication => "communication",
        }
    }

    /// Its place in [`Category::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A named dimension. Its letter is the one of the formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Symbol {
    /// Sequences in a forward pass.
    Batch,
    /// Tokens of a sequence.
    Sequence,
    /// Hidden width.
    Hidden,
    /// Width of the MLP.
    Ffn,
    /// Query heads.
    Heads,
    /// Key-value heads.
    KvHeads,
    /// Query, key and value heads together.
    QkvHeads,
    /// Width of a head.
    HeadDim,
    /// Vocabulary.
    Vocabulary,
    /// Decoder layers.
    Layers,
    /// Decoder layers but one.
    LayersButOne,
    /// Decoder layers of which the entry exists (some but not all).
    SomeLayers,
    /// Rows of the position embedding.
    Positions,
    /// Sequence length rounded up to what a kernel pads it to.
    PaddedSequence,
    /// Head width rounded up to what a kernel pads it to.
    PaddedHeadDim,
    /// Experts in a layer.
    Experts,
    /// Experts that a token goes through.
    ExpertsPerToken,
    /// Width of an expert's MLP.
    ExpertFfn,
    /// Width of the shared experts together.
    SharedFfn,
    /// Width through which latent attention's queries go.
    QueryRank,
    /// Width through which latent attention's keys and values go.
    LatentRank,
    /// Width of a value head, where it isn't that of a key head.
    ValueDim,
    /// Rank of LoRA's adapters.
    Rank,
    /// Rows of a parameter that one rank holds.
    ShardRows,
    /// Elements of a group of parameters that are gathered together.
    GroupElements,
    /// Trainable parameters, all together.
    Parameters,
    /// A plain number, printed as itself.
    Number,
}

impl Symbol {
    /// The letter of the formulas; empty for a plain number.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Batch => "b",
            Self::Sequence => "s",
            Self::Hidden => "h",
            Self::Ffn => "f",
            Self::Heads => "a",
            Self::KvHeads => "k",
            Self::QkvHeads => "(a + 2k)",
            Self::HeadDim => "d",
            Self::Vocabulary => "V",
            Self::Layers => "L",
            Self::LayersButOne => "(L − 1)",
            Self::SomeLayers => "L′",
            Self::Positions => "P",
            Self::PaddedSequence => "s′",
            Self::PaddedHeadDim => "d′",
            Self::Experts => "E",
            Self::ExpertsPerToken => "K",
            Self::ExpertFfn => "m",
            Self::SharedFfn => "m′",
            Self::QueryRank => "q",
            Self::LatentRank => "c",
            Self::ValueDim => "v",
            Self::Rank => "r",
            Self::ShardRows => "⌈n/W⌉",
            Self::GroupElements => "N′",
            Self::Parameters => "N",
            Self::Number => "",
        }
    }
}

/// A named dimension with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dim {
    /// What it is.
    pub symbol: Symbol,
    /// How large it is in this scenario.
    pub value: u64,
}

impl Dim {
    /// A dimension.
    pub const fn new(symbol: Symbol, value: u64) -> Self {
        Self { symbol, value }
    }

    /// A plain number.
    pub const fn number(value: u64) -> Self {
        Self { symbol: Symbol::Number, value }
    }
}

/// A product of at most [`Dims::MOST`] named dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dims {
    dims: [Dim; Self::MOST],
    len: u8,
}

impl Dims {
    /// How many dimensions fit.
    pub const MOST: usize = 6;

    /// The product of `dims`; what is past [`Dims::MOST`] is multiplied into the last one.
    pub fn new(dims: &[Dim]) -> Self {
        dims.iter().fold(Self { dims: [Dim::number(1); Self::MOST], len: 0 }, |all, &dim| all.and(dim))
    }

    /// The same with one dimension more at the end.
    #[must_use]
    pub fn and(mut self, dim: Dim) -> Self {
        let len = usize::from(self.len);
        if let Some(place) = self.dims.get_mut(len) {
            *place = dim;
            self.len += 1;
        } else if let Some(last) = self.dims.last_mut() {
            *last = Dim::number(last.value.saturating_mul(dim.value));
        }
        self
    }

    /// The same with one dimension more at the front.
    #[must_use]
    pub fn times(self, dim: Dim) -> Self {
        self.as_slice().iter().fold(Self::new(&[dim]), |all, &next| all.and(next))
    }

    /// The dimensions in order.
    pub fn as_slice(&self) -> &[Dim] {
        self.dims.get(..usize::from(self.len)).unwrap_or(&self.dims)
    }

    /// The same with half of the first dimension.
    #[must_use]
    pub fn halved(mut self) -> Self {
        if let Some(first) = self.dims.first_mut() {
            *first = Dim::number(first.value / 2);
        }
        self
    }

    /// The number of elements.
    pub fn product(&self) -> u64 {
        self.as_slice().iter().fold(1, |product, dim| product.saturating_mul(dim.value))
    }
}

/// What a tensor is: of which module, what of it, and whether it is that thing's gradient.
/// The text crate has the words; [`Name::key`] is the stable form of the JSON output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The part of the model or of the training loop.
    pub module: Module,
    /// What of it.
    pub what: What,
    /// Whether it is the gradient of that.
    pub gradient: bool,
    /// The part of an encoder-decoder that it belongs to.
    pub part: Part,
}

/// A part of a model that has the same modules as another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// All of a decoder, the encoder of an encoder-decoder.
    #[default]
    Main,
    /// The decoder of an encoder-decoder.
    Decoder,
    /// The value model that PPO trains beside the policy.
    Value,
    /// The model that scores completions.
    Reward,
    /// The model that is distilled.
    Teacher,
    /// Attention of the decoder to what the encoder has made.
    Cross,
    /// The vision tower in front of a language model.
    Vision,
    /// Megatron-LM's own modules.
    Megatron,
}

impl Part {
    /// What stands before a name in the JSON output.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Main | Self::Megatron => "",
            Self::Decoder => "decoder.",
            Self::Value => "value_model.",
            Self::Reward => "reward_model.",
            Self::Teacher => "teacher.",
            Self::Cross => "decoder.cross_attention.",
            Self::Vision => "vision_tower.",
        }
    }
}

impl Name {
    /// The thing itself.
    pub const fn of(module: Module, what: What) -> Self {
        Self { module, what, gradient: false, part: Part::Main }
    }

    /// Its gradient.
    pub const fn gradient_of(module: Module, what: What) -> Self {
        Self { module, what, gradient: true, part: Part::Main }
    }

    /// The stable, untranslated form, such as `gate_proj.output.grad`.
    pub fn key(self) -> String {
        let gradient = if self.gradient { ".grad" } else { "" };
        format!("{}{}.{}{gradient}", self.part.prefix(), self.module.key(), self.what.key())
    }
}

/// A named tensor, or several equal ones (a dimension `L` in front), alive at the same moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What it is.
    pub name: Name,
    /// What it is for.
    pub category: Category,
    /// Number of equal tensors, then the shape.
    pub dims: Dims,
    /// Element type.
    pub dtype: Dtype,
    /// When it is alive.
    pub instants: InstantSet,
    /// What the caching allocator adds to it by rounding, all copies together.
    pub rounding: Bytes,
}

/// Puts the largest entries first.
pub fn largest_first(entries: &mut [Entry]) {
    entries.sort_by_key(|entry| core::cmp::Reverse(entry.bytes()));
}

impl Entry {
    /// Its size.
    pub fn bytes(&self) -> Bytes {
        Bytes::new(self.dims.product()).times(self.dtype.size())
    }

    /// The formula in symbols, such as `L · b · s · f · 2 B`.
    pub fn formula(&self) -> String {
        self.print(|dim| match dim.symbol {
            Symbol::Number => dim.value.to_string(),
            symbol => symbol.letter().to_owned(),
        })
    }

    /// The formula in the reader's values, such as `32 · 2 · 256 · 8192 · 2 B`.
    pub fn substituted(&self) -> String {
        self.print(|dim| dim.value.to_string())
    }

    fn print(&self, one: impl Fn(Dim) -> String) -> String {
        let mut text = String::new();
        for &dim in self.dims.as_slice() {
            text.push_str(&one(dim));
            text.push_str(" · ");
        }
        // Writing to a String can't fail.
        let _ = write!(text, "{} B", self.dtype.size());
        text
    }
}
