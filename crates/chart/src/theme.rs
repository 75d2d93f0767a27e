//! Colours: Okabe and Ito's, which most kinds of colour vision tell apart, and their lighter forms for a dark page.

use plotters::style::RGBColor;
use vram_core::ledger::Category;

/// The colours of a scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// One a category, in the order of [`Category::ALL`].
    categories: [RGBColor; Category::ALL.len()],
    /// Text and the frame of the selected segment.
    pub ink: RGBColor,
    /// Labels that are not the peak's, the capacity's line, outlines.
    pub soft: RGBColor,
    /// The page.
    pub background: RGBColor,
    /// What was before a change.
    pub ghost: RGBColor,
}

impl Theme {
    /// For a light page.
    pub const LIGHT: Self = Self {
        categories: [
            RGBColor(0x00, 0x72, 0xb2),
            RGBColor(0x2b, 0x4a, 0x8b),
            RGBColor(0xe6, 0x9f, 0x00),
            RGBColor(0x8f, 0x4f, 0xa8),
            RGBColor(0x00, 0x9e, 0x73),
            RGBColor(0x8c, 0x98, 0x2f),
            RGBColor(0xd5, 0x5e, 0x00),
            RGBColor(0x56, 0xb4, 0xe9),
            RGBColor(0xcc, 0x79, 0xa7),
        ],
        ink: RGBColor(0x1b, 0x1d, 0x21),
        soft: RGBColor(0x5c, 0x62, 0x6c),
        background: RGBColor(0xfb, 0xfb, 0xf9),
        ghost: RGBColor(0xe3, 0xe3, 0xde),
    };

    /// For a dark page.
    pub const DARK: Self = Self {
        categories: [
            RGBColor(0x4a, 0xa3, 0xdf),
            RGBColor(0x7f, 0x93, 0xd6),
            RGBColor(0xf0, 0xb7, 0x3c),
            RGBColor(0xbb, 0x85, 0xd1),
            RGBColor(0x2f, 0xc1, 0x96),
            RGBColor(0xb9, 0xc4, 0x5a),
            RGBColor(0xf0, 0x7a, 0x3a),
            RGBColor(0x9a, 0xdc, 0xff),
            RGBColor(0xe3, 0xa3, 0xc6),
        ],
        ink: RGBColor(0xe9, 0xea, 0xec),
        soft: RGBColor(0xa0, 0xa6, 0xb0),
        background: RGBColor(0x14, 0x16, 0x1a),
        ghost: RGBColor(0x30, 0x34, 0x3b),
    };

    /// The colour of a category.
    pub fn category(&self, category: Category) -> RGBColor {
        self.categories.get(category.index()).copied().unwrap_or(self.soft)
    }
}
