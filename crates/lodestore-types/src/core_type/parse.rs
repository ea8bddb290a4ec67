//! Reading the text of a type.

use super::CoreType;
use crate::{Error, ErrorKind, Result};

impl CoreType {
    /// Reads the text of a type, in any letter case. `None` if it is no core type's name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidDefinition`] if it is a core type with impossible numbers or members.
    pub fn parse(text: &str) -> Result<Option<CoreType>> {
        let text = text.trim();
        let (word, arguments) = match text.split_once('(') {
            Some((word, rest)) => match rest.trim_end().strip_suffix(')') {
                Some(arguments) => (word.trim_end(), Some(arguments)),
                None => return Ok(None),
            },
            None => (text, None),
        };
        let number = |text: &str| -> Option<u32> {
            let text = text.trim();
            (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().unwrap_or(u32::MAX))
        };
        let invalid =
            |why: String| Error::new(ErrorKind::InvalidDefinition, format!("type `{text}` is not possible: {why}"));
        let found = match (word.to_ascii_lowercase().as_str(), arguments) {
            ("int8", None) => CoreType::Int8,
            ("int16", None) => CoreType::Int16,
            ("int32", None) => CoreType::Int32,
            ("int64", None) => CoreType::Int64,
            ("float32", None) => CoreType::Float32,
            ("float64", None) => CoreType::Float64,
            ("bool", None) => CoreType::Bool,
            ("uuid", None) => CoreType::Uuid,
            ("json" | "jsonb", None) => CoreType::Json,
            ("bytes", None) => CoreType::Bytes,
            ("date", None) => CoreType::Date,
            ("datetime", None) => CoreType::DateTime(None),
            ("datetime", Some(digits)) => match number(digits) {
                Some(digits @ 0..=6) => CoreType::DateTime(Some(digits as u8)),
                Some(_) => return Err(invalid("a second has at most 6 digits".into())),
                None => return Ok(None),
            },
            (word @ ("char" | "varchar"), Some(length)) => match (word, number(length)) {
                (_, Some(0)) => return Err(invalid("the length must be at least 1".into())),
                ("char", Some(length @ 1..=255)) => CoreType::Char(length),
                ("varchar", Some(length @ 1..=65535)) => CoreType::Varchar(length),
                (_, Some(_)) => {
                    return Err(invalid(format!(
                        "the length of a {word} is at most {}",
                        if word == "char" { 255 } else { 65535 }
                    )));
                }
                (_, None) => return Ok(None),
            },
            ("enum", Some(members)) => {
                let members = enum_members(members).ok_or_else(|| invalid("write the members as 'a', 'b'".into()))?;
                if let Some(member) =
                    members.iter().enumerate().find_map(|(i, m)| members[..i].contains(m).then_some(m))
                {
                    return Err(invalid(format!("the member '{member}' stands twice")));
                }
                CoreType::Enum(members)
            }
            ("decimal", Some(arguments)) => {
                let Some((precision, scale)) =
                    arguments.split_once(',').and_then(|(p, s)| Some((number(p)?, number(s)?)))
                else {
                    return Ok(None);
                };
                if precision == 0 || precision > 65 || scale > 30 || scale > precision {
                    return Err(invalid(
                        "use 1 to 65 digits, at most 30 and at most as many of them behind the point".into(),
                    ));
                }
                CoreType::Decimal { precision, scale }
            }
            _ => return Ok(None),
        };
        Ok(Some(found))
    }
}

/// The members of an enumeration written `'a', "b", 'it''s'`; unquoted words are taken as they are.
fn enum_members(text: &str) -> Option<Vec<String>> {
    let mut members = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let member = match quote {
            Some(quote) => {
                let mut member = String::new();
                rest = &rest[1..];
                loop {
                    let end = rest.find(quote)?;
                    member.push_str(&rest[..end]);
                    rest = &rest[end + 1..];
                    if !rest.starts_with(quote) {
                        break member;
                    }
                    member.push(quote);
                    rest = &rest[1..];
                }
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let member = rest[..end].trim().to_owned();
                rest = &rest[end..];
                member
            }
        };
        members.push(member);
        rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(more) if !more.trim().is_empty() => rest = more.trim_start(),
            Some(_) => return None,
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    (!members.is_empty() && !members.iter().any(|member| member.contains('\0'))).then_some(members)
}
