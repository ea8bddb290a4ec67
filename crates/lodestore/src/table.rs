//! Tables: where rows go in. What comes out is a [`Query`].

use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use lodestore_sql::{Expression, Heading};
use lodestore_types::{ErrorKind, FullTableName, Result, Tier, Value};

use crate::insert::{CsvFile, InsertOptions, Progress, insert, insert_query, validate};
use crate::{Batch, Instance, Query, Row, Validation};

/// A table of a database, which is also the [`Query`] for all its rows.
#[derive(Clone)]
pub struct Table {
    name: FullTableName,
    rows: Query,
    warnings: Vec<String>,
}

impl Table {
    pub(crate) fn new(instance: Instance, name: FullTableName, heading: Arc<Heading>) -> Result<Self> {
        Ok(Table { name, rows: Query::new(instance, Expression::table(heading)?), warnings: Vec::new() })
    }

    /// The table as it is now, if it has been altered or declared anew since this was made; `None` if it has not.
    ///
    /// # Errors
    /// `MissingTable` if it is not there any more; otherwise the database's.
    pub fn renewed(&self) -> Result<Option<Table>> {
        match self.instance().heading(&self.name)? {
            Some(heading) if Arc::ptr_eq(&heading, self.heading()) || heading == *self.heading() => Ok(None),
            _ => self.instance().table(&self.name).map(Some),
        }
    }

    pub(crate) fn with_warnings(mut self, warnings: Vec<String>) -> Self {
        self.warnings = warnings;
        self
    }

    /// Its full name.
    pub fn name(&self) -> &FullTableName {
        &self.name
    }

    /// Its full name as the database's SQL has it.
    pub fn quoted_name(&self) -> String {
        self.instance().quoted_name(&self.name)
    }

    /// What its declaration left to say, though it is no error.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Its tier, if its name tells one.
    pub fn tier(&self) -> Option<Tier> {
        self.name.table.tier()
    }

    /// The attributes whose codec takes objects of another language as they are.
    ///
    /// # Errors
    /// Those of a codec that cannot be resolved, except that it is not known.
    pub fn foreign_attributes(&self) -> Result<HashSet<String>> {
        let mut foreign = HashSet::new();
        for attribute in self.heading().visible() {
            let Some(codec) = attribute.kind.codec.as_deref() else { continue };
            match self.instance().chain(codec) {
                Ok(chain) if chain.codecs()[0].takes_foreign() => {
                    foreign.insert(attribute.name.clone());
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::UnknownCodec => {}
                Err(error) => return Err(error.with("attribute", &attribute.name)),
            }
        }
        Ok(foreign)
    }

    /// The bytes that the table takes in the database, indexes included, as the database estimates them. Objects in
    /// stores are not among them.
    ///
    /// # Errors
    /// The database's.
    pub fn size_on_disk(&self) -> Result<u64> {
        let rows = self.instance().query(&self.instance().dialect().table_size(&self.name))?;
        let size = rows.first().and_then(|row| row.first()).and_then(Value::as_i64);
        Ok(size.and_then(|size| size.try_into().ok()).unwrap_or(0))
    }

    /// The definition that would make this table again, as the database tells it. `name_of` says what the tables it
    /// refers to are called; without an answer it is their full names.
    ///
    /// # Errors
    /// The database's.
    pub fn describe(&self, name_of: &dyn Fn(&FullTableName) -> Option<String>) -> Result<String> {
        let graph = self.instance().dependencies_of([&self.name.schema])?;
        let keys: Vec<_> = graph.parents(&self.name).map(|edge| edge.key.clone()).collect();
        Ok(self.heading().describe(&keys, name_of))
    }

    /// Inserts one row.
    ///
    /// # Errors
    /// As [`Table::insert`].
    pub fn insert1(&self, row: Row) -> Result<()> {
        self.insert([row]).map(drop)
    }

    /// Inserts rows: all of them or none. Gives their number.
    ///
    /// Every value is checked before anything is written. Objects are written before the rows
    /// that name them; if the rows then do not go in, objects under paths of their own are removed
    /// again, while hash-addressed ones stay and are found by whoever stores the same content.
    ///
    /// # Errors
    /// `UnknownAttribute`, `MissingAttribute`, `InvalidType`, `InvalidValue` before anything is
    /// written; `Duplicate` and `MissingParent` from the database; `Storage` from a store.
    pub fn insert(&self, rows: impl IntoIterator<Item = Row>) -> Result<u64> {
        self.insert_opts(rows, InsertOptions::default())
    }

    /// Like [`Table::insert`], with options.
    ///
    /// # Errors
    /// As [`Table::insert`].
    pub fn insert_opts(&self, rows: impl IntoIterator<Item = Row>, options: InsertOptions) -> Result<u64> {
        let Some(chunk_size) = options.chunk_size.filter(|size| *size > 0) else {
            return self.insert_batches([Ok(Batch::from_rows(rows))], options, &mut |_| {});
        };
        let mut rows = rows.into_iter().peekable();
        let chunks = std::iter::from_fn(move || {
            rows.peek()?;
            Some(Ok(Batch::from_rows(rows.by_ref().take(chunk_size))))
        });
        self.insert_batches(chunks, options, &mut |_| {})
    }

    /// Inserts rows that come by columns: all of them or none. Gives their number.
    ///
    /// # Errors
    /// As [`Table::insert`].
    pub fn insert_batch(&self, batch: Batch) -> Result<u64> {
        self.insert_batches([Ok(batch)], InsertOptions::default(), &mut |_| {})
    }

    /// Inserts the rows of batches, one after the other, in bounded memory, with options: all of them or none, unless there
    /// is a [chunk size](InsertOptions::chunk_size). Gives their number; `progress` is told now and then how many are done.
    ///
    /// Each batch is checked before anything of it is written. From the first one on the database is locked for other
    /// writers, as in every transaction, while `batches` makes the others; a single batch is prepared without a lock.
    ///
    /// # Errors
    /// As [`Table::insert`], and those of `batches`.
    pub fn insert_batches(
        &self,
        batches: impl IntoIterator<Item = Result<Batch>>,
        options: InsertOptions,
        progress: &mut Progress<'_>,
    ) -> Result<u64> {
        insert(self, batches, options, progress).map_err(|error| error.with("table", &self.name))
    }
}

impl Table {
    /// Inserts what a query of the same connection gives: all rows or none. Gives their number.
    ///
    /// The database copies the rows by itself where their values may stand as they are; those of other types, and objects
    /// that belong to one row each, pass through this program.
    ///
    /// # Errors
    /// As [`Table::insert`], and those of [`Query::fetch`]; `InvalidRequest` for a query of another connection, or with a
    /// chunk size.
    pub fn insert_query(&self, query: &Query, options: InsertOptions) -> Result<u64> {
        insert_query(self, query, options, &mut |_| {}).map_err(|error| error.with("table", &self.name))
    }

    /// Inserts the rows of a CSV file, whose first line names the attributes: all rows or none, in bounded memory. Gives
    /// their number.
    ///
    /// Every field is text in UTF-8, read as its attribute demands; an empty one stands for no value, except for attributes
    /// of text.
    ///
    /// # Errors
    /// As [`Table::insert`]; `MissingFile`; `InvalidValue` for what is no CSV file.
    pub fn insert_csv(&self, path: &Path, options: InsertOptions, progress: &mut Progress<'_>) -> Result<u64> {
        let file = CsvFile::open(path, self.heading(), options.chunk_size);
        self.insert_batches(file.map_err(|error| error.with("table", &self.name))?, options, progress)
    }

    /// What is wrong with rows, as far as it can be told without asking the database: nothing is written.
    ///
    /// # Errors
    /// Those of codecs and stores that cannot be asked at all.
    pub fn validate(&self, rows: impl IntoIterator<Item = Row>) -> Result<Validation> {
        self.validate_batches([Ok(Batch::from_rows(rows))], false)
    }

    /// Like [`Table::validate`], for rows by columns; perhaps with fields that are no attributes.
    ///
    /// # Errors
    /// As [`Table::validate`], and those of `batches`.
    pub fn validate_batches(
        &self,
        batches: impl IntoIterator<Item = Result<Batch>>,
        ignore_extra_fields: bool,
    ) -> Result<Validation> {
        validate(self, batches, ignore_extra_fields).map_err(|error| error.with("table", &self.name))
    }

    /// The rows of a CSV file in batches, as [`Table::insert_csv`] reads them.
    ///
    /// # Errors
    /// As [`Table::insert_csv`].
    pub fn read_csv(&self, path: &Path) -> Result<impl Iterator<Item = Result<Batch>> + use<>> {
        CsvFile::open(path, self.heading(), None).map_err(|error| error.with("table", &self.name))
    }
}

impl Deref for Table {
    type Target = Query;

    fn deref(&self) -> &Query {
        &self.rows
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({})", self.name)
    }
}
