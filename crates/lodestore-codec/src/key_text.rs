//! How the values of a key are spelled in a path.

use lodestore_types::{Error, ErrorKind, Result, Value};

use crate::path::digest;

/// The longest spelling that is used as it is, in bytes.
const LONGEST: usize = 100;
/// What remains of a longer one, before its checksum.
const KEPT: usize = 50;

/// The text of a value of a key: one text for each value of a type, and no two values share one.
///
/// Numbers are spelled as Python does, times as `2024-01-05T01-02-03.456789` (the fraction only if
/// there is one), bytes in hexadecimal. In texts, what could confuse a path is percent-encoded:
/// `/ \ : * ? " < > | % =`, control characters, a dot at either end, blanks at the end. A spelling
/// beyond 100 bytes is cut and told apart by `=` and a checksum.
///
/// # Errors
/// [`ErrorKind::InvalidType`] for values that no primary key holds.
pub fn key_text(value: &Value) -> Result<String> {
    spelled(value, Spelling::Exact)
}

/// How a store tells names apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Spelling {
    /// By their bytes.
    #[default]
    Exact,
    /// It takes some names for the same that differ in letter case or in the composition of accents. In texts, whatever is
    /// not a lower-case letter of ASCII, a digit or a sign is percent-encoded then, and so the texts stay apart.
    Folding,
}

/// Like [`key_text`], for a store that tells names apart in this way.
///
/// # Errors
/// As [`key_text`].
pub fn spelled(value: &Value, spelling: Spelling) -> Result<String> {
    let text = match value {
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::BigInt(number) => number.to_string(),
        Value::Float(number) => python_float(*number),
        Value::Decimal(number) => number.as_str().to_owned(),
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Value::Uuid(uuid) => uuid.to_string(),
        Value::Date(date) => date.to_string(),
        // jiff prints the fraction only if there is one, without the zeros that end it.
        Value::Time(time) => time.to_string().replace(':', "-"),
        Value::DateTime(moment) => moment.to_string().replace(':', "-"),
        other => {
            return Err(Error::new(
                ErrorKind::InvalidType,
                format!("a {} cannot be part of a path", other.type_name()),
            )
            .with_hint("objects are placed by primary keys of numbers, text, times and the like"));
        }
    };
    // Other types have one text for each value, whatever is taken for the same in it.
    let folds = spelling == Spelling::Folding && matches!(value, Value::Text(_));
    Ok(shorten(encode(&text, folds), &text))
}

/// Percent-encodes what could confuse a path.
fn encode(text: &str, folds: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (index, c) in text.chars().enumerate() {
        let at_an_end = (c == '.' && (index == 0 || index == last)) || (c.is_whitespace() && index == last);
        let is_ambiguous = folds && (c.is_ascii_uppercase() || !c.is_ascii());
        if at_an_end || is_ambiguous || c.is_control() || "/\\:*?\"<>|%=".contains(c) {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        } else {
            encoded.push(c);
        }
    }
    encoded
}

/// Cuts a long spelling; `=` never stands in a short one, so that the two cannot meet.
fn shorten(encoded: String, text: &str) -> String {
    if encoded.len() <= LONGEST {
        return encoded;
    }
    let mut end = KEPT;
    // Neither a character nor an escape is cut through.
    while !encoded.is_char_boundary(end) || encoded[..end].bytes().rev().take(2).any(|byte| byte == b'%') {
        end -= 1;
    }
    format!("{}={}", &encoded[..end], digest(text))
}

/// A float as Python writes it; the two zeros are one value.
fn python_float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if number == 0.0 {
        return "0.0".to_owned();
    }
    let scientific = format!("{number:e}");
    let exponent = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok()).unwrap_or(0);
    if (-4..16).contains(&exponent) {
        return format!("{number:?}");
    }
    let mantissa = scientific.split('e').next().unwrap_or_default();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;
    use proptest::prelude::*;

    use super::*;

    fn spelled(value: impl Into<Value>) -> String {
        key_text(&value.into()).unwrap()
    }

    #[test]
    fn numbers_and_times_are_spelled_in_one_way() {
        assert_eq!(spelled(1e-7), "1e-07");
        assert_eq!(spelled(1e22), "1e+22");
        assert_eq!(spelled(1.5e300), "1.5e+300");
        assert_eq!(spelled(1e15), "1000000000000000.0");
        assert_eq!(spelled(0.0001), "0.0001");
        assert_eq!(spelled(-0.0), "0.0");
        let day = Date::constant(2024, 1, 5);
        assert_eq!(spelled(day.at(1, 2, 3, 456_789_000)), "2024-01-05T01-02-03.456789");
        assert_eq!(spelled(day.at(1, 2, 3, 0)), "2024-01-05T01-02-03");
        assert_eq!(spelled(vec![0u8, 255]), "00ff");
        assert!(key_text(&Value::Null).is_err());
    }

    #[test]
    fn texts_stay_apart_where_names_fold() {
        let folding = |text: &str| super::spelled(&text.into(), Spelling::Folding).unwrap();
        let texts = ["a1", "A1", "é", "e\u{301}", "É", "%41", "ß", "ss", "SS", "k", "\u{212a}", "a%31", "x y-z_0.5"];
        let mut folded: Vec<String> = texts.iter().map(|text| folding(text)).collect();
        assert!(folded.iter().all(|text| text.is_ascii()));
        assert_eq!(folding("x y-z_0.5"), "x y-z_0.5");
        folded.iter_mut().for_each(|text| text.make_ascii_lowercase());
        folded.sort_unstable();
        folded.dedup();
        assert_eq!(folded.len(), texts.len());
    }

    #[test]
    fn long_texts_are_cut_between_characters_and_escapes() {
        let long = spelled("é".repeat(90));
        assert!(long.starts_with(&"é".repeat(25)) && long.len() == 50 + 33, "{long}");
        assert_ne!(long, spelled("é".repeat(91)));
        let escaped = spelled("/".repeat(90));
        assert!(escaped.starts_with(&("%2F".repeat(16) + "=")), "{escaped}");
        assert_eq!(spelled("x".repeat(100)), "x".repeat(100));
    }

    /// Reads the spelling of a short text.
    fn decode(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, behind @ ..] = rest {
            if *first == b'%' {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&behind[..2]).unwrap(), 16).unwrap());
                rest = &behind[2..];
            } else {
                bytes.push(*first);
                rest = behind;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #[test]
        fn texts_are_told_apart_and_stay_in_one_segment(
            text in prop_oneof![any::<String>(), "[./\\\\:%= \u{0}\u{85}x]{0,12}", "[a-z/]{90,120}"]
        ) {
            let spelled = spelled(text.as_str());
            let segment = format!("{}={spelled}", "n".repeat(64));
            prop_assert!(lodestore_types::StorePath::new(segment.as_str()).is_ok());
            prop_assert!(!segment.contains('/'));
            match spelled.contains('=') {
                true => prop_assert!(spelled.len() <= 83),
                false => prop_assert_eq!(decode(&spelled), text),
            }
        }
    }
}
