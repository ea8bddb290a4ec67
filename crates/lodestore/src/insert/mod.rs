//! Insert: check every value, encode, write objects, then rows.
//!
//! Rows come as [`Batch`]es of columns. [`plan`] says what they fill, [`check`] whether they fit, [`encode`] takes values
//! through their codecs and objects to their stores, [`statement`] brings the rows into the database and explains its
//! refusals. [`select`] lets the database copy rows by itself.

#[cfg(feature = "arrow")]
mod arrow;
mod batch;
mod check;
mod copy;
mod csv;
mod encode;
mod one;
mod plan;
mod provenance;
mod select;
mod skip;
mod statement;
mod validate;

pub use batch::Batch;
pub(crate) use copy::{copied, payload_of};
pub(crate) use csv::CsvFile;
pub(crate) use one::ready_row;
pub(crate) use provenance::making;
pub(crate) use select::insert_query;
pub(crate) use validate::validate;
pub use validate::{Invalid, Validation};

use std::collections::HashSet;
use std::sync::Arc;

use lodestore_db::Connection;
use lodestore_sql::Statement;
use lodestore_types::{Error, ErrorKind, Result};

use crate::Table;
use crate::lifecycle::{Intent, Object, Owning};
use crate::staged::{intents_of, tell_staged};
use crate::transaction::Fresh;
use check::{Checked, Refuse};
use encode::encode_all;
use plan::Plan;
use skip::{leave_out_known, leave_out_replaced};
use statement::Inserts;

/// So many keys are looked up by one statement.
const KEYS_AT_ONCE: usize = 10_000;

/// How rows are inserted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InsertOptions {
    /// What becomes of a row whose key is there already.
    pub duplicates: Duplicates,
    /// Values under names that are no attributes are left out instead of refused.
    pub ignore_extra_fields: bool,
    /// So many rows at a time are inserted whole, each such chunk for itself: what went in before a failure stays. Without
    /// it all rows go in, or none.
    pub chunk_size: Option<usize>,
}

/// What becomes of a row whose key is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// Nothing is inserted, and that is an error.
    #[default]
    Refuse,
    /// The row is left out.
    Skip,
    /// It takes the place of the one that is there.
    Replace,
}

/// Told of how many rows are done, now and then.
pub type Progress<'a> = dyn FnMut(u64) + 'a;

/// Inserts the rows of all batches; gives how many went in.
///
/// A single batch is checked whole before anything is written, and its objects are written before the transaction begins.
/// Of several batches each is worked on for itself, so that memory holds one of them; all are one transaction, which locks
/// the database from the first batch on, unless there is a chunk size.
pub(crate) fn insert(
    table: &Table,
    batches: impl IntoIterator<Item = Result<Batch>>,
    options: InsertOptions,
    progress: &mut Progress<'_>,
) -> Result<u64> {
    if options.chunk_size == Some(0) {
        return Err(Error::new(ErrorKind::InvalidRequest, "`chunk_size` is 0: no rows would ever go in")
            .with_hint("give a positive number, or leave it out to insert all rows or none"));
    }
    let heading = table.heading().clone();
    let mut work = Work { table, plan: Plan::new(table, &heading)?, options, first: 0, alone: false, collects: false };
    let mut batches = batches.into_iter();
    let Some(first) = batches.next().transpose()? else { return Ok(0) };
    if options.chunk_size.is_some() {
        return work.by_chunks(std::iter::once(Ok(first)).chain(batches), progress);
    }
    let Some(second) = batches.next() else {
        work.alone = first.len() == 1;
        return work.insert(first, progress);
    };
    table.instance().atomically(|| {
        let mut count = work.insert(first, progress)?;
        for batch in std::iter::once(second).chain(batches) {
            count += work.insert(batch?, progress)?;
        }
        Ok(count)
    })
}

/// An insert under way.
struct Work<'a> {
    table: &'a Table,
    plan: Plan<'a>,
    options: InsertOptions,
    /// How many rows came before.
    first: usize,
    /// True if there is only one row, whose number nobody need be told.
    alone: bool,
    /// True if nothing is inserted: all that is wrong is gathered.
    collects: bool,
}

impl Work<'_> {
    /// Inserts batches as chunks of as many rows as the options say.
    fn by_chunks(&mut self, batches: impl Iterator<Item = Result<Batch>>, progress: &mut Progress<'_>) -> Result<u64> {
        let size = self.options.chunk_size.unwrap_or(usize::MAX);
        let mut count = 0;
        for batch in batches {
            let batch = batch?;
            if batch.len() <= size {
                count += self.insert(batch, progress)?;
                continue;
            }
            for start in (0..batch.len()).step_by(size) {
                count += self.insert(batch.slice(start..batch.len().min(start + size)), progress)?;
            }
        }
        Ok(count)
    }

    /// Inserts the rows of a batch: all of them or none.
    fn insert(&mut self, batch: Batch, progress: &mut Progress<'_>) -> Result<u64> {
        if batch.is_empty() && batch.names.is_empty() {
            return Ok(0);
        }
        let before = self.first as u64;
        let (alone, first) = (self.alone, self.first);
        let numbers = batch.numbers.clone();
        let number = |row: usize| numbers.as_ref().map_or(first + row, |numbers| numbers[row]);
        let mut checked =
            self.check(batch, &mut |row, error| Err(if alone { error } else { error.with("row", number(row)) }))?;
        let stores = self.plan.targets.iter().any(Option::is_some);
        if stores && self.options.duplicates == Duplicates::Skip {
            leave_out_known(self.table, &self.plan, &mut checked)?;
        }
        if self.options.duplicates == Duplicates::Replace && checked.rows > 1 {
            leave_out_replaced(&self.plan, &mut checked);
        }
        if checked.rows == 0 {
            return Ok(0);
        }
        let staged = checked.staged();
        if !staged.is_empty() && self.options.duplicates == Duplicates::Skip {
            return Err(Error::new(ErrorKind::InvalidRequest, "a row with staged objects cannot be left out")
                .with_hint("insert it without `skip_duplicates`"));
        }
        let mut fresh = Vec::new();
        let mut report = |rows: usize| progress(before + rows as u64);
        let ready = encode_all(self.table, &self.plan, &mut checked, &mut fresh, &mut report)
            .and_then(|()| Inserts::new(self.table, &self.plan, checked, self.options.duplicates));
        let outcome = match ready {
            // Where objects were written, that was the progress to tell.
            Ok(inserts) => self.write(&inserts, fresh, &intents_of(&staged), &mut |rows| {
                if !stores {
                    report(rows)
                }
            }),
            Err(error) => {
                self.table.instance().discard(fresh.into_iter().map(|(_, fresh)| fresh).collect());
                Err(error)
            }
        };
        tell_staged(&staged, &outcome);
        outcome
    }

    /// Checks a batch, and counts its rows.
    fn check(&mut self, batch: Batch, refuse: &mut Refuse<'_>) -> Result<Checked> {
        let mut places = Vec::with_capacity(batch.names.len());
        for (index, place) in self.plan.find(&batch, self.options.ignore_extra_fields).into_iter().enumerate() {
            places.push(match (place, &batch.met) {
                (Ok(place), _) => place,
                (Err(error), Some(met)) => {
                    refuse(met[index], error)?;
                    None
                }
                (Err(error), None) if !self.collects => return Err(error),
                (Err(error), None) => {
                    refuse(0, error)?;
                    None
                }
            });
        }
        self.plan.open_targets(self.table, &batch, &places)?;
        let first = self.first;
        self.first += batch.len();
        self.plan.check(batch, first, &places, refuse)
    }

    fn write(
        &self,
        inserts: &Inserts<'_>,
        fresh: Vec<(usize, Fresh)>,
        staged: &[Arc<Intent>],
        report: &mut dyn FnMut(usize),
    ) -> Result<u64> {
        let instance = self.table.instance();
        let skips = self.options.duplicates == Duplicates::Skip;
        let watched: HashSet<usize> = fresh.iter().filter(|_| skips).map(|(row, _)| *row).collect();
        let mut skipped = Vec::new();
        let written = fresh.iter().map(|(_, fresh)| fresh.clone()).collect();
        let replaced = self.replaced(inserts)?;
        if !watched.is_empty() {
            instance.open_journal(&self.table.name().schema)?;
        }
        let lock = instance.dialect().lock_rows_of(self.table.name()).filter(|_| !replaced.is_empty());
        let work = |connection: &mut dyn Connection| {
            if let Some(lock) = &lock {
                connection.execute(lock, &[])?;
            }
            for (owning, rows) in &replaced {
                instance.release_query(connection, self.table.name(), owning, rows)?;
            }
            let count = inserts.run(connection, &watched, &mut skipped, report)?;
            // Another program inserted these rows while their objects were written here.
            let unused =
                fresh.iter().filter(|(row, _)| skipped.contains(row)).filter_map(|(_, fresh)| fresh.as_object());
            let unused: Vec<Object> = unused.collect();
            if !unused.is_empty() {
                instance.release_objects(connection, &self.table.name().schema, unused.iter())?;
            }
            Ok(count)
        };
        instance.write_for(written, staged, work).map_err(|error| inserts.explain(error))
    }

    /// The rows that are there and will be replaced, if they own objects.
    fn replaced(&self, inserts: &Inserts<'_>) -> Result<Vec<(Vec<Owning>, Statement)>> {
        if self.options.duplicates != Duplicates::Replace {
            return Ok(Vec::new());
        }
        let instance = self.table.instance();
        let owning = instance.owning(self.table.heading());
        if owning.is_empty() {
            return Ok(Vec::new());
        }
        instance.prepare_release(&[self.table.heading()])?;
        let mut queries = Vec::new();
        for (names, keys) in inserts.keys() {
            let owning: Vec<Owning> = owning.iter().filter(|owning| names.contains(&owning.column)).cloned().collect();
            let columns: Vec<String> = owning.iter().map(|owning| owning.column.clone()).collect();
            for keys in keys.chunks(KEYS_AT_ONCE).filter(|_| !owning.is_empty()) {
                let rows = self.table.restrict(keys)?;
                queries.push((owning.clone(), rows.expression().table_columns(instance.dialect(), &columns)?));
            }
        }
        Ok(queries)
    }
}
