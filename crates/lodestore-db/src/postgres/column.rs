//! Cells of PostgreSQL into typed columns.

use lodestore_types::{CoreType, Error, ErrorKind, Result, Value};

use super::value::{Wire, days, fixed, microseconds, numeric, read};
use crate::{Column, ColumnData, ColumnKind};

const DAY_MICROSECONDS: i64 = 86_400_000_000;

/// Adds a cell to a column; tells how many bytes that took.
#[inline]
pub(super) fn push(column: &mut Column, wire: Wire, raw: Option<&[u8]>, kind: ColumnKind) -> Result<usize> {
    if let ColumnData::Values(values) = &mut column.data {
        values.push(read(wire, raw)?);
        return Ok(raw.map_or(0, <[u8]>::len) + size_of::<Value>());
    }
    let Some(raw) = raw else {
        column.push_null();
        return Ok(8);
    };
    match (&mut column.data, wire) {
        (ColumnData::Int(numbers), Wire::Int16) => numbers.push(i16::from_be_bytes(fixed(raw)?).into()),
        (ColumnData::Int(numbers), Wire::Int32) => numbers.push(i32::from_be_bytes(fixed(raw)?).into()),
        (ColumnData::Int(numbers), Wire::Int64) => numbers.push(i64::from_be_bytes(fixed(raw)?)),
        (ColumnData::Float(numbers), Wire::Float32) => numbers.push(f32::from_be_bytes(fixed(raw)?).into()),
        (ColumnData::Float(numbers), Wire::Float64) => numbers.push(f64::from_be_bytes(fixed(raw)?)),
        (ColumnData::Bool(flags), Wire::Bool) => flags.push(raw == [1]),
        (ColumnData::Text(texts), Wire::Text) => {
            // The connection speaks UTF-8, but a server may keep text that it was told is some.
            if std::str::from_utf8(raw).is_err() {
                return Err(unfit(wire, raw, kind));
            }
            texts.push(raw);
        }
        (ColumnData::Text(texts), wire) => match read(wire, Some(raw))? {
            Value::Text(text) => texts.push(text.as_bytes()),
            Value::Time(time) => texts.push(time.to_string().as_bytes()),
            _ => return Err(unfit(wire, raw, kind)),
        },
        (ColumnData::Bytes(all), Wire::Bytes) => all.push(raw),
        (ColumnData::Date(all), Wire::Date) => all.push(days(raw)?.ok_or_else(|| unfit(wire, raw, kind))?),
        (ColumnData::DateTime(all), Wire::Moment) => {
            all.push(microseconds(raw)?.ok_or_else(|| unfit(wire, raw, kind))?);
        }
        (ColumnData::DateTime(all), Wire::Date) => {
            let day = days(raw)?.ok_or_else(|| unfit(wire, raw, kind))?;
            all.push(i64::from(day) * DAY_MICROSECONDS);
        }
        (ColumnData::Uuid(ids), Wire::Uuid) => ids.push(fixed(raw)?),
        (ColumnData::Decimal(texts), Wire::Numeric) => {
            numeric(raw, &mut texts.bytes)?;
            texts.offsets.push(texts.bytes.len() as i64);
        }
        // Sums and means of integers are numbers of fixed point, and the other way round.
        (_, wire) => return push_converted(column, read(wire, Some(raw))?, kind).map(|()| 16),
    }
    column.push_valid();
    Ok(raw.len() + 8)
}

/// Adds a number of another type than the column's.
fn push_converted(column: &mut Column, value: Value, kind: ColumnKind) -> Result<()> {
    let core = match kind {
        ColumnKind::Int => CoreType::Int64,
        ColumnKind::Float => CoreType::Float64,
        ColumnKind::Decimal { precision, scale } => CoreType::Decimal { precision, scale },
        _ => return Err(unfit_value(&value, kind)),
    };
    let shown = value.clone();
    match (&mut column.data, core.check(value)?) {
        (ColumnData::Int(numbers), Value::Int(number)) => numbers.push(number),
        (ColumnData::Float(numbers), Value::Float(number)) => numbers.push(number),
        (ColumnData::Decimal(texts), Value::Decimal(number)) => texts.push(number.as_str().as_bytes()),
        _ => return Err(unfit_value(&shown, kind)),
    }
    column.push_valid();
    Ok(())
}

fn unfit(wire: Wire, raw: &[u8], kind: ColumnKind) -> Error {
    match read(wire, Some(raw)) {
        Ok(value) => unfit_value(&value, kind),
        Err(error) => error,
    }
}

fn unfit_value(value: &Value, kind: ColumnKind) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the database holds {value} where {kind} was expected"))
}
