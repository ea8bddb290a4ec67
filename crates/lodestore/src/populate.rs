//! Populate: computing the rows that are missing.

use lodestore_sql::Projection;
use lodestore_types::{Error, ErrorKind, Result};

use crate::fetch::FetchOptions;
use crate::{Query, Row, Table};

/// How a table is populated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PopulateOptions {
    /// After an error go on with the next key, and report the error at the end.
    pub suppress_errors: bool,
    /// Stop after so many calls.
    pub max_calls: Option<usize>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct PopulateReport {
    /// How many calls succeeded.
    pub success_count: u64,
    /// The keys whose calls failed, with their errors.
    pub errors: Vec<(Row, Error)>,
}

impl Table {
    /// The keys to compute: the natural join of the parents in the primary key.
    ///
    /// # Errors
    /// `InvalidRequest` if the primary key refers to no parent.
    pub fn key_source(&self) -> Result<Query> {
        let instance = self.instance();
        let graph = instance.dependencies()?;
        let in_key = |column: &String| self.heading().full_primary_key().any(|attribute| attribute.name == *column);
        let mut source: Option<Query> = None;
        for edge in graph.parents(self.name()).filter(|edge| edge.key.columns.iter().all(in_key)) {
            let parent = instance.table(&edge.key.parent)?;
            let named = edge.key.columns.iter().zip(&edge.key.parent_columns).filter(|(own, parent)| own != parent);
            let named = named.map(|(own, parent)| (own.clone(), parent.clone())).collect();
            let keys = parent.project_with(&Projection { attributes: Vec::new(), named })?;
            source = Some(match source {
                Some(source) => source.join(&keys)?,
                None => keys,
            });
        }
        source.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidRequest,
                "there is nothing to populate from: the primary key refers to no other table",
            )
            .with("table", self.name())
            .with_hint("begin the definition with a foreign key such as `-> Session`")
        })
    }

    /// Calls `make` for each key of [`Table::key_source`] that the table lacks.
    ///
    /// Each call is a transaction of its own, which locks the database from its first write on: what
    /// `make` inserts goes in whole or not at all. Stops at the first error.
    ///
    /// # Errors
    /// Those of `make`; `InvalidRequest` inside a transaction.
    pub fn populate(&self, make: impl FnMut(&Row) -> Result<()>) -> Result<PopulateReport> {
        self.populate_from(&self.key_source()?, PopulateOptions::default(), make)
    }

    /// Like [`Table::populate`], with the keys of `source`, and with options.
    ///
    /// # Errors
    /// As [`Table::populate`].
    pub fn populate_from(
        &self,
        source: &Query,
        options: PopulateOptions,
        mut make: impl FnMut(&Row) -> Result<()>,
    ) -> Result<PopulateReport> {
        let instance = self.instance();
        if instance.in_transaction() {
            return Err(Error::new(ErrorKind::InvalidRequest, "populate cannot be called during a transaction")
                .with("table", self.name()));
        }
        let missing = source.project(&[])?.exclude(&self.project(&[])?)?;
        let keys = missing.fetch_opts(&FetchOptions { at_most: options.max_calls, ..FetchOptions::default() })?;
        let mut report = PopulateReport::default();
        for key in keys {
            // Another process may have computed it since.
            if !self.restrict(&key)?.is_empty()? {
                continue;
            }
            match instance.transaction_from_first_write(|| make(&key)) {
                Ok(()) => report.success_count += 1,
                // Two processes computed it at once, and the other was first.
                Err(error) if error.kind() == ErrorKind::Duplicate && !self.restrict(&key)?.is_empty()? => {}
                Err(error) if options.suppress_errors && error.kind() != ErrorKind::Interrupted => {
                    report.errors.push((key, error))
                }
                Err(error) => return Err(error),
            }
        }
        Ok(report)
    }
}
