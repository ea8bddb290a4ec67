//! How values travel to SQLite and back: as the five classes that it stores.

use bytes::Bytes;
use lodestore_types::{Error, ErrorKind, Value};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

/// A value on its way into a statement.
pub(super) struct Bound<'a>(pub(super) &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        bind(self.0)
    }
}

/// A value that a function of ours gives back.
pub(super) struct Given(pub(super) Value);

impl ToSql for Given {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        bind(&self.0)
    }
}

fn bind(value: &Value) -> rusqlite::Result<ToSqlOutput<'_>> {
    Ok(ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Int(number) => ValueRef::Integer(*number),
        // SQLite would turn it into NULL without a word.
        Value::Float(number) if number.is_nan() => return Err(refused("NaN cannot be stored in SQLite")),
        Value::Float(number) => ValueRef::Real(*number),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
        Value::Bytes(bytes) => ValueRef::Blob(bytes),
        other => {
            return Err(refused(&format!("a value of type {} cannot be bound to a statement", other.type_name())));
        }
    }))
}

fn refused(message: &str) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(Error::new(ErrorKind::InvalidValue, message)))
}

/// A value on its way out of a result.
pub(super) fn read(raw: ValueRef<'_>) -> Value {
    match raw {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(number) => Value::Float(number),
        // Text that another program left in some other encoding is kept as the bytes it is.
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Bytes(Bytes::copy_from_slice(text)),
        },
        ValueRef::Blob(bytes) => Value::Bytes(Bytes::copy_from_slice(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Driver as _;
    use crate::sqlite::Driver;

    #[test]
    fn every_class_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = Driver::new(folder.path().join("x.db")).connect().unwrap();
        let values: [Value; 8] = [
            Value::Null,
            i64::MIN.into(),
            (-0.0).into(),
            f64::INFINITY.into(),
            "é😀\0x".into(),
            "".into(),
            vec![0u8, 255].into(),
            vec![0u8; 0].into(),
        ];
        for value in values {
            assert_eq!(connection.query("SELECT ?", std::slice::from_ref(&value)).unwrap(), [[value]]);
        }
        for value in [f64::NAN.into(), Value::List(vec![])] {
            assert_eq!(connection.query("SELECT ?", &[value]).unwrap_err().kind(), ErrorKind::InvalidValue);
        }
    }
}
