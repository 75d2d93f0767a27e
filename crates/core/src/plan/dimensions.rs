//! The dimensions of a pass, each with its symbol.

use super::{Pass, Prefix};
use crate::ledger::{Dim, Symbol};
use crate::model::Architecture;

impl Pass {
    /// Tokens of a soft prompt.
    pub(crate) fn prompt(&self) -> Option<Dim> {
        self.adapters.and_then(|adapters| adapters.prompt)
    }

    /// Keys and values in front of each layer's.
    pub(crate) fn prefix(&self) -> Option<Prefix> {
        self.adapters.and_then(|adapters| adapters.prefix)
    }

    /// Keys that each query has: the sequence's, behind a prefix's.
    pub(crate) fn keys(&self) -> Dim {
        match self.prefix() {
            Some(prefix) => Dim::number(self.sequence.saturating_add(prefix.tokens.value)),
            None => self.sequence(),
        }
    }

    /// Tokens of a sequence as the batch has them.
    pub(crate) fn given(&self) -> Dim {
        let prompt = self.prompt().map_or(0, |prompt| prompt.value);
        Dim::new(Symbol::Sequence, self.sequence.saturating_sub(prompt))
    }

    /// Batch and sequence: the dimensions of a row a token.
    pub(crate) const fn tokens(&self) -> [Dim; 2] {
        [self.batch(), self.sequence()]
    }

    /// The same of norms and residuals, which sequence parallelism splits.
    pub(crate) fn stream(&self) -> [Dim; 2] {
        let sequence = self.tensor.map_or(self.sequence, |split| split.stream(self.sequence));
        [self.batch(), Dim::new(Symbol::Sequence, sequence)]
    }

    pub(crate) const fn batch(&self) -> Dim {
        Dim::new(Symbol::Batch, self.rows)
    }

    pub(crate) const fn sequence(&self) -> Dim {
        Dim::new(Symbol::Sequence, self.sequence)
    }

    pub(crate) const fn hidden(&self) -> Dim {
        Dim::new(Symbol::Hidden, self.architecture.hidden.get())
    }

    pub(crate) const fn ffn(&self) -> Dim {
        Dim::new(Symbol::Ffn, self.architecture.ffn.get())
    }

    pub(crate) const fn heads(&self) -> Dim {
        Dim::new(Symbol::Heads, self.architecture.heads.get())
    }

    pub(crate) const fn kv_heads(&self) -> Dim {
        Dim::new(Symbol::KvHeads, self.architecture.kv_heads.get())
    }

    pub(crate) const fn qkv_heads(&self) -> Dim {
        let a = &self.architecture;
        Dim::new(Symbol::QkvHeads, a.heads.get() + 2 * a.kv_heads.get())
    }

    pub(crate) const fn head_dim(&self) -> Dim {
        Dim::new(Symbol::HeadDim, self.architecture.head_dim.get())
    }

    /// Width of a value head.
    pub(crate) fn value_dim(&self) -> Dim {
        let a = &self.architecture;
        if a.latent.is_some() { Dim::new(Symbol::ValueDim, a.value_dim().get()) } else { self.head_dim() }
    }

    /// What RoPE rotates of a head.
    pub(crate) fn rotary_dim(&self) -> Dim {
        rotary_dim(&self.architecture)
    }

    /// The rank's part of the vocabulary.
    pub(crate) const fn vocabulary(&self) -> Dim {
        Dim::new(Symbol::Vocabulary, self.architecture.vocabulary.get())
    }
}

/// What RoPE rotates of a head.
pub(crate) fn rotary_dim(architecture: &Architecture) -> Dim {
    let rotary = architecture.rotary_dim();
    if rotary == architecture.head_dim {
        Dim::new(Symbol::HeadDim, rotary.get())
    } else {
        Dim::number(rotary.get())
    }
}
