//! Decimal numbers, kept as the exact text they were written in.

use std::fmt;
use std::str::FromStr;

use crate::{Error, ErrorKind, Result};

/// A decimal number as text in the grammar of the General Decimal Arithmetic specification:
/// `1.10`, `-1E-10`, `NaN`, `-Infinity`.
///
/// Two decimals are equal if they are spelled equally: `1.1` and `1.10` are different values to a
/// format that must give back what it was given. [`Decimal::to_fixed`] gives the canonical form
/// for a column of a known precision and scale.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal(String);

struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

impl Decimal {
    /// The text, exactly as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for anything but infinities and NaN.
    pub fn is_finite(&self) -> bool {
        self.parts().is_some()
    }

    /// True for quiet and signalling NaN.
    pub fn is_nan(&self) -> bool {
        self.0.to_ascii_lowercase().contains("nan")
    }

    /// The fixed-point text with exactly `scale` digits behind the point.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] if the number is not finite, needs more than `scale` digits
    /// behind the point, or more than `precision - scale` before it.
    pub fn to_fixed(&self, precision: u32, scale: u32) -> Result<String> {
        let refuse = |why: &str| {
            Error::new(
                ErrorKind::InvalidValue,
                format!("decimal {} does not fit `decimal({precision},{scale})`: {why}", self.0),
            )
        };
        let parts = self.parts().ok_or_else(|| refuse("it is not finite"))?;
        let digits: String = format!("{}{}", parts.whole, parts.fraction);
        let significant = digits.trim_start_matches('0');
        // The point stands before digit `point` of `digits`.
        let point = parts.whole.len() as i64 + parts.exponent;
        if significant.is_empty() {
            let zeros = "0".repeat(scale as usize);
            return Ok(if scale == 0 { "0".into() } else { format!("0.{zeros}") });
        }
        let leading = (digits.len() - significant.len()) as i64;
        if point - leading > i64::from(precision) - i64::from(scale) {
            return Err(refuse(&format!("it has more than {} digits before the point", precision - scale)));
        }
        let trailing = digits.trim_end_matches('0').len() as i64;
        if trailing - point > i64::from(scale) {
            return Err(refuse(&format!("it has more than {scale} digits behind the point")));
        }
        let digit =
            |index: i64| usize::try_from(index).ok().and_then(|i| digits.as_bytes().get(i)).map_or('0', |b| *b as char);
        let mut text = String::new();
        if parts.negative {
            text.push('-');
        }
        let whole: String = (leading.min(point)..point).map(digit).collect();
        let whole = whole.trim_start_matches('0');
        text.push_str(if whole.is_empty() { "0" } else { whole });
        if scale > 0 {
            text.push('.');
            text.extend((point..point + i64::from(scale)).map(digit));
        }
        Ok(text)
    }

    fn parts(&self) -> Option<Parts<'_>> {
        let (negative, rest) = match self.0.as_bytes()[0] {
            b'-' => (true, &self.0[1..]),
            b'+' => (false, &self.0[1..]),
            _ => (false, &self.0[..]),
        };
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], rest[at + 1..].parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let sound = numeric(whole) && numeric(fraction) && !(whole.is_empty() && fraction.is_empty());
        // Beyond this no database keeps the number, and reckoning with it could overflow.
        (sound && exponent.abs() < 1_000_000_000).then_some(Parts { negative, whole, fraction, exponent })
    }
}

impl FromStr for Decimal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || {
            Error::new(ErrorKind::InvalidValue, format!("`{}` is not a decimal number", crate::value::shorten(text)))
        };
        if text.is_empty() || !text.is_ascii() {
            return Err(malformed());
        }
        let decimal = Decimal(text.to_owned());
        let unsigned = text.trim_start_matches(['-', '+']).to_ascii_lowercase();
        let signs = text.len() - unsigned.len();
        let nan_payload = unsigned.strip_prefix("snan").or_else(|| unsigned.strip_prefix("nan"));
        let special = matches!(unsigned.as_str(), "inf" | "infinity")
            || nan_payload.is_some_and(|payload| payload.bytes().all(|byte| byte.is_ascii_digit()));
        if signs <= 1 && (special || decimal.parts().is_some()) { Ok(decimal) } else { Err(malformed()) }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(text: &str, precision: u32, scale: u32) -> Option<String> {
        text.parse::<Decimal>().unwrap().to_fixed(precision, scale).ok()
    }

    #[test]
    fn fixed_point_is_exact() {
        let cases = [
            ("1.1", 5, 2, Some("1.10")),
            ("-0.05", 5, 2, Some("-0.05")),
            ("1E+3", 6, 2, Some("1000.00")),
            ("123.45", 5, 2, Some("123.45")),
            ("1234.5", 5, 2, None),
            ("1.234", 5, 2, None),
            ("1.2300", 5, 2, Some("1.23")),
            ("000123", 3, 0, Some("123")),
            ("0e99", 3, 1, Some("0.0")),
            ("125E-2", 4, 2, Some("1.25")),
            (".5", 2, 1, Some("0.5")),
            ("5.", 2, 1, Some("5.0")),
            ("0.001", 2, 2, None),
            ("99.99", 4, 2, Some("99.99")),
            ("NaN", 4, 2, None),
            ("-Infinity", 4, 2, None),
            ("1e999999999", 4, 2, None),
        ];
        for (text, precision, scale, expected) in cases {
            assert_eq!(fixed(text, precision, scale).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn malformed_text_is_refused() {
        for text in ["", "-", "--1", "1.2.3", "1e", "abc", "1 ", "é", "+-1", "e5", "."] {
            assert!(text.parse::<Decimal>().is_err(), "{text:?}");
        }
    }
}
