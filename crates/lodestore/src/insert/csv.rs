//! Rows of a CSV file: the names of attributes in the first line, then a row a line.
//!
//! Fields are separated by commas; one that holds a comma, a quote or a line break stands in double quotes, with quotes
//! in it doubled. All fields are text in UTF-8, read as the attributes they are for demand; an empty one stands for no
//! value, except for attributes of text.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use lodestore_db::{Column, ColumnKind};
use lodestore_sql::Heading;
use lodestore_types::{CoreType, Error, ErrorKind, Result, Value};

use super::Batch;

/// So many rows are in memory at a time.
const BATCH_ROWS: usize = 16_384;

/// The rows of a CSV file in batches.
pub(crate) struct CsvFile {
    lines: BufReader<File>,
    path: String,
    line: usize,
    names: Vec<String>,
    /// Where an empty field is an empty text.
    keeps_empty: Vec<bool>,
    batch_rows: usize,
}

impl CsvFile {
    /// Opens a file of rows for the table of this heading.
    ///
    /// # Errors
    /// `MissingFile`, `Storage`; `InvalidValue` without a header.
    pub(crate) fn open(path: &Path, heading: &Heading, batch_rows: Option<usize>) -> Result<Self> {
        let shown = path.display().to_string();
        let file = File::open(path).map_err(|cause| {
            let missing = cause.kind() == std::io::ErrorKind::NotFound;
            let kind = if missing { ErrorKind::MissingFile } else { ErrorKind::Storage };
            Error::new(kind, format!("cannot open `{shown}`: {cause}")).with_source(cause)
        })?;
        let mut file = CsvFile {
            lines: BufReader::with_capacity(1 << 20, file),
            path: shown,
            line: 0,
            names: Vec::new(),
            keeps_empty: Vec::new(),
            batch_rows: batch_rows.unwrap_or(BATCH_ROWS).clamp(1, BATCH_ROWS),
        };
        let mut names =
            file.record()?.ok_or_else(|| file.refuse("it is empty: the first line names the attributes"))?;
        if let Some(first) = names.first_mut() {
            *first = first.trim_start_matches('\u{feff}').to_owned();
        }
        file.names = names.iter().map(|name| name.trim().to_owned()).collect();
        let is_text = |name: &String| {
            let core = heading.get(name).filter(|attribute| attribute.kind.codec.is_none()).map(|a| &a.kind.core);
            matches!(core, Some(CoreType::Char(_) | CoreType::Varchar(_)))
        };
        file.keeps_empty = file.names.iter().map(is_text).collect();
        Ok(file)
    }

    fn batch(&mut self) -> Result<Option<Batch>> {
        let mut columns: Vec<Column> = self.names.iter().map(|_| Column::new(ColumnKind::Text)).collect();
        let mut rows = 0;
        while rows < self.batch_rows {
            let Some(fields) = self.record()? else { break };
            // A line without anything is no row.
            if fields.len() == 1 && fields[0].is_empty() && self.names.len() > 1 {
                continue;
            }
            if fields.len() != self.names.len() {
                let message = format!("the line has {} fields, the header {}", fields.len(), self.names.len());
                return Err(self.refuse(&message));
            }
            for ((column, field), keeps_empty) in columns.iter_mut().zip(fields).zip(&self.keeps_empty) {
                column.push(if field.is_empty() && !keeps_empty { Value::Null } else { Value::Text(field) });
            }
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        Batch::new(self.names.iter().cloned().zip(columns)).map(Some)
    }

    /// The fields of the next line, which goes on where a line break stands in quotes.
    fn record(&mut self) -> Result<Option<Vec<String>>> {
        let mut fields = Vec::new();
        let mut field: Vec<u8> = Vec::new();
        let mut quoted = false;
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            let count = self
                .lines
                .read_until(b'\n', &mut buffer)
                .map_err(|cause| Error::new(ErrorKind::Storage, format!("cannot read `{}`: {cause}", self.path)))?;
            if count == 0 && quoted {
                return Err(self.refuse("the file ends inside of quotes"));
            }
            if count == 0 {
                return Ok(None);
            }
            self.line += 1;
            let mut at = 0;
            while at < buffer.len() {
                match (buffer[at], quoted) {
                    (b'"', true) if buffer.get(at + 1) == Some(&b'"') => {
                        field.push(b'"');
                        at += 1;
                    }
                    (b'"', true) => quoted = false,
                    (b'"', false) if field.is_empty() => quoted = true,
                    (b',', false) => fields.push(self.text(std::mem::take(&mut field))?),
                    (b'\n', false) => {}
                    (b'\r', false) if matches!(buffer.get(at + 1), None | Some(b'\n')) => {}
                    (byte, _) => field.push(byte),
                }
                at += 1;
            }
            if !quoted {
                fields.push(self.text(field)?);
                return Ok(Some(fields));
            }
        }
    }

    fn text(&self, bytes: Vec<u8>) -> Result<String> {
        String::from_utf8(bytes).map_err(|_| self.refuse("it is not UTF-8").with_hint("save the file as UTF-8"))
    }

    fn refuse(&self, why: &str) -> Error {
        Error::new(ErrorKind::InvalidValue, why).with("file", &self.path).with("line", self.line)
    }
}

impl Iterator for CsvFile {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        self.batch().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Vec<String>>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        std::fs::write(&path, text).unwrap();
        let heading = Heading::default();
        let mut file = CsvFile::open(&path, &heading, Some(2))?;
        let mut rows = vec![file.names.clone()];
        while let Some(batch) = file.batch()? {
            for row in 0..batch.len() {
                let cell = |column: &Column| match column.value(row) {
                    Value::Text(text) => text,
                    _ => "NULL".to_owned(),
                };
                rows.push(batch.columns.iter().map(cell).collect());
            }
        }
        Ok(rows)
    }

    #[test]
    fn fields_quotes_and_ends_of_lines() {
        let rows = read("\u{feff}a, b\r\n1,\"x, \"\"y\"\"\r\nz\"\n\n,é\n3,\"\"").unwrap();
        assert_eq!(rows, [vec!["a", "b"], vec!["1", "x, \"y\"\r\nz"], vec!["NULL", "é"], vec!["3", "NULL"]]);
        assert_eq!(read("a\n").unwrap(), [["a"]]);
        for wrong in ["", "a,b\n1\n", "a\n\"x\n", "a,a\n1,2\n"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let error = read("a,b\n1,2\n1,2,3\n").unwrap_err();
        assert!(error.to_string().contains("line `3`"), "{error}");
    }
}
