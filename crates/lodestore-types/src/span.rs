//! Spans of time as SQL's `time` holds them: of either sign, and longer than a day.

use std::fmt;
use std::str::FromStr;

use crate::{Error, ErrorKind, Result};

/// A span of time with microseconds. Its text is `[-]HH:MM:SS[.ffffff]`, with more digits for the hours if need be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(i64);

impl Span {
    /// The span of so many microseconds.
    pub fn from_microseconds(microseconds: i64) -> Self {
        Span(microseconds)
    }

    /// Its length in microseconds.
    pub fn microseconds(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (seconds, rest) = (self.0.unsigned_abs() / 1_000_000, self.0.unsigned_abs() % 1_000_000);
        write!(f, "{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        if rest > 0 { write!(f, ".{rest:06}") } else { Ok(()) }
    }
}

impl FromStr for Span {
    type Err = Error;

    /// Reads `13:14`, `1:2:3`, `-100:00:00.5`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for text of another form.
    fn from_str(text: &str) -> Result<Span> {
        let read = || {
            let trimmed = text.trim();
            let unsigned = trimmed.strip_prefix('-').unwrap_or(trimmed);
            let (clock, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
            let number = |digits: &str, most: usize| {
                let plain = (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
                plain.then(|| digits.parse::<i64>().ok()).flatten()
            };
            let mut parts = clock.split(':');
            let (hours, minutes) = (number(parts.next()?, 6)?, number(parts.next()?, 2)?);
            let seconds = parts.next().map_or(Some(0), |seconds| number(seconds, 2))?;
            if parts.next().is_some() || minutes > 59 || seconds > 59 || fraction.len() > 6 {
                return None;
            }
            let micros = number(&format!("{fraction:0<6}"), 6)?;
            let total = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros;
            Some(Span(if trimmed.starts_with('-') { -total } else { total }))
        };
        read().ok_or_else(|| {
            Error::new(ErrorKind::InvalidValue, format!("{:?} is not a span of time", crate::value::shorten(text)))
                .with_hint("write it as [-]HH:MM:SS[.ffffff]")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written() {
        for (text, canonical, microseconds) in [
            ("10:11:12", "10:11:12", 36_672_000_000),
            ("1:2:3", "01:02:03", 3_723_000_000),
            ("13:14", "13:14:00", 47_640_000_000),
            ("-100:00:00.5", "-100:00:00.500000", -360_000_500_000),
            ("00:00:00.000001", "00:00:00.000001", 1),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.to_string().as_str(), span.microseconds()), (canonical, microseconds));
            assert_eq!(canonical.parse::<Span>().unwrap(), span);
        }
        for text in ["", "1", "1:60", "1:00:60", "a:b", "1:2:3:4", "1:2:3.1234567", "--1:2:3"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
