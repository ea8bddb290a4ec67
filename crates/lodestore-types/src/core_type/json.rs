//! What JSON makes of a value.

use serde_json::{Map, Number, Value as Json};

use crate::{Error, ErrorKind, Result, Value};

/// Levels of arrays and objects that a document may have: what MySQL keeps, and every JSON library reads.
const MOST_LEVELS: usize = 100;

/// The document that a value is stored as.
pub(super) fn document(value: &Value) -> Result<Json> {
    let document = json(value, "")?;
    let levels = json_depth(&document);
    if levels > MOST_LEVELS {
        let message = format!("a value nested {levels} deep does not fit `json`, which keeps {MOST_LEVELS} levels");
        return Err(
            Error::new(ErrorKind::InvalidValue, message).with_hint("flatten it, or declare the attribute as `<blob>`")
        );
    }
    Ok(document)
}

/// Levels of arrays and objects in a document.
pub fn json_depth(document: &Json) -> usize {
    // A document may be deeper than the stack.
    let (mut deepest, mut open) = (0, vec![(document, 0)]);
    while let Some((document, depth)) = open.pop() {
        deepest = deepest.max(depth + usize::from(document.is_array() || document.is_object()));
        match document {
            Json::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Json::Object(entries) => open.extend(entries.values().map(|item| (item, depth + 1))),
            _ => {}
        }
    }
    deepest
}

/// The JSON form of a value, with the place of the trouble in the message.
fn json(value: &Value, place: &str) -> Result<Json> {
    let refuse = |why: &str| {
        let place = if place.is_empty() { String::new() } else { format!(" at `{}`", place.trim_start_matches('.')) };
        Error::new(ErrorKind::InvalidValue, format!("value {value} does not fit `json`{place}: {why}"))
    };
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) => Json::Number((*number).into()),
        Value::BigInt(number) => match number.to_string().parse::<u64>() {
            Ok(number) => Json::Number(number.into()),
            Err(_) => return Err(refuse("it needs more than 64 bits")),
        },
        Value::Float(number) => {
            Json::Number(Number::from_f64(*number).ok_or_else(|| refuse("JSON has no NaN and no infinity"))?)
        }
        Value::Text(text) if text.contains('\0') => return Err(refuse("it holds a NUL character")),
        Value::Text(text) => Json::String(text.clone()),
        Value::Json(document) => document.clone(),
        Value::Array(array) => match array.to_scalar() {
            Some(element) => json(&element, place)?,
            None => {
                return Err(refuse("JSON has no arrays of this kind").with_hint("use `<blob>` for arrays, or a list"));
            }
        },
        Value::List(items) | Value::Tuple(items) => {
            let items = items.iter().enumerate().map(|(index, item)| json(item, &format!("{place}[{index}]")));
            Json::Array(items.collect::<Result<_>>()?)
        }
        Value::Dict(items) => {
            let mut map = Map::new();
            for (name, item) in items {
                let name = match name {
                    Value::Text(name) => name.clone(),
                    Value::Int(name) => name.to_string(),
                    other => return Err(refuse(&format!("the key {other} is not text"))),
                };
                let item = json(item, &format!("{place}.{name}"))?;
                if map.contains_key(&name) {
                    return Err(refuse(&format!("the key '{name}' would stand twice")));
                }
                map.insert(name, item);
            }
            Json::Object(map)
        }
        other => return Err(refuse(&format!("JSON has no {}", other.type_name()))),
    })
}
