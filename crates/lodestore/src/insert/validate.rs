//! Whether rows could be inserted, without inserting them.

use std::collections::HashSet;

use lodestore_types::{Error, Result};

use super::plan::Plan;
use super::{Batch, InsertOptions, Work};
use crate::Table;

/// What is wrong with rows.
#[derive(Debug, Default)]
pub struct Validation {
    /// How many rows were looked at.
    pub rows_checked: u64,
    /// What is wrong, in the order of the batches.
    pub errors: Vec<Invalid>,
}

/// What is wrong with one row.
#[derive(Debug)]
pub struct Invalid {
    /// The number of the row, counted from 0.
    pub row: usize,
    /// The attribute, unless it is the row as such.
    pub attribute: Option<String>,
    /// Why an insert would refuse it.
    pub error: Error,
}

impl Invalid {
    /// What is wrong with a row, with the attribute that the error names.
    pub fn new(row: usize, error: Error) -> Self {
        let attribute = error.context().find(|(key, _)| *key == "attribute").map(|(_, name)| name.to_owned());
        Invalid { row, attribute, error }
    }
}

impl Validation {
    /// True if nothing is wrong.
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }
}

/// Checks the rows of all batches as an insert does before it writes.
pub(crate) fn validate(
    table: &Table,
    batches: impl IntoIterator<Item = Result<Batch>>,
    ignore_extra_fields: bool,
) -> Result<Validation> {
    let heading = table.heading().clone();
    let options = InsertOptions { ignore_extra_fields, ..InsertOptions::default() };
    let mut work = Work { table, plan: Plan::new(table, &heading)?, options, first: 0, alone: false, collects: true };
    let mut found = Validation::default();
    let mut met = HashSet::new();
    for batch in batches {
        let batch = batch?;
        let (first, numbers) = (work.first, batch.numbers.clone());
        found.rows_checked += batch.len() as u64;
        work.check(batch, &mut |row, error| {
            let row = numbers.as_ref().map_or(first + row, |numbers| numbers[row]);
            let invalid = Invalid::new(row, error);
            // A value that was refused is missing besides.
            if met.insert((row, invalid.attribute.clone())) {
                found.errors.push(invalid);
            }
            Ok(())
        })?;
    }
    found.errors.sort_by_key(|invalid| invalid.row);
    Ok(found)
}
