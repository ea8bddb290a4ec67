//! How core types are stored, checked and compared.

use std::cmp::Ordering;

use lodestore_types::{CoreType, Decimal, Error, ErrorKind, Result, Uuid, Value, parse_date, parse_datetime};

use crate::DefaultValue;
use crate::dialect::text_literal;

/// The SQLite type of a column; `STRICT` tables hold its values to it.
pub(super) fn storage(core: &CoreType) -> &'static str {
    match core {
        CoreType::Int8 | CoreType::Int16 | CoreType::Int32 | CoreType::Int64 | CoreType::Bool => "INTEGER",
        CoreType::Float32 | CoreType::Float64 => "REAL",
        CoreType::Bytes => "BLOB",
        CoreType::Decimal { .. } => "TEXT COLLATE decimal",
        _ => "TEXT",
    }
}

/// The condition that keeps the column `x` (quoted) honest, if its SQLite type alone does not.
///
/// SQLite's `length` stops at a NUL character, so texts are also asked for one, or measured in bytes.
pub(super) fn check(core: &CoreType, x: &str) -> Option<String> {
    Some(match core {
        CoreType::Int8 | CoreType::Int16 | CoreType::Int32 => {
            let (low, high) = core.integer_range()?;
            format!("{x} BETWEEN {low} AND {high}")
        }
        CoreType::Int64 | CoreType::Float64 | CoreType::Bytes => return None,
        CoreType::Bool => format!("{x} IN (0, 1)"),
        // The greatest float32, in its shortest spelling; infinities are values too.
        CoreType::Float32 => format!("abs({x}) <= 3.4028235e38 OR abs({x}) = 9e999"),
        CoreType::Uuid => {
            let digits = |count: usize| "[0-9a-f]".repeat(count);
            let form = [8, 4, 4, 4, 12].map(digits).join("-");
            format!("{} = 36 AND {x} GLOB '{form}'", bytes(x))
        }
        // Older SQLites call NULL invalid.
        CoreType::Json => format!("{x} IS NULL OR json_valid({x})"),
        CoreType::Date => date(x),
        CoreType::DateTime(digits) => datetime(x, digits.unwrap_or(6)),
        CoreType::Char(length) | CoreType::Varchar(length) => {
            format!("length({x}) <= {length} AND instr({x}, char(0)) = 0")
        }
        CoreType::Enum(members) => {
            let members: Vec<String> = members.iter().map(|member| text_literal(member)).collect();
            format!("{x} IN ({})", members.join(", "))
        }
        CoreType::Decimal { precision, scale } => decimal(x, *precision, *scale),
    })
}

fn bytes(x: &str) -> String {
    format!("length(CAST({x} AS BLOB))")
}

/// SQLite's `date` brings February 30 to March 1, so a day exists if `date` leaves it as it is. The pattern stands
/// first because `date` would take words like "now".
fn date(x: &str) -> String {
    let day = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]";
    format!("{x} GLOB '{day}' AND date({x}) IS {x} AND {x} >= '0001'")
}

fn datetime(x: &str, digits: u8) -> String {
    let form = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]";
    let moment = format!("substr({x}, 1, 19)");
    let whole = format!("{} = 19", bytes(x));
    let fraction = match digits {
        0 => String::new(),
        _ => format!(
            " OR ({} BETWEEN 21 AND {} AND substr({x}, 20, 1) = '.' AND substr({x}, 21) NOT GLOB '*[^0-9]*' AND \
             substr({x}, -1) <> '0')",
            bytes(x),
            20 + u32::from(digits)
        ),
    };
    format!(
        "{moment} GLOB '{form}' AND datetime({moment}) IS {moment} AND {x} >= '0001' AND ({whole}{fraction}) AND \
         instr({x}, char(0)) = 0"
    )
}

/// Fixed point as [`Decimal::to_fixed`] writes it: no plus, no superfluous zero in front, no negative zero.
fn decimal(x: &str, precision: u32, scale: u32) -> String {
    let unsigned = format!("substr({x}, 1 + ({x} GLOB '-*'))");
    let (whole, fraction) = match scale {
        0 => (unsigned, String::new()),
        _ => (
            format!("substr({unsigned}, 1, length({unsigned}) - {})", scale + 1),
            format!(
                " AND substr({unsigned}, -{}, 1) = '.' AND substr({unsigned}, -{scale}) NOT GLOB '*[^0-9]*'",
                scale + 1
            ),
        ),
    };
    let digits = match precision - scale {
        0 => format!("{whole} = '0'"),
        most => format!("length({whole}) BETWEEN 1 AND {most} AND ({whole} = '0' OR {whole} GLOB '[1-9]*')"),
    };
    format!(
        "{bytes} = length({x}) AND {digits} AND {whole} NOT GLOB '*[^0-9]*'{fraction} AND ({x} NOT GLOB '-*' OR {x} GLOB \
         '*[1-9]*')",
        bytes = bytes(x)
    )
}

/// The members of an enum sort in the order of their declaration, as they do on servers.
pub(super) fn order_by(column: &str, core: &CoreType) -> Option<String> {
    let CoreType::Enum(members) = core else { return None };
    let places =
        members.iter().enumerate().map(|(place, member)| format!(" WHEN {} THEN {place}", text_literal(member)));
    Some(format!("CASE {column}{} END", places.collect::<String>()))
}

/// The form in which a checked value is bound: NULL, integer, float, text or bytes.
pub(super) fn encode(value: Value, core: &CoreType) -> Result<Value> {
    Ok(match (value, core) {
        (Value::Null, _) => Value::Null,
        (value @ Value::Int(_), core) if core.integer_range().is_some() => value,
        (value @ Value::Float(_), CoreType::Float32 | CoreType::Float64) => value,
        (value @ Value::Bytes(_), CoreType::Bytes) => value,
        (value @ Value::Text(_), CoreType::Char(_) | CoreType::Varchar(_) | CoreType::Enum(_)) => value,
        (value @ Value::Bool(_), CoreType::Bool)
        | (value @ Value::Uuid(_), CoreType::Uuid)
        | (value @ Value::Date(_), CoreType::Date)
        | (value @ Value::DateTime(_), CoreType::DateTime(_))
        | (value @ Value::Decimal(_), CoreType::Decimal { .. })
        | (value @ Value::Json(_), CoreType::Json) => encode_free(value)?,
        (other, core) => {
            let message = format!("value {other} of type {} was not checked against `{core}`", other.type_name());
            return Err(Error::new(ErrorKind::InvalidType, message));
        }
    })
}

/// The form in which a value is bound that is compared with something computed, of no declared type.
pub(super) fn encode_free(value: Value) -> Result<Value> {
    Ok(match value {
        Value::Bool(flag) => Value::Int(flag.into()),
        Value::Uuid(id) => Value::Text(id.hyphenated().to_string()),
        Value::Date(day) => Value::Text(day.to_string()),
        Value::Time(time) => Value::Text(time.to_string()),
        Value::DateTime(moment) => Value::Text(format!("{} {}", moment.date(), moment.time())),
        Value::Decimal(number) => Value::Text(number.as_str().to_owned()),
        Value::Json(document) => Value::Text(document.to_string()),
        Value::Null | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Bytes(_) => value,
        Value::Array(ref array) if array.to_scalar().is_some() => encode_free(array.to_scalar().unwrap_or_default())?,
        other => {
            let message = format!("a value of type {} cannot be compared", other.type_name());
            return Err(Error::new(ErrorKind::InvalidType, message));
        }
    })
}

/// The inverse of [`encode`].
pub(super) fn decode(value: Value, core: &CoreType) -> Result<Value> {
    let corrupt = |value: &Value| {
        Error::new(ErrorKind::Corrupt, format!("the database holds {value} where `{core}` was declared"))
    };
    Ok(match (value, core) {
        (Value::Null, _) => Value::Null,
        (value @ Value::Int(_), core) if core.integer_range().is_some() => value,
        (value @ Value::Float(_), CoreType::Float32 | CoreType::Float64) => value,
        (value @ Value::Bytes(_), CoreType::Bytes) => value,
        (value @ Value::Text(_), CoreType::Char(_) | CoreType::Varchar(_) | CoreType::Enum(_)) => value,
        (Value::Int(flag @ 0..=1), CoreType::Bool) => Value::Bool(flag == 1),
        (Value::Int(number), CoreType::Float32 | CoreType::Float64) => Value::Float(number as f64),
        (Value::Text(text), core) => {
            let decoded = match core {
                CoreType::Uuid => Uuid::parse_str(&text).map(Value::Uuid).ok(),
                CoreType::Date => parse_date(&text).map(Value::Date).ok(),
                CoreType::DateTime(_) => parse_datetime(&text).map(Value::DateTime).ok(),
                CoreType::Decimal { .. } => text.parse::<Decimal>().map(Value::Decimal).ok(),
                CoreType::Json => serde_json::from_str(&text).map(Value::Json).ok(),
                _ => None,
            };
            decoded.ok_or_else(|| corrupt(&Value::Text(text)))?
        }
        (other, _) => return Err(corrupt(&other)),
    })
}

/// What stands behind `DEFAULT`.
pub(super) fn default_sql(default: &DefaultValue, core: &CoreType) -> Result<String> {
    Ok(match default {
        DefaultValue::Null => "NULL".to_owned(),
        DefaultValue::Now(digits) => now(digits.unwrap_or(0)),
        DefaultValue::Value(value) => match encode(value.clone(), core)? {
            Value::Int(number) => number.to_string(),
            Value::Float(number) if number.is_infinite() => if number > 0.0 { "9e999" } else { "-9e999" }.to_owned(),
            Value::Float(number) if number.is_finite() => format!("{number:?}"),
            Value::Text(text) => text_literal(&text),
            other => {
                return Err(Error::new(ErrorKind::Unsupported, format!("sqlite has no default of value {other}")));
            }
        },
    })
}

/// The present moment (UTC) with at most so many digits of a second. SQLite's clock tells milliseconds.
fn now(digits: u8) -> String {
    match digits {
        0 => "CURRENT_TIMESTAMP".to_owned(),
        _ => format!(
            "(rtrim(rtrim(substr(strftime('%Y-%m-%d %H:%M:%f', 'now'), 1, {}), '0'), '.'))",
            20 + u32::from(digits)
        ),
    }
}

/// What a default in the catalog means; nothing if it was not written by [`default_sql`].
pub(super) fn read_default(sql: &str, core: &CoreType) -> Option<DefaultValue> {
    let bare = sql.trim().trim_start_matches('(').trim_end_matches(')');
    if sql.eq_ignore_ascii_case("null") {
        return Some(DefaultValue::Null);
    }
    if matches!(core, CoreType::DateTime(_))
        && let Some(digits) = (0..=6).find(|digits| now(*digits).trim_matches(['(', ')']) == bare)
    {
        return Some(DefaultValue::Now((digits > 0).then_some(digits)));
    }
    let value = match sql.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(inner) => Value::Text(inner.replace("''", "'")),
        None => match sql.parse::<i64>() {
            Ok(number) => Value::Int(number),
            Err(_) => Value::Float(sql.parse().ok()?),
        },
    };
    decode(value, core).ok().map(DefaultValue::Value)
}

/// Compares two decimal numbers written in fixed point, as the collation `decimal` must: by value, `1.50` equal to
/// `1.5`. Texts that are no numbers come behind all numbers, in their own order.
pub fn compare_decimals(left: &str, right: &str) -> Ordering {
    match (FixedPoint::read(left), FixedPoint::read(right)) {
        (Some(left), Some(right)) => left.compare(&right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => left.cmp(right),
    }
}

/// A number in digits, without superfluous zeros on either side.
struct FixedPoint<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> FixedPoint<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() == 0 {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let negative = text.starts_with('-') && !(whole.is_empty() && fraction.is_empty());
        Some(FixedPoint { negative, whole, fraction })
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (true, true) => other.compare_size(self),
            (false, false) => self.compare_size(other),
        }
    }

    fn compare_size(&self, other: &Self) -> Ordering {
        let whole = self.whole.len().cmp(&other.whole.len()).then_with(|| self.whole.cmp(other.whole));
        // Digits behind the point compare like text: the shorter one is the smaller if it begins the longer one.
        whole.then_with(|| self.fraction.cmp(other.fraction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_compare_by_value() {
        let sorted = ["-10.5", "-9", "-0.25", "-0.2", "0.00", "0.1", "0.10001", "2", "10", "10.1", "x", "y"];
        for (i, left) in sorted.iter().enumerate() {
            for (j, right) in sorted.iter().enumerate() {
                assert_eq!(compare_decimals(left, right), i.cmp(&j), "{left} {right}");
            }
        }
        for (left, right) in [("1.50", "1.5"), ("-0.0", "0"), ("007", "7.")] {
            assert_eq!(compare_decimals(left, right), Ordering::Equal);
        }
    }

    #[test]
    fn moments_are_spelled_canonically() {
        let datetime = CoreType::DateTime(None);
        for text in ["2024-02-29 01:02:03", "2024-02-29 01:02:03.5", "0001-01-01 00:00:00.000001"] {
            let value = datetime.check(text.into()).unwrap();
            assert_eq!(encode(value, &datetime).unwrap(), Value::from(text));
        }
    }

    #[test]
    fn values_come_back() {
        let cases: Vec<(&str, Value)> = vec![
            ("int8", (-5).into()),
            ("float32", 0.1.into()),
            ("bool", true.into()),
            ("uuid", Uuid::from_u128(7).into()),
            ("json", serde_json::json!({"b": [1, null], "a": "x"}).into()),
            ("bytes", vec![0u8, 255].into()),
            ("date", lodestore_types::Date::constant(1, 1, 1).into()),
            ("varchar(9)", "it's".into()),
            ("decimal(5,2)", "1.50".parse::<Decimal>().unwrap().into()),
            ("int8", Value::Null),
        ];
        for (core, value) in cases {
            let core = CoreType::parse(core).unwrap().unwrap();
            assert_eq!(decode(encode(value.clone(), &core).unwrap(), &core).unwrap(), value);
        }
        assert!(encode(Value::Text("x".into()), &CoreType::Int8).is_err());
        assert_eq!(decode(Value::Text("x".into()), &CoreType::Uuid).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
