//! One row on its way into a table, for those who send the statement themselves.

use lodestore_sql::Heading;
use lodestore_types::{Result, Value};

use super::encode::encode_all;
use super::plan::Plan;
use crate::transaction::{Fresh, remove_fresh};
use crate::{Row, Table};

/// The values of a row as the table's columns take them, in the order of `heading`, whose attributes are all that count;
/// none for what the database fills in. Every value is checked, then objects are written; these are the caller's to
/// remove if the row does not come to be.
///
/// # Errors
/// As [`Table::insert`]; then nothing is left behind.
pub(crate) fn ready_row(table: &Table, heading: &Heading, row: Row) -> Result<(Vec<Option<Value>>, Vec<Fresh>)> {
    let mut plan = Plan::new(table, heading)?;
    plan.open_targets(table, std::slice::from_ref(&row))?;
    let names = plan.find(heading, row.shared_names(), false)?;
    let cells = plan.check(row.into_values(), &names.columns)?;
    let mut fresh = Vec::new();
    match encode_all(table, &plan, vec![cells], &mut fresh) {
        Ok(rows) => Ok((rows.into_iter().flatten().collect(), fresh)),
        Err(error) => {
            remove_fresh(&fresh);
            Err(error)
        }
    }
}
