//! Some of many, chosen at random.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use lodestore_types::{Error, ErrorKind, Result};

/// How many objects are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Subset {
    /// This part of them, between 0 and 1.
    Fraction(f64),
    /// So many.
    Count(usize),
}

impl FromStr for Subset {
    type Err = Error;

    /// Reads `0.1`, `10%` or `500`.
    fn from_str(text: &str) -> Result<Self> {
        let fault = || {
            Error::new(ErrorKind::InvalidRequest, format!("`{}` is no part of the objects", text.escape_debug()))
                .with_hint("give a fraction such as `0.1` or `10%`, or a count such as `500`")
        };
        let fraction = |text: &str, of: f64| text.trim().parse::<f64>().map(|number| number / of).map_err(|_| fault());
        let subset = match text.trim().strip_suffix('%') {
            Some(percent) => Subset::Fraction(fraction(percent, 100.0)?),
            None if text.contains('.') => Subset::Fraction(fraction(text, 1.0)?),
            None => Subset::Count(text.trim().parse().map_err(|_| fault())?),
        };
        match subset {
            Subset::Fraction(part) if !(0.0..=1.0).contains(&part) => Err(fault()),
            subset => Ok(subset),
        }
    }
}

impl fmt::Display for Subset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subset::Fraction(part) => write!(f, "{}%", part * 100.0),
            Subset::Count(count) => write!(f, "{count}"),
        }
    }
}

/// Chooses by a number that stands for each thing, so that equal things are chosen together.
pub(super) enum Sample<T> {
    All,
    Part { below: u128, seed: u128, skipped: u64 },
    Few { count: usize, seed: u128, skipped: u64, chosen: BTreeMap<u128, (u128, T)> },
}

impl<T> Sample<T> {
    pub(super) fn new(subset: Option<Subset>, seed: u64) -> Result<Self> {
        let seed = u128::from(seed) << 64 | u128::from(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Ok(match subset {
            None => Sample::All,
            Some(Subset::Fraction(part)) if (0.0..=1.0).contains(&part) => {
                Sample::Part { below: (part * u128::MAX as f64) as u128, seed, skipped: 0 }
            }
            Some(Subset::Fraction(part)) => {
                return Err(Error::new(ErrorKind::InvalidRequest, format!("{part} is no part between 0 and 1")));
            }
            Some(Subset::Count(count)) => Sample::Few { count, seed, skipped: 0, chosen: BTreeMap::new() },
        })
    }

    /// The thing, if it is chosen at once. What is chosen in the end only is given by [`Sample::take`].
    pub(super) fn choose(&mut self, number: u128, thing: impl FnOnce() -> T) -> Option<T> {
        match self {
            Sample::All => Some(thing()),
            Sample::Part { below, seed, skipped } => match mixed(number ^ *seed) <= *below {
                true => Some(thing()),
                false => {
                    *skipped += 1;
                    None
                }
            },
            Sample::Few { count, seed, skipped, chosen } => {
                let rank = mixed(number ^ *seed);
                let is_full = chosen.len() >= *count;
                let is_worse = chosen.last_key_value().is_none_or(|(last, _)| rank >= *last);
                if is_full && is_worse {
                    *skipped += 1;
                    return None;
                }
                chosen.insert(rank, (number, thing()));
                if chosen.len() > *count {
                    chosen.pop_last();
                    *skipped += 1;
                }
                None
            }
        }
    }

    /// What was chosen of all, with its numbers.
    pub(super) fn take(&mut self) -> Vec<(u128, T)> {
        match self {
            Sample::Few { chosen, .. } => std::mem::take(chosen).into_values().collect(),
            Sample::All | Sample::Part { .. } => Vec::new(),
        }
    }

    pub(super) fn skipped(&self) -> u64 {
        match self {
            Sample::All => 0,
            Sample::Part { skipped, .. } | Sample::Few { skipped, .. } => *skipped,
        }
    }
}

/// Spreads the seed over all bits: two odd multiplications and shifts, each of which can be undone, so that different
/// numbers stay different.
fn mixed(number: u128) -> u128 {
    const ODD: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;
    let number = (number ^ number >> 67).wrapping_mul(ODD);
    let number = (number ^ number >> 59).wrapping_mul(ODD);
    number ^ number >> 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::references::fingerprint;

    fn numbers() -> impl Iterator<Item = u128> {
        (0..2000).map(|n: u32| fingerprint(&[&n.to_string()]))
    }

    #[test]
    fn subsets_are_read() {
        for (text, expected) in
            [("0.25", Subset::Fraction(0.25)), ("10%", Subset::Fraction(0.1)), (" 500 ", Subset::Count(500))]
        {
            assert_eq!(text.parse::<Subset>().unwrap(), expected);
        }
        for text in ["", "x", "-1", "1.5", "150%", "%"] {
            assert_eq!(text.parse::<Subset>().unwrap_err().kind(), ErrorKind::InvalidRequest, "{text}");
        }
    }

    #[test]
    fn a_count_is_kept_exactly_and_a_fraction_nearly() {
        let mut few = Sample::new(Some(Subset::Count(50)), 1).unwrap();
        let mut tenth = Sample::new(Some(Subset::Fraction(0.1)), 1).unwrap();
        let mut other = Sample::new(Some(Subset::Fraction(0.1)), 2).unwrap();
        let (mut by_seed, mut counts) = ([Vec::new(), Vec::new()], 0);
        for number in numbers() {
            assert_eq!(few.choose(number, || number), None);
            by_seed[0].extend(tenth.choose(number, || number));
            by_seed[1].extend(other.choose(number, || number));
            counts += 1;
        }
        assert_eq!((few.take().len(), few.skipped()), (50, counts - 50));
        assert!((150..250).contains(&by_seed[0].len()), "{}", by_seed[0].len());
        assert_eq!(tenth.skipped() as usize + by_seed[0].len(), 2000);
        assert_ne!(by_seed[0], by_seed[1]);
    }
}
