//! Rows that are added to the vocabulary before training.

use crate::model::Architecture;
use crate::scenario::limits;
use crate::units::Count;

/// Embedding and head with more rows than the tokenizer has tokens: `resize_token_embeddings(pad_to_multiple_of=…)` of transformers,
/// `make-vocab-size-divisible-by` of Megatron-LM. Off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    /// The number of rows is rounded up to a multiple of this; none: it stays as the configuration says.
    pub multiple_of: Option<Count>,
}

impl Vocabulary {
    /// The model as it is trained, and as its reference is loaded: with the rows that were added.
    #[must_use]
    pub fn padded(self, architecture: &Architecture) -> Architecture {
        let Some(multiple) = self.multiple_of.filter(|multiple| multiple.get() > 0) else {
            return *architecture;
        };
        let rows = architecture.vocabulary.get().next_multiple_of(multiple.get());
        let rows = u32::try_from(rows).unwrap_or(limits::VOCABULARY.1);
        Architecture { vocabulary: Count::new(rows), ..*architecture }
    }
}
