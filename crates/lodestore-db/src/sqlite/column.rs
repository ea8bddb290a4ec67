//! Cells of SQLite into typed columns.

use lodestore_types::{
    Error, ErrorKind, Result, Uuid, Value, days_from_date, days_from_text, microseconds_from_datetime,
    microseconds_from_text, parse_date, parse_datetime,
};
use rusqlite::types::ValueRef;

use super::value::read;
use crate::{Column, ColumnData, ColumnKind};

/// Adds a cell to a column; tells how many bytes that took.
#[inline]
pub(super) fn push(column: &mut Column, raw: ValueRef<'_>, kind: ColumnKind) -> Result<usize> {
    match (&mut column.data, raw) {
        (ColumnData::Values(values), raw) => {
            let value = read(raw);
            let bytes = match &value {
                Value::Text(text) => text.len(),
                Value::Bytes(bytes) => bytes.len(),
                _ => 0,
            };
            values.push(value);
            return Ok(bytes + size_of::<Value>());
        }
        (_, ValueRef::Null) => {
            column.push_null();
            return Ok(8);
        }
        (ColumnData::Int(numbers), ValueRef::Integer(number)) => numbers.push(number),
        (ColumnData::Float(numbers), ValueRef::Real(number)) => numbers.push(number),
        (ColumnData::Float(numbers), ValueRef::Integer(number)) => numbers.push(number as f64),
        (ColumnData::Bool(flags), ValueRef::Integer(flag @ 0..=1)) => flags.push(flag == 1),
        (ColumnData::Text(texts), ValueRef::Text(text)) => {
            if std::str::from_utf8(text).is_err() {
                return Err(unfit(raw, kind));
            }
            texts.push(text);
            column.push_valid();
            return Ok(text.len() + 8);
        }
        (ColumnData::Bytes(all), ValueRef::Blob(bytes)) => {
            all.push(bytes);
            column.push_valid();
            return Ok(bytes.len() + 8);
        }
        (ColumnData::Date(days), ValueRef::Text(text)) => {
            let day = days_from_text(text).or_else(|| parse_date(utf8(text)?).ok().map(days_from_date));
            days.push(day.ok_or_else(|| unfit(raw, kind))?);
        }
        (ColumnData::DateTime(moments), ValueRef::Text(text)) => {
            let slowly = || parse_datetime(utf8(text)?).ok().map(microseconds_from_datetime);
            moments.push(microseconds_from_text(text).or_else(slowly).ok_or_else(|| unfit(raw, kind))?);
        }
        (ColumnData::Uuid(ids), ValueRef::Text(text)) => {
            ids.push(*Uuid::try_parse_ascii(text).map_err(|_| unfit(raw, kind))?.as_bytes());
        }
        (ColumnData::Decimal(texts), ValueRef::Text(text)) => {
            let sound = text.iter().all(|byte| byte.is_ascii_digit() || b"+-.".contains(byte));
            if !sound || text.is_empty() {
                return Err(unfit(raw, kind));
            }
            texts.push(text);
        }
        (_, raw) => return Err(unfit(raw, kind)),
    }
    column.push_valid();
    Ok(16)
}

fn utf8(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok()
}

fn unfit(raw: ValueRef<'_>, kind: ColumnKind) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the database holds {} where {kind} was declared", read(raw)))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::sqlite::Driver;
    use crate::{ColumnSpec, Connection, Driver as _};

    fn open() -> (tempfile::TempDir, Box<dyn Connection>) {
        let folder = tempfile::tempdir().unwrap();
        let connection = Driver::new(folder.path().join("x.db")).connect().unwrap();
        (folder, connection)
    }

    fn columns(connection: &mut dyn Connection, sql: &str, kinds: &[ColumnKind]) -> Result<Vec<Vec<Column>>> {
        let specs: Vec<_> = kinds.iter().map(|kind| ColumnSpec { name: format!("{kind}"), kind: *kind }).collect();
        let mut batches = Vec::new();
        connection.query_columns(sql, &[], &specs, 2, &mut |batch| {
            batches.push(batch);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(batches)
    }

    #[test]
    fn cells_become_what_was_declared() {
        let (_folder, mut connection) = open();
        let kinds = [
            ColumnKind::Int,
            ColumnKind::Float,
            ColumnKind::Bool,
            ColumnKind::Text,
            ColumnKind::Date,
            ColumnKind::DateTime,
            ColumnKind::Decimal { precision: 6, scale: 2 },
            ColumnKind::Uuid,
            ColumnKind::Bytes,
            ColumnKind::Value,
        ];
        let row = "1, 2.5, 1, 'é', '1970-01-03', '1970-01-01 00:00:01.5', '1.50', \
                   '00000000-0000-0000-0000-000000000001', x'00ff', 7";
        let nulls = vec!["NULL"; kinds.len()].join(", ");
        let sql = format!("SELECT {row} UNION ALL SELECT {nulls} UNION ALL SELECT {row}");
        let batches = columns(&mut *connection, &sql, &kinds).unwrap();
        assert_eq!(batches.iter().map(|batch| batch[0].len()).collect::<Vec<_>>(), [2, 1]);
        let first: Vec<Value> = batches[0].iter().map(|column| column.value(0)).collect();
        let expected: Vec<Value> = vec![
            1.into(),
            2.5.into(),
            true.into(),
            "é".into(),
            parse_date("1970-01-03").unwrap().into(),
            parse_datetime("1970-01-01 00:00:01.5").unwrap().into(),
            "1.50".parse::<lodestore_types::Decimal>().unwrap().into(),
            Uuid::from_u128(1).into(),
            vec![0u8, 255].into(),
            7.into(),
        ];
        assert_eq!(first, expected);
        assert!(batches[0].iter().all(|column| column.value(1).is_null() && column.null_count() == 1));
        assert!(batches[1].iter().all(|column| column.null_count() == 0));
    }

    #[test]
    fn a_cell_of_another_kind_is_told_with_its_attribute() {
        let (_folder, mut connection) = open();
        for (sql, kind) in [
            ("SELECT 'x'", ColumnKind::Int),
            ("SELECT 2", ColumnKind::Bool),
            ("SELECT '2024-02-30'", ColumnKind::Date),
            ("SELECT 'x'", ColumnKind::Uuid),
            ("SELECT 'x'", ColumnKind::Decimal { precision: 3, scale: 1 }),
            ("SELECT x'ff'", ColumnKind::Text),
        ] {
            let error = columns(&mut *connection, sql, &[kind]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{sql}");
            assert!(error.context().any(|(name, value)| name == "attribute" && value == kind.to_string()));
        }
        assert!(columns(&mut *connection, "SELECT 1, 2", &[ColumnKind::Int]).is_err());
    }

    #[test]
    fn a_visitor_can_stop() {
        let (_folder, mut connection) = open();
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
        let spec = [ColumnSpec { name: "i".into(), kind: ColumnKind::Int }];
        let mut seen = 0;
        connection
            .query_columns(sql, &[], &spec, 10, &mut |batch| {
                seen += batch[0].len();
                Ok(if seen < 30 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })
            .unwrap();
        assert_eq!(seen, 30);
    }
}
