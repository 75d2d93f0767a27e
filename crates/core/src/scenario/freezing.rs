//! Which of the model's own parameters are trained, where not all are: full fine-tuning of a part.

use super::choices::choices;
use super::unsupported;
use crate::error::Error;
use crate::trained::Trained;
use crate::units::Count;

choices! {
    /// Which layers are frozen.
    FrozenLayers {
        /// None.
        None = "none",
        /// The first ones, as many as is said.
        First = "first",
        /// All but the last ones, of which as many are trained as is said.
        AllButLast = "all_but_last",
        /// All but some that are drawn at random again and again (LISA, arXiv:2403.17919), with an optimizer that is made anew for them.
        Lisa = "lisa",
        /// The same, with one optimizer, which keeps the states of all that have been drawn.
        LisaKept = "lisa_kept",
        /// All.
        All = "all",
    }
}

impl FrozenLayers {
    /// Whether a number of layers belongs to it.
    pub const fn has_count(self) -> bool {
        matches!(self, Self::First | Self::AllButLast) || self.is_drawn()
    }

    /// Whether the trained layers are drawn at random. The last ones stand for them: their gradients are there earliest, beside what all
    /// other layers keep.
    pub const fn is_drawn(self) -> bool {
        matches!(self, Self::Lisa | Self::LisaKept)
    }
}

choices! {
    /// Which kinds of parameters are trained, of those that are not frozen with their part.
    TrainedKinds {
        /// All.
        All = "all",
        /// Norms alone.
        Norms = "norms",
        /// Biases alone, norms' too (BitFit, arXiv:2106.10199).
        Biases = "biases",
    }
}

/// What is frozen of the model's own parameters. With adapters all of it is, whatever stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freezing {
    /// What stands before the layers: token, position and type embeddings and their norm; a tied projection to the vocabulary with it.
    pub embedding: bool,
    /// Which layers.
    pub layers: FrozenLayers,
    /// How many of them are frozen first, or trained last.
    pub count: Count,
    /// What stands after the layers: the last norm, the projection to the vocabulary where it is not tied.
    pub head: bool,
    /// Of the rest, what is trained.
    pub kinds: TrainedKinds,
}

impl Default for Freezing {
    /// Nothing is.
    fn default() -> Self {
        Self {
            embedding: false,
            layers: FrozenLayers::None,
            count: Count::ONE,
            head: false,
            kinds: TrainedKinds::All,
        }
    }
}

impl Freezing {
    /// Whether anything is frozen.
    pub fn is_on(&self) -> bool {
        *self != Self { count: self.count, ..Self::default() }
    }

    /// Something must be left to train. What the halves of an encoder-decoder share is followed where all of it is trained.
    pub(super) fn check(self, trained: &Trained, has_decoder: bool) -> Result<(), Error> {
        if trained.is_anything() && !(self.is_on() && has_decoder) {
            return Ok(());
        }
        let by_part = [
            ("freeze_layers", self.layers.key(), FrozenLayers::None.key(), self.layers != FrozenLayers::None),
            ("freeze_embedding", "1", "0", self.embedding && has_decoder),
            ("freeze_head", "1", "0", self.head && has_decoder),
        ];
        let (key, given, accepted) = by_part.into_iter().find(|&(.., is_frozen)| is_frozen).map_or(
            ("trained_kinds", self.kinds.key(), TrainedKinds::All.key()),
            |(key, given, accepted, _)| (key, given, accepted),
        );
        Err(unsupported(key, given, &[accepted]))
    }

    /// Of `layers` layers, the index of the first one that is not frozen.
    pub fn first_trained(&self, layers: u64) -> u64 {
        match self.layers {
            FrozenLayers::None => 0,
            FrozenLayers::First => self.count.get().min(layers),
            FrozenLayers::AllButLast | FrozenLayers::Lisa | FrozenLayers::LisaKept => {
                layers.saturating_sub(self.count.get())
            }
            FrozenLayers::All => layers,
        }
    }
}
