//! How evenly a router deals out tokens among the ranks that hold experts.

use super::{Scenario, in_range};
use crate::error::Error;
use crate::units::Count;

/// Tokens that experts get, seen from the rank whose experts get most.
///
/// On one GPU nothing depends on it: transformers copies every token once for each expert that it goes through and multiplies all in one
/// grouped product (`integrations/moe.py`, `grouped_mm_experts_forward`), whose loop over experts writes into parts of one result
/// (`aten/src/ATen/native/GroupedMMUtils.h`, `_grouped_mm_fallback`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpertLoad {
    /// Tokens of the fullest expert-parallel rank, in percent of what each has on average: 100 where all have as many.
    pub imbalance: Count,
}

impl ExpertLoad {
    /// As many tokens for each rank, in percent of the mean.
    pub(crate) const BALANCED: u32 = 100;
}

impl Default for ExpertLoad {
    /// Balanced.
    fn default() -> Self {
        Self { imbalance: Count::new(Self::BALANCED) }
    }
}

impl Scenario {
    /// The fullest rank has all tokens, or each once for each of its experts where those are fewer than a token goes through.
    pub(super) fn check_expert_load(&self) -> Result<(), Error> {
        let ranks = if self.is_megatron() { self.parallel.mesh.expert.get().max(1) } else { 1 };
        let most = self.model.architecture.experts.map_or(1, |experts| {
            let local = (experts.count.get() / ranks).max(1);
            let (chosen, of_rank) =
                (experts.per_token.get().max(1), experts.per_token.get().min(local).max(1));
            ranks.saturating_mul(of_rank).saturating_mul(ExpertLoad::BALANCED.into()) / chosen
        });
        let most = u32::try_from(most).unwrap_or(u32::MAX).max(ExpertLoad::BALANCED);
        in_range("expert_imbalance", self.expert_load.imbalance, (ExpertLoad::BALANCED, most))
    }
}
