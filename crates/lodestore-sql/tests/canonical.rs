//! Values of the record and of the database, in a form in which they compare.

use lodestore_types::{CoreType, Value, parse_datetime};
use serde_json::Value as Json;

pub fn from_json(json: &Json, core: &CoreType) -> Value {
    if *core == CoreType::Json && !json.is_null() {
        return Value::Json(json.clone());
    }
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => (*flag).into(),
        Json::Number(number) => number.as_i64().map_or_else(|| number.as_f64().unwrap().into(), Value::from),
        Json::String(text) => text.as_str().into(),
        Json::Object(tag) => match tag.get("$bytes") {
            Some(hex) => {
                let hex = hex.as_str().unwrap();
                let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
                (0..hex.len()).step_by(2).map(byte).collect::<Vec<u8>>().into()
            }
            None => tag.values().next().unwrap().as_str().unwrap().into(),
        },
        Json::Array(_) => panic!("{json}"),
    }
}

/// A text by which values of the record and of the database compare: numbers by value, moments by their digits.
pub fn canonical(json: &Json) -> String {
    match json {
        Json::Number(number) => format!("{:?}", number.as_f64().unwrap()),
        Json::Bool(flag) => format!("{:?}", f64::from(u8::from(*flag))),
        Json::String(text) => moment(text),
        Json::Object(tag) => match tag.iter().next() {
            Some((name, Json::String(text))) if name == "$decimal" => format!("{:?}", text.parse::<f64>().unwrap()),
            Some((name, Json::String(text))) if name == "$bytes" => format!("bytes {text}"),
            Some((name, Json::String(text))) if name.starts_with('$') => moment(text),
            _ => {
                let mut items: Vec<String> =
                    tag.iter().map(|(name, value)| format!("{name}: {}", canonical(value))).collect();
                items.sort();
                format!("{{{}}}", items.join(", "))
            }
        },
        other => other.to_string(),
    }
}

pub fn moment(text: &str) -> String {
    parse_datetime(text).map_or_else(|_| text.to_owned(), |moment| moment.to_string())
}

pub fn canonical_value(value: &Value) -> String {
    match value {
        Value::Bytes(bytes) => format!("bytes {}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        Value::Null => "null".into(),
        Value::Bool(flag) => format!("{:?}", f64::from(u8::from(*flag))),
        Value::Int(number) => format!("{:?}", *number as f64),
        Value::Float(number) => format!("{number:?}"),
        Value::Decimal(number) => format!("{:?}", number.as_str().parse::<f64>().unwrap()),
        Value::Text(text) => moment(text),
        Value::Json(json) => canonical(json),
        Value::DateTime(value) => value.to_string(),
        other => moment(&other.to_string()),
    }
}
