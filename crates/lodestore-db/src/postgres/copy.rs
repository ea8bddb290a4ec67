//! Many rows at once, by `COPY`.

use std::fmt::Write;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures_util::SinkExt;
use lodestore_sql::postgres::text_form;
use lodestore_types::{Error, ErrorKind, Result, Uuid, Value};

use super::connection::{Failure, PostgresConnection};
use crate::{Column, ColumnData};

/// So many bytes are sent together.
const CHUNK: usize = 256 << 10;

impl PostgresConnection {
    /// Sends the rows that `next` writes, one at a call, by a `COPY` statement; gives their number.
    pub(super) fn copy(&self, sql: &str, next: &mut NextRow<'_>) -> Result<u64, Failure> {
        let mut sink = pin!(self.answer(self.client.copy_in::<_, Bytes>(sql))?);
        let mut buffer = BytesMut::with_capacity(CHUNK + 4096);
        while let Some(written) = next(&mut buffer) {
            // A sink that is dropped tells the server that nothing comes of it.
            written?;
            if buffer.len() >= CHUNK {
                self.answer(sink.send(buffer.split().freeze()))?;
                buffer.reserve(CHUNK + 4096);
            }
        }
        if !buffer.is_empty() {
            self.answer(sink.send(buffer.freeze()))?;
        }
        self.answer(sink.as_mut().finish())
    }
}

/// Writes the next row, if there is one.
type NextRow<'a> = dyn FnMut(&mut BytesMut) -> Option<Result<()>> + 'a;

/// One line: cells between tabs, what would be taken for structure behind backslashes.
pub(super) fn write_cells(cells: &[Column], row: usize, out: &mut BytesMut) -> Result<()> {
    for (index, column) in cells.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\t");
        }
        match &column.data {
            _ if column.is_null(row) => out.extend_from_slice(b"\\N"),
            ColumnData::Bool(flags) => out.extend_from_slice(if flags[row] { b"t" } else { b"f" }),
            // Writing into memory does not fail.
            ColumnData::Int(numbers) => drop(write!(out, "{}", numbers[row])),
            ColumnData::Text(texts) => escape(texts.get(row), out),
            ColumnData::Decimal(texts) => out.extend_from_slice(texts.get(row)),
            ColumnData::Uuid(ids) => drop(write!(out, "{}", Uuid::from_bytes(ids[row]).hyphenated())),
            ColumnData::Values(values) => write_value(&values[row], out)?,
            _ => write_value(&column.value(row), out)?,
        }
    }
    out.extend_from_slice(b"\n");
    Ok(())
}

fn write_value(value: &Value, out: &mut BytesMut) -> Result<()> {
    match value {
        Value::Null => out.extend_from_slice(b"\\N"),
        Value::Text(text) => escape(text.as_bytes(), out),
        value => match text_form(value) {
            Some(text) => escape(text.as_bytes(), out),
            None => {
                let message = format!("a value of type {} cannot be bound to a statement", value.type_name());
                return Err(Error::new(ErrorKind::InvalidValue, message));
            }
        },
    }
    Ok(())
}

fn escape(text: &[u8], out: &mut BytesMut) {
    let mut start = 0;
    for (at, byte) in text.iter().enumerate() {
        let escaped: &[u8] = match byte {
            b'\\' => b"\\\\",
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            _ => continue,
        };
        out.extend_from_slice(&text[start..at]);
        out.extend_from_slice(escaped);
        start = at + 1;
    }
    out.extend_from_slice(&text[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structure_is_escaped() {
        let mut out = BytesMut::new();
        let row: [Value; 5] = ["a\tb\\\n".into(), Value::Null, "".into(), vec![1u8, 255].into(), 1.5.into()];
        let cells = |row: &[Value]| -> Vec<Column> {
            row.iter().map(|value| Column { data: ColumnData::Values(vec![value.clone()]), nulls: None }).collect()
        };
        write_cells(&cells(&row), 0, &mut out).unwrap();
        assert_eq!(&out[..], b"a\\tb\\\\\\n\t\\N\t\t\\\\x01ff\t1.5\n");
        assert!(write_cells(&cells(&[Value::List(vec![])]), 0, &mut out).is_err());
    }
}
