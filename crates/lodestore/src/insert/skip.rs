//! Rows that will not stay are left out before anything is written for them.

use std::collections::HashSet;

use lodestore_types::{Result, Value};

use super::KEYS_AT_ONCE;
use super::check::Checked;
use super::plan::Plan;
use crate::{Row, Table};

/// Leaves out the rows whose key is there already, or stands in an earlier one of them. Another program may still be
/// faster: the insert itself skips too.
pub(super) fn leave_out_known(table: &Table, plan: &Plan<'_>, checked: &mut Checked) -> Result<()> {
    let Some(keys) = keys(plan, checked) else { return Ok(()) };
    let mut known: HashSet<String> = HashSet::new();
    for keys in keys.chunks(KEYS_AT_ONCE) {
        let found = table.restrict(keys)?.project(&[])?.fetch()?;
        known.extend(found.iter().map(|row| text_of(row.values())));
    }
    // The attributes of a fetched key come in the order of the heading, as those of the plan do.
    let keep: Vec<bool> = keys.iter().map(|key| known.insert(text_of(key.values()))).collect();
    if keep.contains(&false) {
        checked.retain(&keep);
    }
    Ok(())
}

/// Leaves out the rows that a later one of them replaces: not every database takes both in one statement.
pub(super) fn leave_out_replaced(plan: &Plan<'_>, checked: &mut Checked) {
    let Some(keys) = keys(plan, checked) else { return };
    let mut known: HashSet<String> = HashSet::with_capacity(keys.len());
    let mut keep: Vec<bool> = keys.iter().rev().map(|key| known.insert(text_of(key.values()))).collect();
    keep.reverse();
    if keep.contains(&false) {
        checked.retain(&keep);
    }
}

/// The key of each row; nothing if the database fills in a part of it, so that it is always new.
fn keys(plan: &Plan<'_>, checked: &Checked) -> Option<Vec<Row>> {
    let columns = plan.key();
    let key = |row: usize| {
        let part = |column: &usize| Some((plan.attributes[*column].name.clone(), checked.plain(*column, row)?));
        columns.iter().map(part).collect::<Option<Row>>().filter(|key| !key.names().is_empty())
    };
    (0..checked.rows).map(key).collect()
}

/// Tells keys apart; the text means nothing.
fn text_of(key: &[Value]) -> String {
    format!("{key:?}")
}
