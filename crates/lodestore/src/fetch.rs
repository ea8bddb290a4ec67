//! Fetch: all rows of a query at once, as rows or as columns.

use std::ops::ControlFlow;
use std::path::PathBuf;

use lodestore_db::Column;
use lodestore_types::{Error, ErrorKind, Result};

use crate::reader::Reader;
use crate::{Columns, Query, Row};

/// So many rows are decoded together where codecs are at work; their objects are in memory at the same time.
pub(crate) const BATCH_ROWS: usize = 256;

/// How values are fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchOptions {
    /// No more rows than this are read; which ones is up to the database.
    pub at_most: Option<usize>,
    /// What becomes of a row with a value that cannot be read.
    pub on_error: OnError,
    /// Decoded arrays lose their dimensions of extent 1.
    pub squeeze: bool,
    /// The folder for attachments; `download_path` of the settings if there is none.
    pub download_path: Option<PathBuf>,
}

/// What becomes of a row with a value that cannot be read: its object is gone or damaged, its codec fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnError {
    /// The fetch fails, and the error names the row and the attribute.
    #[default]
    Raise,
    /// The row is left out.
    Skip,
    /// NULL takes the place of the value.
    Null,
    /// A reference to the object takes the place of the value: its path is known, and reading it later raises what is
    /// wrong. A value that the table itself holds has no object: that it cannot be read fails the fetch.
    Reference,
}

impl Query {
    /// All rows.
    ///
    /// # Errors
    /// The database's and the stores'; `Corrupt` for a value that cannot be read.
    pub fn fetch(&self) -> Result<Vec<Row>> {
        self.fetch_opts(&FetchOptions::default())
    }

    /// Like [`Query::fetch`], with options.
    ///
    /// # Errors
    /// As [`Query::fetch`].
    pub fn fetch_opts(&self, options: &FetchOptions) -> Result<Vec<Row>> {
        self.fetch_columns_opts(options).map(Columns::into_rows)
    }

    /// All rows, column by column.
    ///
    /// # Errors
    /// As [`Query::fetch`].
    pub fn fetch_columns(&self) -> Result<Columns> {
        self.fetch_columns_opts(&FetchOptions::default())
    }

    /// Like [`Query::fetch_columns`], with options.
    ///
    /// # Errors
    /// As [`Query::fetch`].
    pub fn fetch_columns_opts(&self, options: &FetchOptions) -> Result<Columns> {
        fetch(self, options).map_err(|error| self.locate(error))
    }

    /// The one row that there is.
    ///
    /// # Errors
    /// `RowCount` if there is none or more than one, and those of [`Query::fetch`].
    pub fn fetch1(&self) -> Result<Row> {
        self.fetch1_opts(&FetchOptions::default())
    }

    /// Like [`Query::fetch1`], with options.
    ///
    /// # Errors
    /// As [`Query::fetch1`].
    pub fn fetch1_opts(&self, options: &FetchOptions) -> Result<Row> {
        let mut rows = self.fetch_opts(&FetchOptions { at_most: Some(2), ..options.clone() })?;
        match (rows.pop(), rows.is_empty()) {
            (Some(row), true) => Ok(row),
            (found, _) => {
                let found = if found.is_some() { "more than one" } else { "no" };
                let error = Error::new(ErrorKind::RowCount, format!("one row was asked for, {found} row is there"));
                Err(self.locate(error.with_hint("restrict the query by the primary key")))
            }
        }
    }

    /// The first rows, in the order of an earlier [`Top`](crate::Top), else in that of the primary key.
    ///
    /// # Errors
    /// As [`Query::fetch`].
    pub fn head(&self, rows: u64) -> Result<Vec<Row>> {
        self.limit(rows)?.fetch()
    }

    /// The last rows, in the order of an earlier [`Top`](crate::Top), else in that of the primary key.
    ///
    /// # Errors
    /// As [`Query::fetch`].
    pub fn tail(&self, rows: u64) -> Result<Vec<Row>> {
        let mut last = self.last(rows)?.fetch()?;
        last.reverse();
        Ok(last)
    }

    /// The primary keys.
    ///
    /// # Errors
    /// The database's.
    pub fn keys(&self) -> Result<Vec<Row>> {
        self.project(&[])?.fetch()
    }
}

fn fetch(query: &Query, options: &FetchOptions) -> Result<Columns> {
    let reader = Reader::new(query, options)?;
    // What the database gives is kept whole until the connection is free again: codecs of the user may want it.
    let mut batches: Vec<Vec<Column>> = Vec::new();
    let batch_rows = match options.at_most {
        Some(0) => return Ok(reader.empty()),
        Some(rows) => rows,
        None if reader.decodes() => BATCH_ROWS,
        None => usize::MAX,
    };
    query.instance().with_connection(|connection| {
        let statement = &reader.statement;
        connection.query_columns(&statement.sql, &statement.parameters, &reader.specs, batch_rows, &mut |batch| {
            batches.push(batch);
            Ok(if options.at_most.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
    })?;
    let mut all: Option<Columns> = None;
    let mut first = 0;
    for batch in batches {
        let rows = batch.first().map_or(0, Column::len);
        let decoded = reader.decode(batch, first)?;
        first += rows;
        match &mut all {
            Some(all) => all.append(decoded),
            None => all = Some(decoded),
        }
    }
    let mut all = all.unwrap_or_else(|| reader.empty());
    all.settle();
    Ok(all)
}
