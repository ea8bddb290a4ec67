//! Exact sums and means of decimal numbers.

/// So many digits stand in each chunk of a sum.
const DIGITS: usize = 18;
const CHUNK: i128 = 1_000_000_000_000_000_000;

/// Chunks behind the point, and in all: room for the sum of as many of the longest decimals as there can be.
const FRACTION: usize = 2;
const CHUNKS: usize = 8;

/// A mean has so many digits behind the point more than its numbers have.
pub const MEAN_DIGITS: u32 = 4;

/// The sum of decimal numbers in fixed point, to the last digit.
///
/// ```
/// let mut sum = lodestore_types::DecimalSum::default();
/// for number in ["0.10", "0.20", "-12.00"] {
///     sum.add(number).unwrap();
/// }
/// assert_eq!((sum.total(), sum.mean()), ("-11.70".to_owned(), Some("-3.900000".to_owned())));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DecimalSum {
    /// The lowest digits first. Carrying waits until the sum is wanted.
    chunks: [i128; CHUNKS],
    scale: usize,
    count: u64,
}

impl DecimalSum {
    /// Adds a number such as `-12.50`; `None` if the text is no number in fixed point, or longer than decimals can be.
    pub fn add(&mut self, text: &str) -> Option<()> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let fits = whole.len() <= DIGITS * (CHUNKS - FRACTION - 1) && fraction.len() <= DIGITS * FRACTION;
        if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) || !fits {
            return None;
        }
        for (place, chunk) in whole.as_bytes().rchunks(DIGITS).enumerate() {
            self.chunks[FRACTION + place] += sign * number(chunk);
        }
        for (place, chunk) in fraction.as_bytes().chunks(DIGITS).enumerate() {
            let missing = (DIGITS - chunk.len()) as u32;
            self.chunks[FRACTION - 1 - place] += sign * number(chunk) * 10i128.pow(missing);
        }
        self.scale = self.scale.max(fraction.len());
        self.count += 1;
        Some(())
    }

    /// The sum, with as many digits behind the point as the number that had the most of them.
    pub fn total(&self) -> String {
        let (negative, chunks) = self.carried();
        fixed(negative, &chunks, self.scale)
    }

    /// The mean, with [`MEAN_DIGITS`] more; halves are rounded away from zero. `None` without numbers.
    pub fn mean(&self) -> Option<String> {
        let count = i128::from(self.count);
        let (negative, mut chunks) = self.carried();
        let mut rest = 0;
        for chunk in chunks.iter_mut().rev() {
            let dividend = rest * CHUNK + *chunk;
            *chunk = dividend.checked_div(count)?;
            rest = dividend % count;
        }
        Some(fixed(negative, &chunks, self.scale + MEAN_DIGITS as usize))
    }

    /// The sign, and chunks that are digits.
    fn carried(&self) -> (bool, [i128; CHUNKS]) {
        let carry = |sign: i128| {
            let mut carried = 0;
            let chunks = self.chunks.map(|chunk| {
                let sum = sign * chunk + carried;
                carried = sum.div_euclid(CHUNK);
                sum.rem_euclid(CHUNK)
            });
            (carried < 0, chunks)
        };
        match carry(1) {
            (true, _) => (true, carry(-1).1),
            positive => positive,
        }
    }
}

fn number(digits: &[u8]) -> i128 {
    digits.iter().fold(0, |number, digit| number * 10 + i128::from(digit - b'0'))
}

/// Chunks in fixed point, rounded to so many digits behind it.
fn fixed(negative: bool, chunks: &[i128; CHUNKS], scale: usize) -> String {
    let all: String = chunks.iter().rev().map(|chunk| format!("{chunk:018}")).collect();
    let point = DIGITS * (CHUNKS - FRACTION);
    let end = (point + scale).min(all.len());
    let mut digits = all.as_bytes()[..end].to_vec();
    if all.as_bytes().get(end).is_some_and(|digit| *digit >= b'5') {
        for digit in digits.iter_mut().rev() {
            *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
            if *digit != b'0' {
                break;
            }
        }
    }
    let is_zero = digits.iter().all(|digit| *digit == b'0');
    let text = String::from_utf8_lossy(&digits);
    let (whole, fraction) = text.split_at(point);
    let whole = whole.trim_start_matches('0');
    let sign = if negative && !is_zero { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(numbers: &[&str]) -> (String, Option<String>) {
        let mut sum = DecimalSum::default();
        numbers.iter().for_each(|number| sum.add(number).unwrap());
        (sum.total(), sum.mean())
    }

    #[test]
    fn sums_and_means_are_exact() {
        assert_eq!(of(&[]), ("0".into(), None));
        assert_eq!(of(&["1", "2"]), ("3".into(), Some("1.5000".into())));
        assert_eq!(of(&["0.1"; 10]), ("1.0".into(), Some("0.10000".into())));
        assert_eq!(of(&["1", "0", "0"]), ("1".into(), Some("0.3333".into())));
        assert_eq!(of(&["-2", "0", "0"]), ("-2".into(), Some("-0.6667".into())));
        assert_eq!(of(&["-0.01", "0.01"]), ("0.00".into(), Some("0.000000".into())));
        assert_eq!(of(&["9999999999999999999999.99", "0.01"]).0, "10000000000000000000000.00");
        let long = "9".repeat(65);
        assert_eq!(of(&[&long, &long]), (format!("1{}8", "9".repeat(64)), Some(format!("{long}.0000"))));
        let fine = format!("0.{}1", "0".repeat(29));
        assert_eq!(of(&[&fine, &fine]).0, format!("0.{}2", "0".repeat(29)));
        for text in ["", "-", ".", "1e3", "1.2.3", "x", "NaN"] {
            assert_eq!(DecimalSum::default().add(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn sums_are_those_of_integers(numbers in prop::collection::vec(-10i128.pow(17)..10i128.pow(17), 1..20)) {
            let mut sum = DecimalSum::default();
            for number in &numbers {
                let sign = if *number < 0 { "-" } else { "" };
                let digits = format!("{:05}", number.abs());
                let (whole, fraction) = digits.split_at(digits.len() - 4);
                sum.add(&format!("{sign}{whole}.{fraction}")).unwrap();
            }
            let found: i128 = sum.total().replace('.', "").parse().unwrap();
            prop_assert_eq!(found, numbers.iter().sum::<i128>());
            // The mean has four digits more: 10,000 times itself it is the sum, but for the rounding.
            let mean: i128 = sum.mean().unwrap().replace('.', "").parse().unwrap();
            let count = numbers.len() as i128;
            prop_assert!((mean * count - found * 10_000).abs() * 2 <= count);
        }
    }
}
