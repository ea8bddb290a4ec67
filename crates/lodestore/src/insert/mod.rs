//! Insert: check every value, encode, write objects, then rows.
//!
//! [`plan`] checks rows against the table, [`encode`] takes values through their codecs and objects to
//! their stores, [`statement`] brings the rows into the database and explains its refusals.

mod encode;
mod one;
mod plan;
mod statement;

pub(crate) use one::ready_row;

use lodestore_types::{Error, Result};

use crate::transaction::remove_fresh;
use crate::{Row, Table};
use encode::encode_all;
use plan::{Names, Plan};
use statement::Inserts;

/// How rows are inserted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InsertOptions {
    /// What becomes of a row whose key is there already.
    pub duplicates: Duplicates,
    /// Values under names that are no attributes are left out instead of refused.
    pub ignore_extra_fields: bool,
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

pub(crate) fn insert(table: &Table, rows: Vec<Row>, options: InsertOptions) -> Result<u64> {
    if rows.is_empty() {
        return Ok(0);
    }
    let heading = table.heading().clone();
    let mut plan = Plan::new(table, &heading)?;
    plan.open_targets(table, &rows)?;
    let alone = rows.len() == 1;
    let mut checked = Vec::with_capacity(rows.len());
    let mut known: Option<Names> = None;
    for (number, row) in rows.into_iter().enumerate() {
        let locate = |error: Error| if alone { error } else { error.with("row", number) };
        // Rows of one batch mostly share their names, or at least repeat them.
        let names = match known.take() {
            Some(names) if *names.names == *row.names() => names,
            _ => plan.find(&heading, row.shared_names(), options.ignore_extra_fields).map_err(locate)?,
        };
        checked.push(plan.check(row.into_values(), &names.columns).map_err(locate)?);
        known = Some(names);
    }
    let mut fresh = Vec::new();
    let encoded =
        encode_all(table, &plan, checked, &mut fresh).and_then(|rows| Inserts::new(table, &plan, rows, options));
    match encoded {
        Ok(statements) => table
            .instance()
            .write(fresh, |connection| statements.run(connection))
            .map_err(|error| statements.explain(table, error)),
        Err(error) => {
            remove_fresh(&fresh);
            Err(error)
        }
    }
}
