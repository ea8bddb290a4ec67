//! Values on their way from one type to another, without loss.

use lodestore_types::{CoreType, Decimal, Error, ErrorKind, Result, Value};

use crate::heading::plain_text;

/// True if every value of `from` is one of `to`, kept alike, so that values need not be looked at.
pub fn holds_all(from: &CoreType, to: &CoreType) -> bool {
    use CoreType::{Char, DateTime, Decimal, Enum, Float32, Float64, Varchar};
    match (from, to) {
        (from, to) if from == to => true,
        (Float32, Float64) => true,
        (Char(old) | Varchar(old), Char(new) | Varchar(new)) => old <= new,
        (Enum(old), Enum(new)) => old.iter().all(|member| new.contains(member)),
        (Enum(old), Char(length) | Varchar(length)) => {
            old.iter().all(|member| member.chars().count() <= *length as usize)
        }
        (DateTime(old), DateTime(new)) => old.unwrap_or(6) <= new.unwrap_or(6),
        (Decimal { precision: p, scale: s }, Decimal { precision, scale }) => s == scale && p <= precision,
        (from, to) => match (from.integer_range(), to.integer_range()) {
            (Some(old), Some(new)) => new.0 <= old.0 && old.1 <= new.1,
            _ => false,
        },
    }
}

/// A value of another type as a value of `to`: numbers as numbers of the same size, anything as its text, text as what
/// it says.
///
/// # Errors
/// [`InvalidValue`](ErrorKind::InvalidValue) or [`InvalidType`](ErrorKind::InvalidType) if `to` cannot hold it, or only
/// something else: a number without its fraction, a moment without its time of day.
pub fn convert(value: Value, to: &CoreType) -> Result<Value> {
    let offered = match (to, &value) {
        (_, Value::Null) => return Ok(value),
        (CoreType::Char(_) | CoreType::Varchar(_) | CoreType::Enum(_), Value::Bytes(_)) => value.clone(),
        (CoreType::Char(_) | CoreType::Varchar(_) | CoreType::Enum(_), other) => Value::Text(plain_text(other)),
        (CoreType::Json, Value::Text(text)) => match serde_json::from_str(text) {
            Ok(document) => Value::Json(document),
            Err(error) => {
                return Err(Error::new(ErrorKind::InvalidValue, format!("{value} is not JSON: {error}")));
            }
        },
        (_, other) => other.clone(),
    };
    let new = to.check(offered)?;
    if is_same(&value, &new) {
        return Ok(new);
    }
    Err(Error::new(ErrorKind::InvalidValue, format!("value {value} would become {new} as `{to}`")))
}

/// True if nothing is lost between a value and what became of it.
fn is_same(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Float(old), Value::Float(new)) => old == new,
        (Value::DateTime(old), Value::DateTime(new)) => old == new,
        (Value::Int(old), Value::Float(new)) => *new as i128 == i128::from(*old),
        (Value::Float(old), Value::Decimal(new)) => new.as_str().parse() == Ok(*old),
        (Value::Decimal(old), Value::Float(new)) => {
            let fixed = |decimal: &Decimal| decimal.to_fixed(130, 65).ok();
            new.to_string().parse().ok().as_ref().and_then(fixed) == fixed(old)
        }
        // What `CoreType::check` lets pass besides is the same thing in other words.
        _ => true,
    }
}
