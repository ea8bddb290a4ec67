//! One row on its way into a table, for those who send the statement themselves.

use lodestore_sql::Heading;
use lodestore_types::{Result, Value};

use super::batch::Batch;
use super::encode::encode_all;
use super::plan::Plan;
use crate::transaction::Fresh;
use crate::{Row, Table};

/// The values of a row as the table's columns take them, in the order of `heading`, whose attributes are all that count;
/// none for what the database fills in. Every value is checked, then objects are written; these are the caller's to
/// discard if the row does not come to be.
///
/// # Errors
/// As [`Table::insert`]; then nothing is left behind.
pub(crate) fn ready_row(table: &Table, heading: &Heading, row: Row) -> Result<(Vec<Option<Value>>, Vec<Fresh>)> {
    let mut plan = Plan::new(table, heading)?;
    let batch = Batch::from_rows([row]);
    let places: Vec<Option<usize>> = plan.find(&batch, false).into_iter().collect::<Result<_>>()?;
    plan.open_targets(table, &batch, &places)?;
    let mut checked = plan.check(batch, 0, &places, &mut |_, error| Err(error))?;
    let mut written = Vec::new();
    let outcome = encode_all(table, &plan, &mut checked, &mut written, &mut |_| {});
    let fresh: Vec<Fresh> = written.into_iter().map(|(_, fresh)| fresh).collect();
    if let Err(error) = outcome {
        table.instance().discard(fresh);
        return Err(error);
    }
    let values = (0..plan.attributes.len()).map(|column| checked.plain(column, 0)).collect();
    Ok((values, fresh))
}
