//! Sums of bytes by category.

use crate::ledger::Category;
use crate::units::Bytes;

const CATEGORIES: usize = Category::ALL.len();

/// Bytes of each category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals([Bytes; CATEGORIES]);

impl Totals {
    /// In the order of [`Category::ALL`].
    pub(crate) const fn categories(self) -> [Bytes; CATEGORIES] {
        self.0
    }

    pub(crate) fn put(&mut self, category: Category, bytes: Bytes) {
        self.0[category.index()] = bytes;
    }

    pub(crate) fn add(&mut self, category: Category, bytes: Bytes) {
        self.0[category.index()] += bytes;
    }

    /// All categories together.
    pub(crate) fn sum(&self) -> Bytes {
        self.0.iter().copied().sum()
    }

    /// Without what is not there after all.
    #[must_use]
    pub(crate) fn without(mut self, category: Category, bytes: Bytes) -> Self {
        let of_category = &mut self.0[category.index()];
        *of_category = of_category.saturating_sub(bytes);
        self
    }

    /// `self` and `other` together.
    #[must_use]
    pub(crate) fn and(mut self, other: &Self) -> Self {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
        self
    }
}
