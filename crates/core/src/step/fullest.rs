//! Of several ranks the one that needs most.

use crate::account::Account;
use crate::ledger::Instant;
use crate::timeline::LayerTotals;
use crate::units::Bytes;

/// The first of the ranks with the largest peak; none of none.
pub(super) fn fullest(
    ranks: impl Iterator<Item = (Account, Vec<LayerTotals>)>,
) -> Option<(Account, Vec<LayerTotals>)> {
    let with_peaks = ranks.map(|rank| (peak(&rank.0), rank));
    with_peaks.reduce(|most, other| if other.0 > most.0 { other } else { most }).map(|(_, rank)| rank)
}

/// The most that is alive at once.
pub(super) fn peak(account: &Account) -> Bytes {
    Instant::ALL.into_iter().map(|instant| account.totals(instant).sum()).max().unwrap_or_default()
}
