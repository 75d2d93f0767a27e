//! Moments of a run at which memory can be at its largest.

/// A moment of a training step at which memory can be at its largest. In order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Instant {
    /// Completions are generated, before the step that learns from them.
    Generation,
    /// Other models, or the policy before it changes, look at the completions.
    Scoring,
    /// Inside the forward pass of the decoder layers.
    Forward,
    /// Final norm, logits and loss.
    Loss,
    /// Backward through loss, logits and final norm.
    BackwardHead,
    /// Backward through the layer that backward visits first (the last one).
    BackwardFirstVisited,
    /// Backward through the layer that backward visits last (the first one).
    BackwardLastVisited,
    /// Backward through the embedding.
    BackwardEmbedding,
    /// Inside `optimizer.step()`.
    OptimizerStep,
}

impl Instant {
    /// All, in order of time.
    pub const ALL: [Self; 9] = [
        Self::Generation,
        Self::Scoring,
        Self::Forward,
        Self::Loss,
        Self::BackwardHead,
        Self::BackwardFirstVisited,
        Self::BackwardLastVisited,
        Self::BackwardEmbedding,
        Self::OptimizerStep,
    ];

    /// Those of every training step; the others belong to some objectives.
    pub const TRAINING: [Self; 7] = [
        Self::Forward,
        Self::Loss,
        Self::BackwardHead,
        Self::BackwardFirstVisited,
        Self::BackwardLastVisited,
        Self::BackwardEmbedding,
        Self::OptimizerStep,
    ];

    /// The word of the JSON output.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Generation => "generation",
            Self::Scoring => "scoring",
            Self::Forward => "forward",
            Self::Loss => "loss",
            Self::BackwardHead => "backward_head",
            Self::BackwardFirstVisited => "backward_first_visited_layer",
            Self::BackwardLastVisited => "backward_last_visited_layer",
            Self::BackwardEmbedding => "backward_embedding",
            Self::OptimizerStep => "optimizer_step",
        }
    }

    /// Its place in [`Instant::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The moments at which an entry is alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct InstantSet(u16);

impl InstantSet {
    /// Every moment of a training step.
    pub const TRAINING: Self = Self(((1 << Instant::ALL.len()) - 1) & !0b11);

    /// The same with `instant`.
    #[must_use]
    pub const fn with(self, instant: Instant) -> Self {
        Self(self.0 | 1 << instant.index())
    }

    /// Whether `instant` is in it.
    pub const fn contains(self, instant: Instant) -> bool {
        self.0 & 1 << instant.index() != 0
    }

    /// Whether every moment of `other` is in it.
    pub const fn contains_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Its moments in order of time.
    pub fn iter(self) -> impl Iterator<Item = Instant> {
        Instant::ALL.into_iter().filter(move |&instant| self.contains(instant))
    }
}
