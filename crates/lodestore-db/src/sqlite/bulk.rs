//! Many rows into SQLite: one statement, bound anew for each row, without a value for a cell.

use lodestore_types::{Error, ErrorKind, Uuid, Value, date_from_days, datetime_from_microseconds};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement, ToSql};

use super::error::translate;
use super::value::Bound;
use crate::{Bulk, Column, ColumnData, Refused, interrupted};

/// After so many rows it asks whether to stop.
const ROWS_BETWEEN_CHECKS: usize = 10_000;

/// Inserts the rows one by one: nothing is faster here, and so it is known which one is refused.
pub(super) fn insert(inner: &Connection, bulk: &Bulk<'_>, path: &std::path::Path) -> Result<u64, Refused> {
    let text = (bulk.statement)(1)?;
    let fail = |error| translate(error, path);
    let mut statement = inner.prepare_cached(&text).map_err(fail)?;
    let mut buffer = String::new();
    let mut count = 0;
    for row in bulk.rows.clone() {
        if row % ROWS_BETWEEN_CHECKS == ROWS_BETWEEN_CHECKS - 1 && interrupted() {
            return Err(Error::new(ErrorKind::Interrupted, "the statement was interrupted").into());
        }
        let mut run = || {
            for (index, column) in bulk.cells.iter().enumerate() {
                bind(&mut statement, index + 1, column, row, &mut buffer)?;
            }
            statement.raw_execute()
        };
        count += run().map_err(|error| Refused { error: fail(error), row: Some(row) })? as u64;
    }
    Ok(count)
}

fn bind(
    statement: &mut Statement<'_>,
    index: usize,
    column: &Column,
    row: usize,
    buffer: &mut String,
) -> rusqlite::Result<()> {
    if column.nulls.as_ref().is_some_and(|nulls| nulls[row]) {
        return statement.raw_bind_parameter(index, rusqlite::types::Null);
    }
    let cell = match &column.data {
        ColumnData::Int(numbers) => ValueRef::Integer(numbers[row]),
        ColumnData::Bool(flags) => ValueRef::Integer(flags[row].into()),
        ColumnData::Float(numbers) => return statement.raw_bind_parameter(index, Bound(&Value::Float(numbers[row]))),
        ColumnData::Text(texts) | ColumnData::Decimal(texts) => ValueRef::Text(texts.get(row)),
        ColumnData::Bytes(all) => ValueRef::Blob(all.get(row)),
        ColumnData::Values(values) => return statement.raw_bind_parameter(index, Bound(&values[row])),
        ColumnData::Date(_) | ColumnData::DateTime(_) | ColumnData::Uuid(_) => {
            buffer.clear();
            write_text(&column.data, row, buffer);
            ValueRef::Text(buffer.as_bytes())
        }
    };
    statement.raw_bind_parameter(index, Cell(cell))
}

/// Days, moments and uuids are texts in SQLite.
fn write_text(data: &ColumnData, row: usize, text: &mut String) {
    use std::fmt::Write;
    // Writing to a string cannot fail.
    let _ = match data {
        ColumnData::Date(days) => match date_from_days(days[row]) {
            Some(day) => write!(text, "{:04}-{:02}-{:02}", day.year(), day.month(), day.day()),
            None => Ok(()),
        },
        ColumnData::DateTime(moments) => match datetime_from_microseconds(moments[row]) {
            Some(moment) => write!(text, "{} {}", moment.date(), moment.time()),
            None => Ok(()),
        },
        ColumnData::Uuid(ids) => write!(text, "{}", Uuid::from_bytes(ids[row]).hyphenated()),
        _ => Ok(()),
    };
}

struct Cell<'a>(ValueRef<'a>);

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}

#[cfg(test)]
mod tests {
    use lodestore_types::{Decimal, parse_date, parse_datetime};

    use super::*;
    use crate::sqlite::Driver;
    use crate::{ColumnKind, Driver as _};

    fn open(sql: &str) -> (tempfile::TempDir, Box<dyn crate::Connection>) {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = Driver::new(folder.path().join("x.db")).connect().unwrap();
        connection.execute(sql, &[]).unwrap();
        (folder, connection)
    }

    fn run(connection: &mut dyn crate::Connection, cells: &[Column], conflict: &str) -> Result<u64, Refused> {
        let columns: Vec<String> = (0..cells.len()).map(|index| format!("c{index}")).collect();
        let row = format!("({})", vec!["?"; cells.len()].join(", "));
        let statement = |rows| {
            Ok(format!("INSERT INTO t ({}) VALUES {}{conflict}", columns.join(", "), vec![&*row; rows].join(", ")))
        };
        let rows = 0..cells[0].len();
        let (table, max_parameters) = ("t", 32766);
        let is_plain = conflict.is_empty();
        connection.insert(&Bulk {
            table,
            columns: &columns,
            cells,
            rows,
            statement: &statement,
            is_plain,
            max_parameters,
            stored: &|_, value| Ok(value),
        })
    }

    #[test]
    fn typed_cells_become_what_reading_takes() {
        let kinds: Vec<String> = (0..9).map(|index| format!("c{index}")).collect();
        let (_folder, mut connection) = open(&format!("CREATE TABLE t ({})", kinds.join(", ")));
        let columns: Vec<Column> = [
            (ColumnKind::Int, Value::from(7)),
            (ColumnKind::Bool, true.into()),
            (ColumnKind::Float, 2.5.into()),
            (ColumnKind::Text, "é\0".into()),
            (ColumnKind::Bytes, vec![0u8, 255].into()),
            (ColumnKind::Date, parse_date("0012-01-02").unwrap().into()),
            (ColumnKind::DateTime, parse_datetime("2024-02-29 01:02:03.5").unwrap().into()),
            (ColumnKind::Uuid, Uuid::from_u128(1).into()),
            (ColumnKind::Decimal { precision: 3, scale: 1 }, "1.5".parse::<Decimal>().unwrap().into()),
        ]
        .into_iter()
        .map(|(kind, value)| {
            let mut column = Column::new(kind);
            column.push(value);
            column.push(Value::Null);
            column
        })
        .collect();
        assert_eq!(run(&mut *connection, &columns, "").unwrap(), 2);
        let found = connection.query("SELECT * FROM t", &[]).unwrap();
        let expected: [Value; 9] = [
            7.into(),
            1.into(),
            2.5.into(),
            "é\0".into(),
            vec![0u8, 255].into(),
            "0012-01-02".into(),
            "2024-02-29 01:02:03.5".into(),
            "00000000-0000-0000-0000-000000000001".into(),
            "1.5".into(),
        ];
        assert_eq!(found, [expected.to_vec(), vec![Value::Null; 9]]);
    }

    #[test]
    fn the_refused_row_is_told() {
        let (_folder, mut connection) = open("CREATE TABLE t (c0 INTEGER PRIMARY KEY) STRICT");
        let column = Column { data: ColumnData::Int(vec![1, 2, 1]), nulls: None };
        let refused = run(&mut *connection, std::slice::from_ref(&column), "").unwrap_err();
        assert_eq!((refused.error.kind(), refused.row), (ErrorKind::Duplicate, Some(2)));
        assert_eq!(run(&mut *connection, &[column], " ON CONFLICT DO NOTHING").unwrap(), 0);
        let nan = Column { data: ColumnData::Float(vec![f64::NAN]), nulls: None };
        assert_eq!(run(&mut *connection, &[nan], "").unwrap_err().error.kind(), ErrorKind::InvalidValue);
    }
}
