//! Which kind each layer is, where layers differ: a beginning, and a period that repeats.

use crate::error::{Error, Field};

/// How a layer mixes tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mixer {
    /// Attention to everything before.
    Full,
    /// Attention to the last tokens, or to those of the same chunk (`sliding_attention`, `chunked_attention`).
    Window,
    /// Attention to everything before, without positions (`no_rope_layers`).
    FullNoPositions,
    /// None: a state goes from token to token (`linear_attention`, `mamba`).
    Recurrent,
}

impl Mixer {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Full, Self::Window, Self::FullNoPositions, Self::Recurrent];

    /// The letter of a link.
    pub const fn letter(self) -> char {
        match self {
            Self::Full => 'F',
            Self::Window => 'W',
            Self::FullNoPositions => 'N',
            Self::Recurrent => 'R',
        }
    }

    /// The kind that a letter names.
    pub fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|mixer| mixer.letter() == letter)
    }

    /// Whether it is attention.
    pub const fn is_attention(self) -> bool {
        matches!(self, Self::Full | Self::Window | Self::FullNoPositions)
    }
}

/// The kinds of a model's layers: those of the first few, and then some that repeat for as many layers as there are.
///
/// Of the ways to say the same it is always the shortest, so that equal patterns are equal values.
///
/// ```
/// use vram_core::model::Pattern;
/// let gemma3: Pattern = "WWWWWF".parse()?;
/// assert_eq!(gemma3.to_string(), "WWWWWF");
/// assert_eq!("WWWF.WWWF".parse::<Pattern>()?.to_string(), "WWWF");
/// # Ok::<(), vram_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pattern {
    mixers: [Mixer; Self::LONGEST],
    /// Layers before the period.
    prefix: u8,
    /// Layers that repeat; at least one.
    period: u8,
}

impl Pattern {
    /// The most layers that a beginning and a period can have together.
    pub const LONGEST: usize = 160;

    /// Equal layers.
    pub const fn all(mixer: Mixer) -> Self {
        Self { mixers: [mixer; Self::LONGEST], prefix: 0, period: 1 }.cut()
    }

    /// Nothing behind the period, so that equal patterns are equal values.
    const fn cut(mut self) -> Self {
        let mut at = self.prefix as usize + self.period as usize;
        while at < Self::LONGEST {
            self.mixers[at] = Mixer::Full;
            at += 1;
        }
        self
    }

    /// The pattern that begins with `prefix` and repeats `period` from there on; none where that is too long, or the period empty.
    pub fn new(prefix: &[Mixer], period: &[Mixer]) -> Option<Self> {
        let period = shortest_period(period);
        let mut repeated = period.to_vec();
        let mut first = prefix;
        // What the period could have said of the end of the beginning.
        while let (Some((last, before)), Some(of_period)) = (first.split_last(), repeated.last()) {
            if last != of_period {
                break;
            }
            repeated.rotate_right(1);
            first = before;
        }
        let length = first.len().saturating_add(repeated.len());
        if repeated.is_empty() || length > Self::LONGEST {
            return None;
        }
        let mut pattern = Self::all(Mixer::Full);
        for (place, &mixer) in pattern.mixers.iter_mut().zip(first.iter().chain(&repeated)) {
            *place = mixer;
        }
        pattern.prefix = u8::try_from(first.len()).ok()?;
        pattern.period = u8::try_from(repeated.len()).ok()?;
        Some(pattern)
    }

    /// The shortest pattern of some layers, all of which are listed; none where no pattern is short enough.
    pub fn of_list(layers: &[Mixer]) -> Option<Self> {
        let fits = |prefix: usize, period: usize| {
            layers.iter().skip(prefix).zip(layers.iter().skip(prefix + period)).all(|(a, b)| a == b)
        };
        for length in 1..=layers.len().min(Self::LONGEST) {
            for prefix in 0..length {
                if fits(prefix, length - prefix) {
                    return Self::new(layers.get(..prefix)?, layers.get(prefix..length)?);
                }
            }
        }
        None
    }

    /// One layer in `every`, the last of each, is of another kind than the others, all of which begin with the layer `first`.
    pub fn one_in(every: u64, one: Mixer, others: Mixer) -> Option<Self> {
        let every = usize::try_from(every).ok()?;
        if every == 0 || every > Self::LONGEST {
            return None;
        }
        let mut period = vec![others; every];
        *period.last_mut()? = one;
        Self::new(&[], &period)
    }

    /// The same from layer `first` on; before, layers are `mixer`.
    pub fn after(self, first: u64, mixer: Mixer) -> Option<Self> {
        let first = usize::try_from(first).ok().filter(|&first| first < Self::LONGEST)?;
        let end = first.max(usize::from(self.prefix)).saturating_add(usize::from(self.period));
        let layers: Vec<Mixer> =
            (0..end as u64).map(|at| if at < first as u64 { mixer } else { self.of(at) }).collect();
        let (prefix, period) = layers.split_at(end - usize::from(self.period));
        Self::new(prefix, period)
    }

    /// The kind of layer `index`, from 0.
    pub fn of(&self, index: u64) -> Mixer {
        let (prefix, period) = (u64::from(self.prefix), u64::from(self.period.max(1)));
        let at = if index < prefix { index } else { prefix + (index - prefix) % period };
        usize::try_from(at).ok().and_then(|at| self.mixers.get(at)).copied().unwrap_or(Mixer::Full)
    }

    /// Whether some layer, of however many, is of a kind.
    pub fn has(&self, mixer: Mixer) -> bool {
        self.listed().contains(&mixer)
    }

    /// The same with each kind replaced.
    #[must_use]
    pub fn map(self, change: impl Fn(Mixer) -> Mixer) -> Self {
        let (prefix, period) = self.listed().split_at(usize::from(self.prefix));
        let changed = |part: &[Mixer]| part.iter().map(|&mixer| change(mixer)).collect::<Vec<_>>();
        Self::new(&changed(prefix), &changed(period)).unwrap_or(self)
    }

    /// Layers before the first that is of another kind than the first one.
    pub fn leading(&self, mixer: Mixer) -> u64 {
        let listed = self.listed();
        let leading = listed.iter().take_while(|&&of| of == mixer).count();
        if leading == listed.len() { 0 } else { leading as u64 }
    }

    /// Layers that repeat.
    pub const fn period(&self) -> u8 {
        self.period
    }

    fn listed(&self) -> &[Mixer] {
        self.mixers.get(..usize::from(self.prefix) + usize::from(self.period)).unwrap_or_default()
    }
}

/// The shortest part of which the whole is a repetition.
fn shortest_period(period: &[Mixer]) -> &[Mixer] {
    let repeats = |length: &usize| {
        period.len().is_multiple_of(*length)
            && period.iter().zip(period.iter().skip(*length)).all(|(a, b)| a == b)
    };
    let length = (1..period.len()).find(repeats).unwrap_or(period.len());
    period.get(..length).unwrap_or(period)
}

impl std::fmt::Display for Pattern {
    /// The form of a link: letters of the beginning, a point, and those that repeat.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (prefix, period) = self.listed().split_at(usize::from(self.prefix));
        let letters = |part: &[Mixer]| part.iter().map(|mixer| mixer.letter()).collect::<String>();
        if prefix.is_empty() {
            return f.write_str(&letters(period));
        }
        write!(f, "{}.{}", letters(prefix), letters(period))
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Pattern {
    type Err = Error;

    /// Reads the form of a link; without a point everything repeats.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::UnknownChoice {
            field: Field::new("pattern"),
            given: Error::shown(text),
            accepted: vec!["F", "W", "N", "R", "WF", "FF.WWF"],
        };
        let letters = |part: &str| part.chars().map(Mixer::from_letter).collect::<Option<Vec<_>>>();
        if text.len() > 2 * Self::LONGEST {
            return Err(wrong());
        }
        let (prefix, period) = text.split_once('.').unwrap_or(("", text));
        let (prefix, period) = (letters(prefix).ok_or_else(wrong)?, letters(period).ok_or_else(wrong)?);
        Self::new(&prefix, &period).ok_or_else(wrong)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        text.parse::<Pattern>().unwrap().to_string()
    }

    #[test]
    fn the_shortest_form_is_the_only_one() {
        for (given, shortest) in [
            ("F", "F"),
            ("FFF.F", "F"),
            ("WFWF", "WF"),
            ("W.FW", "WF"),
            ("FF.WF", "F.FW"),
            ("F.WF", "FW"),
            ("WFFWFF.N", "WFFWFF.N"),
        ] {
            assert_eq!(read(given), shortest, "{given}");
            assert_eq!(read(shortest), shortest);
        }
    }

    #[test]
    fn a_list_of_all_layers_is_said_shortly() {
        for (given, shortest) in [
            ("FFF", "F"),
            ("WWWWWFWW", "WWWWWF"),
            ("WWNWW", "WWN"),
            ("FFFFWW", "FFFF.W"),
            ("WFFFFW", "WFFFF"),
        ] {
            let layers: Vec<Mixer> = given.chars().filter_map(Mixer::from_letter).collect();
            let pattern = Pattern::of_list(&layers).unwrap();
            assert_eq!(pattern.to_string(), shortest, "{given}");
            assert!((0..).zip(&layers).all(|(at, &mixer)| pattern.of(at) == mixer));
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let long = "WF".repeat(100) + ".W";
        for given in ["", ".", "F.", "X", "F.W.F", long.as_str()] {
            assert!(given.parse::<Pattern>().is_err(), "{given}");
        }
    }

    #[test]
    fn layers_before_the_first_are_of_their_own_kind() {
        let all = Pattern::all(Mixer::Window);
        let later = all.after(3, Mixer::Full).unwrap();
        assert_eq!(later.to_string(), "FFF.W");
        assert_eq!((later.leading(Mixer::Full), later.of(2), later.of(99)), (3, Mixer::Full, Mixer::Window));
        let every = Pattern::one_in(4, Mixer::Full, Mixer::Window).unwrap().after(2, Mixer::Full).unwrap();

        assert!((0..40).all(|at| (every.of(at) == Mixer::Full) == (at < 2 || (at + 1) % 4 == 0)));
        assert_eq!(every.after(0, Mixer::Full), Some(every));
    }
}
