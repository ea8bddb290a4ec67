//! Reading the Python literals of a `.npy` header.
//!
//! Dicts, lists, tuples, texts, integers, `True`, `False` and `None`, nothing that could be run;
//! the input is short and nesting is bounded. Tuples and lists both become JSON arrays.

use lodestore_types::{Error, ErrorKind, Result};
use serde_json::{Map, Value as Json};

/// How deep literals may nest: more than any element type does.
const MAX_DEPTH: usize = 32;

/// Reads the literal that fills `text`; blanks around it are tolerated.
pub(super) fn parse(text: &str) -> Result<Json> {
    let mut reader = Reader { rest: text, depth: 0 };
    let value = reader.value();
    match value {
        Some(value) if reader.rest.trim().is_empty() => Ok(value),
        _ => {
            let at = text.len() - reader.rest.len();
            Err(Error::new(ErrorKind::Corrupt, format!("the description of an array does not parse at byte {at}")))
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Option<Json> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        self.rest = self.rest.trim_start();
        let value = match self.rest.chars().next()? {
            '{' => self.dict()?,
            '[' => Json::Array(self.items(']')?.0),
            '(' => {
                let (mut items, comma) = self.items(')')?;
                // Parentheses around one value without a comma are no tuple.
                if items.len() == 1 && !comma { items.pop()? } else { Json::Array(items) }
            }
            '\'' | '"' | 'u' | 'b' => Json::String(self.text()?),
            '-' | '0'..='9' => self.integer()?,
            _ => self.word()?,
        };
        self.depth -= 1;
        Some(value)
    }

    fn dict(&mut self) -> Option<Json> {
        self.take('{')?;
        let mut map = Map::new();
        while !self.takes('}') {
            let Json::String(key) = self.value()? else { return None };
            self.take(':')?;
            let value = self.value()?;
            map.insert(key, value);
            if !self.takes(',') {
                self.take('}')?;
                break;
            }
        }
        Some(Json::Object(map))
    }

    /// The items up to `end`, and whether a comma stood behind any of them.
    fn items(&mut self, end: char) -> Option<(Vec<Json>, bool)> {
        self.rest = &self.rest[1..];
        let (mut items, mut comma) = (Vec::new(), false);
        while !self.takes(end) {
            items.push(self.value()?);
            if !self.takes(',') {
                self.take(end)?;
                break;
            }
            comma = true;
        }
        Some((items, comma))
    }

    fn text(&mut self) -> Option<String> {
        self.rest = self.rest.strip_prefix(['u', 'b']).unwrap_or(self.rest);
        let mut chars = self.rest.chars();
        let quote = chars.next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let mut text = String::new();
        loop {
            match chars.next()? {
                c if c == quote => break,
                '\\' => {
                    let digits = match chars.next()? {
                        c @ ('\\' | '\'' | '"') => {
                            text.push(c);
                            continue;
                        }
                        'n' => {
                            text.push('\n');
                            continue;
                        }
                        'r' => {
                            text.push('\r');
                            continue;
                        }
                        't' => {
                            text.push('\t');
                            continue;
                        }
                        'x' => 2,
                        'u' => 4,
                        'U' => 8,
                        _ => return None,
                    };
                    let code: Option<String> = (0..digits).map(|_| chars.next()).collect();
                    text.push(char::from_u32(u32::from_str_radix(&code?, 16).ok()?)?);
                }
                c => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Some(text)
    }

    fn integer(&mut self) -> Option<Json> {
        let negative = self.rest.starts_with('-');
        let digits = &self.rest[usize::from(negative)..];
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let number: u64 = digits[..end].parse().ok()?;
        // Python 2 wrote long integers with an `L`.
        self.rest = digits[end..].strip_prefix('L').unwrap_or(&digits[end..]);
        if negative { i64::try_from(number).ok().map(|number| Json::from(-number)) } else { Some(number.into()) }
    }

    fn word(&mut self) -> Option<Json> {
        for (word, value) in [("True", Json::Bool(true)), ("False", Json::Bool(false)), ("None", Json::Null)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, c: char) -> Option<()> {
        self.takes(c).then_some(())
    }

    fn takes(&mut self, c: char) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

/// A text as Python would print it.
pub(super) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() || matches!(c, '\u{a0}' | '\u{ad}') => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_are_read() {
        let header =
            "{'descr': [('a', '<i4'), (\"it's\", '<f8', (3,))], 'fortran_order': False, 'shape': (2L, 3), }  \n";
        let expected = json!({"descr": [["a", "<i4"], ["it's", "<f8", [3]]], "fortran_order": false, "shape": [2, 3]});
        assert_eq!(parse(header).unwrap(), expected);
        for (text, expected) in [
            ("()", json!([])),
            ("(1)", json!(1)),
            ("(1,)", json!([1])),
            ("[ ]", json!([])),
            ("{}", json!({})),
            (r"u'\xe9\u20ac\'\\'", json!("é€'\\")),
            ("-5", json!(-5)),
            ("None", json!(null)),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let deep = "[".repeat(100);
        for text in [
            "",
            "{",
            "{'a'}",
            "{1: 2}",
            "(1",
            "'a",
            r"'\q'",
            r"'\x'",
            "1 2",
            "__import__('os')",
            "1.5",
            "é",
            "'",
            "u",
            &deep,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_are_quoted_as_python_does() {
        for (text, expected) in
            [("a", "'a'"), ("it's", "\"it's\""), ("'\"", "'\\'\"'"), ("\n\u{1}é", "'\\n\\x01é'"), ("\\", "'\\\\'")]
        {
            assert_eq!(quoted(text), expected);
            assert_eq!(parse(expected).unwrap(), json!(text));
        }
    }
}
