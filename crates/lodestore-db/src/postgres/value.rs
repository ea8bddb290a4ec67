//! How values travel to PostgreSQL and back: as text that the server reads, and in its binary form.

use std::error::Error as StdError;

use bytes::{BufMut, Bytes, BytesMut};
use lodestore_sql::postgres::text_form;
use lodestore_types::{Decimal, Error, ErrorKind, Result, Uuid, Value, date_from_days, datetime_from_microseconds};
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

use super::error::Unbindable;

/// A value on its way into a statement. The server infers its type from where it stands.
#[derive(Debug)]
pub(super) struct Bound<'a>(pub(super) &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Bytes(bytes) => out.put_slice(bytes),
            value => match text_form(value) {
                Some(text) => out.put_slice(text.as_bytes()),
                None => return Err(Box::new(Unbindable(value.type_name()))),
            },
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        if matches!(self.0, Value::Bytes(_)) { Format::Binary } else { Format::Text }
    }

    to_sql_checked!();
}

/// A cell as the server sent it; nothing for NULL.
pub(super) struct Raw<'a>(pub(super) Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Raw(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Raw(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The binary forms that cells come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Bool,
    Int16,
    Int32,
    Int64,
    /// Unsigned, such as the numbers of catalog rows.
    Oid,
    Float32,
    Float64,
    Numeric,
    Text,
    /// Text filled up with blanks.
    Padded,
    Bytes,
    Date,
    Time,
    Moment,
    Uuid,
    Json,
    /// JSON behind the number of its format.
    Jsonb,
    /// Anything else.
    Other,
}

impl Wire {
    pub(super) fn of(kind: &Type) -> Wire {
        match *kind {
            Type::BOOL => Wire::Bool,
            Type::INT2 => Wire::Int16,
            Type::INT4 => Wire::Int32,
            Type::INT8 => Wire::Int64,
            Type::OID => Wire::Oid,
            Type::FLOAT4 => Wire::Float32,
            Type::FLOAT8 => Wire::Float64,
            Type::NUMERIC => Wire::Numeric,
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::UNKNOWN | Type::XML | Type::CHAR => Wire::Text,
            Type::BPCHAR => Wire::Padded,
            Type::BYTEA => Wire::Bytes,
            Type::DATE => Wire::Date,
            Type::TIME => Wire::Time,
            Type::TIMESTAMP | Type::TIMESTAMPTZ => Wire::Moment,
            Type::UUID => Wire::Uuid,
            Type::JSON => Wire::Json,
            Type::JSONB => Wire::Jsonb,
            _ if matches!(kind.kind(), Kind::Enum(_)) => Wire::Text,
            _ => Wire::Other,
        }
    }
}

/// 2000-01-01, from which PostgreSQL counts, in days and microseconds since 1970-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

pub(super) fn fixed<const N: usize>(raw: &[u8]) -> Result<[u8; N]> {
    raw.try_into().map_err(|_| Error::new(ErrorKind::Corrupt, "the server sent a cell of an unexpected size"))
}

/// Days since 1970-01-01; nothing for the infinities.
pub(super) fn days(raw: &[u8]) -> Result<Option<i32>> {
    let days = i32::from_be_bytes(fixed(raw)?);
    Ok(days.checked_add(EPOCH_DAYS).filter(|_| days != i32::MIN))
}

/// Microseconds since 1970-01-01; nothing for the infinities.
pub(super) fn microseconds(raw: &[u8]) -> Result<Option<i64>> {
    let moment = i64::from_be_bytes(fixed(raw)?);
    Ok(moment.checked_add(EPOCH_MICROSECONDS).filter(|_| moment != i64::MIN))
}

/// A value on its way out of a result.
pub(super) fn read(wire: Wire, raw: Option<&[u8]>) -> Result<Value> {
    let Some(raw) = raw else { return Ok(Value::Null) };
    let beyond = || Error::new(ErrorKind::Corrupt, "the database holds a time without end, which no attribute does");
    Ok(match wire {
        Wire::Bool => Value::Bool(raw == [1]),
        Wire::Int16 => Value::Int(i16::from_be_bytes(fixed(raw)?).into()),
        Wire::Int32 => Value::Int(i32::from_be_bytes(fixed(raw)?).into()),
        Wire::Int64 => Value::Int(i64::from_be_bytes(fixed(raw)?)),
        Wire::Oid => Value::Int(u32::from_be_bytes(fixed(raw)?).into()),
        Wire::Float32 => Value::Float(f32::from_be_bytes(fixed(raw)?).into()),
        Wire::Float64 => Value::Float(f64::from_be_bytes(fixed(raw)?)),
        Wire::Numeric => {
            let mut text = Vec::new();
            numeric(raw, &mut text)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            match text.parse::<Decimal>() {
                Ok(number) => Value::Decimal(number),
                Err(_) => Value::Float(text.parse().map_err(|_| Error::new(ErrorKind::Corrupt, "no number"))?),
            }
        }
        Wire::Bytes => Value::Bytes(Bytes::copy_from_slice(raw)),
        Wire::Date => Value::Date(days(raw)?.and_then(date_from_days).ok_or_else(beyond)?),
        Wire::Time => {
            let moment = datetime_from_microseconds(i64::from_be_bytes(fixed(raw)?));
            Value::Time(moment.ok_or_else(beyond)?.time())
        }
        Wire::Moment => Value::DateTime(microseconds(raw)?.and_then(datetime_from_microseconds).ok_or_else(beyond)?),
        Wire::Uuid => Value::Uuid(Uuid::from_bytes(fixed(raw)?)),
        Wire::Json | Wire::Jsonb => {
            let text = if wire == Wire::Jsonb { raw.get(1..).unwrap_or_default() } else { raw };
            let document = serde_json::from_slice(text);
            Value::Json(document.map_err(|error| {
                Error::new(ErrorKind::Corrupt, "the server sent a JSON document that is none").with_source(error)
            })?)
        }
        Wire::Text | Wire::Padded | Wire::Other => match std::str::from_utf8(raw) {
            Ok(text) if wire == Wire::Padded => Value::Text(text.trim_end_matches(' ').to_owned()),
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Bytes(Bytes::copy_from_slice(raw)),
        },
    })
}

/// Writes a number, which comes in groups of four digits, in fixed point.
pub(super) fn numeric(raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let short = || Error::new(ErrorKind::Corrupt, "the server sent a number that is cut off");
    let word = |index: usize| -> Result<u16> {
        raw.get(2 * index..2 * index + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).ok_or_else(short)
    };
    let (count, weight, sign, scale) = (usize::from(word(0)?), word(1)? as i16, word(2)?, usize::from(word(3)?));
    match sign {
        0x0000 => {}
        0x4000 => out.push(b'-'),
        0xd000 => out.extend(b"Infinity"),
        0xf000 => out.extend(b"-Infinity"),
        _ => out.extend(b"NaN"),
    }
    if sign & 0x8000 != 0 {
        return Ok(());
    }
    // The group that stands for 10000 to the power of `place`.
    let group = |place: i32| -> Result<u16> {
        let index = i32::from(weight) - place;
        if (0..count as i32).contains(&index) { word(4 + index as usize) } else { Ok(0) }
    };
    if weight < 0 {
        out.push(b'0');
    }
    for place in (0..=i32::from(weight)).rev() {
        let digits = group(place)?;
        match place == i32::from(weight) {
            true => out.extend(digits.to_string().bytes()),
            false => out.extend(format!("{digits:04}").bytes()),
        }
    }
    if scale > 0 {
        out.push(b'.');
        let end = out.len() + scale;
        let mut place = -1;
        while out.len() < end {
            out.extend(format!("{:04}", group(place)?).bytes());
            place -= 1;
        }
        out.truncate(end);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(weight: i16, sign: u16, scale: u16, digits: &[u16]) -> String {
        let head = [digits.len() as u16, weight as u16, sign, scale];
        let raw: Vec<u8> = head.iter().chain(digits).flat_map(|word| word.to_be_bytes()).collect();
        let mut text = Vec::new();
        numeric(&raw, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn numbers_come_in_groups_of_four_digits() {
        assert_eq!(number(0, 0, 2, &[12, 3400]), "12.34");
        assert_eq!(number(1, 0x4000, 0, &[1, 5]), "-10005");
        assert_eq!(number(2, 0, 0, &[3]), "300000000");
        assert_eq!(number(-1, 0, 3, &[500]), "0.050");
        assert_eq!(number(-2, 0, 8, &[7]), "0.00000007");
        assert_eq!(number(0, 0, 5, &[]), "0.00000");
        assert_eq!(number(0, 0xc000, 0, &[]), "NaN");
        assert!(numeric(&[0, 1, 0, 0], &mut Vec::new()).is_err());
    }
}
