//! Sizes and counts as readers see them.

use vram_core::units::Bytes;

/// The unit of sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// 2^30 bytes, as `nvidia-smi` and PyTorch's messages count.
    #[default]
    GiB,
    /// 10^9 bytes.
    GB,
}

impl Unit {
    /// Both.
    pub const ALL: [Self; 2] = [Self::GiB, Self::GB];

    /// The label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::GiB => "GiB",
            Self::GB => "GB",
        }
    }

    const fn bytes(self) -> u64 {
        match self {
            Self::GiB => 1 << 30,
            Self::GB => 1_000_000_000,
        }
    }

    const fn smaller(self) -> [(u64, &'static str); 2] {
        match self {
            Self::GiB => [(1 << 20, "MiB"), (1 << 10, "KiB")],
            Self::GB => [(1_000_000, "MB"), (1_000, "kB")],
        }
    }
}

/// The number alone: two decimals below 100, one above, none from 10,000 on.
pub fn format_number(bytes: Bytes, unit: Unit) -> String {
    fixed(bytes.get(), unit.bytes())
}

/// The number with its label; what is small gets a smaller unit.
///
/// ```
/// use vram_core::units::Bytes;
/// use vram_text::{Unit, format_bytes};
/// assert_eq!(format_bytes(Bytes::new(76_421_591_424), Unit::GiB), "71.17 GiB");
/// assert_eq!(format_bytes(Bytes::new(76_421_591_424), Unit::GB), "76.42 GB");
/// assert_eq!(format_bytes(Bytes::mib(12), Unit::GiB), "12.00 MiB");
/// assert_eq!(format_bytes(Bytes::new(384), Unit::GiB), "384 B");
/// ```
pub fn format_bytes(bytes: Bytes, unit: Unit) -> String {
    let n = bytes.get();
    let tenth = unit.bytes() / 10;
    if n >= tenth {
        return format!("{} {}", fixed(n, unit.bytes()), unit.label());
    }
    for (size, label) in unit.smaller() {
        if n >= size {
            return format!("{} {label}", fixed(n, size));
        }
    }
    format!("{n} B")
}

/// `n / unit`, rounded half up; in whole numbers, so that it is the same everywhere.
fn fixed(n: u64, unit: u64) -> String {
    let hundredths = (u128::from(n) * 100 + u128::from(unit) / 2) / u128::from(unit);
    if hundredths < 10_000 {
        return format!("{}.{:02}", hundredths / 100, hundredths % 100);
    }
    let tenths = (u128::from(n) * 10 + u128::from(unit) / 2) / u128::from(unit);
    if tenths < 100_000 {
        return format!("{}.{}", tenths / 10, tenths % 10);
    }
    format_count(u64::try_from((tenths + 5) / 10).unwrap_or(u64::MAX))
}

/// A whole number with commas between thousands.
pub fn format_count(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number of parameters, such as `3.82 B` or `124 M`.
pub fn parameter_count(n: u64) -> String {
    if n >= 1_000_000_000 {
        format!("{} B", fixed(n, 1_000_000_000))
    } else {
        format!("{} M", fixed(n, 1_000_000))
    }
}
