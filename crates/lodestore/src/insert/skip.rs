//! Rows whose key is there already are left out before anything is written for them.

use std::collections::HashSet;

use lodestore_types::{Result, Value};

use super::KEYS_AT_ONCE;
use super::check::Checked;
use super::plan::Plan;
use crate::{Row, Table};

/// Leaves out the rows whose key is there already, or stands in an earlier one of them. Another program may still be
/// faster: the insert itself skips too.
pub(super) fn leave_out_known(table: &Table, plan: &Plan<'_>, checked: &mut Checked) -> Result<()> {
    let columns = plan.key();
    let mut keys: Vec<Row> = Vec::with_capacity(checked.rows);
    for row in 0..checked.rows {
        let key = columns
            .iter()
            .map(|column| checked.plain(*column, row).map(|value| (plan.attributes[*column].name.clone(), value)));
        // The database counts a part of the key up: it is always new.
        let Some(key) = key.collect::<Option<Row>>().filter(|key| !key.names().is_empty()) else { return Ok(()) };
        keys.push(key);
    }
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

/// Tells keys apart; the text means nothing.
fn text_of(key: &[Value]) -> String {
    format!("{key:?}")
}
