//! Quantities that must not be mixed up: bytes, counts, element types.

use core::fmt;
use core::iter::Sum;
use core::ops::Add;

/// A size in bytes.
///
/// Arithmetic saturates at [`Bytes::MAX`]; [`crate::estimate`] refuses a scenario whose
/// figures reach [`Bytes::LIMIT`], so that no sum is ever wrong in silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

impl Bytes {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest value that can be held; reached only by saturation.
    pub const MAX: Self = Self(u64::MAX);
    /// One exbibyte: from here on a figure is refused as meaningless.
    pub const LIMIT: Self = Self(1 << 60);

    /// From a number of bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// From a number of GiB (2^30 bytes).
    pub const fn gib(gib: u64) -> Self {
        Self(gib.saturating_mul(1 << 30))
    }

    /// From a number of MiB (2^20 bytes).
    pub const fn mib(mib: u64) -> Self {
        Self(mib.saturating_mul(1 << 20))
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// `self - other`, or zero where `other` is larger.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `self` taken `n` times.
    #[must_use]
    pub const fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }

    /// The next multiple of `step` (at least one byte).
    #[must_use]
    pub const fn round_up_to(self, step: Self) -> Self {
        match self.0.checked_next_multiple_of(step.0) {
            Some(rounded) => Self(rounded),
            None => self,
        }
    }

    /// The value in GiB, for showing only.
    #[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
    pub fn as_gib(self) -> f64 {
        self.0 as f64 / f64::from(1 << 30)
    }
}

impl Add for Bytes {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl core::ops::AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

/// A positive whole number that a reader may set: layers, heads, samples, tokens of a sequence.
///
/// The range of each is stated by its [`crate::error::Field`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count(u32);

impl Count {
    /// One.
    pub const ONE: Self = Self(1);

    /// From a plain number. Ranges are checked where a scenario is validated.
    pub const fn new(n: u32) -> Self {
        Self(n)
    }

    /// The number as it was made.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The number, wide enough to multiply.
    pub const fn get(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Bytes for each parameter, in thousandths of a byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PerParameter(u32);

impl PerParameter {
    /// The most that can be said: a kibibyte for each parameter.
    pub const MOST: Self = Self(1_024_000);

    /// From thousandths of a byte.
    pub const fn thousandths(thousandths: u32) -> Self {
        Self(thousandths)
    }

    /// Reads `2.03`: at most three decimals, none of them needed.
    pub fn read(text: &str) -> Option<Self> {
        let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || part.len() > 3 || !is_number(whole) || !is_number(part) {
            return None;
        }
        let thousandths: u32 = format!("{part:0<3}").parse().ok()?;
        let each = Self(whole.parse::<u32>().ok()?.checked_mul(1000)?.checked_add(thousandths)?);
        (each <= Self::MOST).then_some(each)
    }

    /// Bytes of so many parameters, rounded up.
    pub const fn of(self, parameters: u64) -> Bytes {
        Bytes(parameters.saturating_mul(self.0 as u64).div_ceil(1000))
    }
}

impl fmt::Display for PerParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1000, self.0 % 1000);
        if part == 0 {
            return whole.fmt(f);
        }
        let digits = format!("{part:03}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dtype {
    /// 4 bytes.
    Fp32,
    /// 2 bytes.
    Bf16,
    /// 2 bytes.
    Fp16,
    /// 4 bytes: where each expert's tokens end.
    Int32,
    /// 8 bytes: token ids, labels, indices.
    Int64,
    /// 1 byte: dropout masks, attention masks.
    Bool,
    /// 1 byte: quantised optimizer states, two 4-bit weights.
    Uint8,
    /// 1 byte: weights and inputs in 8 bits.
    Int8,
}

impl Dtype {
    /// Bytes of one element.
    pub const fn size(self) -> u64 {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => 1,
            Self::Bf16 | Self::Fp16 => 2,
            Self::Fp32 | Self::Int32 => 4,
            Self::Int64 => 8,
        }
    }

    /// PyTorch's own name.
    pub const fn torch_name(self) -> &'static str {
        match self {
            Self::Fp32 => "float32",
            Self::Bf16 => "bfloat16",
            Self::Fp16 => "float16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Bool => "bool",
            Self::Uint8 => "uint8",
            Self::Int8 => "int8",
        }
    }
}
