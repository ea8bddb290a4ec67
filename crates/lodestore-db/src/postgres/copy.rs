//! Many rows at once, by `COPY`.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures_util::SinkExt;
use lodestore_sql::postgres::text_form;
use lodestore_types::{Error, ErrorKind, Result, Value};

use super::connection::{Failure, PostgresConnection};

/// So many bytes are sent together.
const CHUNK: usize = 256 << 10;

impl PostgresConnection {
    /// Sends rows by a `COPY` statement; gives their number.
    pub(super) fn copy(&self, sql: &str, rows: &mut dyn Iterator<Item = &[Value]>) -> Result<u64, Failure> {
        let mut sink = pin!(self.answer(self.client.copy_in::<_, Bytes>(sql))?);
        let mut buffer = BytesMut::with_capacity(CHUNK + 4096);
        for row in rows {
            // A sink that is dropped tells the server that nothing comes of it.
            write_row(row, &mut buffer)?;
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

/// One line: values between tabs, what would be taken for structure behind backslashes.
fn write_row(row: &[Value], out: &mut BytesMut) -> Result<()> {
    for (index, value) in row.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\t");
        }
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
    }
    out.extend_from_slice(b"\n");
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
        write_row(&row, &mut out).unwrap();
        assert_eq!(&out[..], b"a\\tb\\\\\\n\t\\N\t\t\\\\x01ff\t1.5\n");
        assert!(write_row(&[Value::List(vec![])], &mut out).is_err());
    }
}
