//! Cells of the server into typed columns.

use ::mysql::Value as Raw;
use lodestore_types::{CoreType, Error, ErrorKind, Result, Value, days_from_date, microseconds_from_datetime};

use super::value::{Meta, date, moment, read, widen};
use crate::{Column, ColumnData, ColumnKind};

/// Adds a cell to a column; tells how many bytes that took.
pub(super) fn push(column: &mut Column, raw: Raw, meta: Meta, kind: ColumnKind) -> Result<usize> {
    let bytes = if let Raw::Bytes(bytes) = &raw { bytes.len() } else { 0 };
    match (&mut column.data, raw) {
        (ColumnData::Values(values), raw) => {
            values.push(read(raw, meta));
            return Ok(bytes + size_of::<Value>());
        }
        (_, Raw::NULL) => {
            column.push_null();
            return Ok(8);
        }
        (ColumnData::Int(numbers), Raw::Int(number)) => numbers.push(number),
        (ColumnData::Float(numbers), Raw::Double(number)) => numbers.push(number),
        (ColumnData::Float(numbers), Raw::Float(number)) => numbers.push(widen(number)),
        (ColumnData::Float(numbers), Raw::Int(number)) => numbers.push(number as f64),
        // Programs in which a tinyint is no bool may have left other numbers.
        (ColumnData::Bool(flags), Raw::Int(flag)) => flags.push(flag != 0),
        (ColumnData::Text(texts), Raw::Bytes(text)) if std::str::from_utf8(&text).is_ok() => texts.push(&text),
        (ColumnData::Bytes(all), Raw::Bytes(bytes)) => all.push(&bytes),
        (ColumnData::Decimal(texts), Raw::Bytes(text)) if is_number(&text) => texts.push(&text),
        (data, raw) => match (data, &raw) {
            (ColumnData::Date(days), Raw::Date(year, month, day, 0, 0, 0, 0)) => match date(*year, *month, *day) {
                Some(day) => days.push(days_from_date(day)),
                None => return push_value(column, read(raw, meta), kind),
            },
            (ColumnData::DateTime(moments), Raw::Date(..)) => match moment(&raw) {
                Some(moment) => moments.push(microseconds_from_datetime(moment)),
                None => return push_value(column, read(raw, meta), kind),
            },
            (ColumnData::Uuid(ids), Raw::Bytes(bytes)) => match bytes.as_slice().try_into() {
                Ok(id) => ids.push(id),
                Err(_) => return push_value(column, read(raw, meta), kind),
            },
            _ => return push_value(column, read(raw, meta), kind),
        },
    }
    column.push_valid();
    Ok(bytes + 16)
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_digit() || b"+-.".contains(byte))
}

/// Adds a cell that the server gave in another form than the column's: a sum as a decimal, a date as a moment.
fn push_value(column: &mut Column, value: Value, kind: ColumnKind) -> Result<usize> {
    let unfit = || Error::new(ErrorKind::Corrupt, format!("the database holds {value} where {kind} was declared"));
    let core = match kind {
        ColumnKind::Int => CoreType::Int64,
        ColumnKind::Float => CoreType::Float64,
        ColumnKind::Date => CoreType::Date,
        ColumnKind::DateTime => CoreType::DateTime(None),
        ColumnKind::Decimal { precision, scale } => CoreType::Decimal { precision, scale },
        _ => CoreType::Json,
    };
    let checked =
        if core == CoreType::Json { value.clone() } else { core.check(value.clone()).map_err(|_| unfit())? };
    match (&mut column.data, checked) {
        (ColumnData::Int(numbers), Value::Int(number)) => numbers.push(number),
        (ColumnData::Float(numbers), Value::Float(number)) => numbers.push(number),
        (ColumnData::Date(days), Value::Date(day)) => days.push(days_from_date(day)),
        (ColumnData::DateTime(moments), Value::DateTime(moment)) => moments.push(microseconds_from_datetime(moment)),
        (ColumnData::Decimal(texts), Value::Decimal(number)) => texts.push(number.as_str().as_bytes()),
        (ColumnData::Bytes(all), Value::Text(text)) => all.push(text.as_bytes()),
        // A native type that only text can hold, such as a time of more than a day.
        (ColumnData::Text(texts), Value::Text(text)) => texts.push(text.as_bytes()),
        (ColumnData::Text(texts), other @ (Value::Int(_) | Value::Time(_))) => texts.push(other.to_string().as_bytes()),
        _ => return Err(unfit()),
    }
    column.push_valid();
    Ok(16)
}
