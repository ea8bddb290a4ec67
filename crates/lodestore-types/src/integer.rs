//! Integers of any size, as Python has them.

use std::fmt;

/// An integer beyond 64 bits, kept as little-endian two's complement without superfluous bytes.
///
/// Integers that fit are [`Value::Int`](crate::Value::Int); this type only carries the others
/// between Python and the blob format, so it can be printed and compared but not reckoned with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BigInt(Vec<u8>);

impl BigInt {
    /// Reads little-endian two's complement bytes; no bytes mean zero.
    pub fn from_le_bytes(bytes: &[u8]) -> Self {
        let mut bytes = bytes.to_vec();
        while let [.., next, last] = bytes[..] {
            let sign_fill = if next & 0x80 == 0 { 0x00 } else { 0xff };
            if last != sign_fill {
                break;
            }
            bytes.pop();
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
        BigInt(bytes)
    }

    /// The little-endian two's complement bytes, at least one, as few as possible.
    pub fn as_le_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same number as `i64`, if it fits.
    pub fn to_i64(&self) -> Option<i64> {
        if self.0.len() > 8 {
            return None;
        }
        let mut wide = [if self.is_negative() { 0xff } else { 0x00 }; 8];
        wide[..self.0.len()].copy_from_slice(&self.0);
        Some(i64::from_le_bytes(wide))
    }

    /// True below zero.
    pub fn is_negative(&self) -> bool {
        self.0.last().is_some_and(|last| last & 0x80 != 0)
    }
}

impl From<u64> for BigInt {
    fn from(value: u64) -> Self {
        let mut bytes = value.to_le_bytes().to_vec();
        bytes.push(0);
        BigInt::from_le_bytes(&bytes)
    }
}

impl fmt::Display for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut magnitude = self.0.clone();
        if self.is_negative() {
            let mut carry = true;
            for byte in &mut magnitude {
                let (sum, overflow) = (!*byte).overflowing_add(carry as u8);
                *byte = sum;
                carry = overflow;
            }
            if carry {
                magnitude.push(1);
            }
        }
        // Long division by 10^9, from the most significant byte down.
        let mut groups = Vec::new();
        while magnitude.iter().any(|byte| *byte != 0) {
            let mut remainder: u64 = 0;
            for byte in magnitude.iter_mut().rev() {
                let current = (remainder << 8) | u64::from(*byte);
                *byte = (current / 1_000_000_000) as u8;
                remainder = current % 1_000_000_000;
            }
            while magnitude.last() == Some(&0) {
                magnitude.pop();
            }
            groups.push(remainder as u32);
        }
        let mut digits = groups.pop().unwrap_or(0).to_string();
        for group in groups.iter().rev() {
            digits.push_str(&format!("{group:09}"));
        }
        f.pad_integral(!self.is_negative(), "", &digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prints_like_i128(value: i128) {
            prop_assert_eq!(BigInt::from_le_bytes(&value.to_le_bytes()).to_string(), value.to_string());
        }

        #[test]
        fn narrows_like_i64(value: i64) {
            prop_assert_eq!(BigInt::from_le_bytes(&i128::from(value).to_le_bytes()).to_i64(), Some(value));
        }
    }

    #[test]
    fn the_edges_print() {
        assert_eq!(BigInt::from_le_bytes(&[]).to_string(), "0");
        assert_eq!(BigInt::from_le_bytes(&[0x80]).to_string(), "-128");
        assert_eq!(BigInt::from(u64::MAX).to_string(), u64::MAX.to_string());
        assert_eq!(BigInt::from(u64::MAX).to_i64(), None);
    }
}
