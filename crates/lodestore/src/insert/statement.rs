//! Rows into the database, and what its refusals mean.

use std::collections::HashSet;

use lodestore_db::Connection;
use lodestore_sql::Conflict;
use lodestore_types::{Error, ErrorKind, Result, Value};

use super::plan::Plan;
use super::{Duplicates, InsertOptions};
use crate::{Row, Table};

/// To say which row was refused, no more keys than this are looked up.
const MOST_LOOKED_UP: usize = 1000;

/// Rows that fill the same columns, with the columns' names.
struct Group {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

/// From so many rows on they are sent by the database's own way for many rows, if it has one.
const MANY: usize = 50;

/// How the rows of a group are sent.
enum Sending {
    /// By statements with values bound to them: the text of each, and how many rows it takes.
    Statements(Vec<(String, usize)>),
    /// By one statement for all.
    Bulk(String),
}

/// The statements of an insert, with what is bound to them.
pub(super) struct Inserts {
    groups: Vec<Group>,
    sendings: Vec<Sending>,
}

impl Inserts {
    /// Brings rows to the form in which they are bound, and writes the statements that insert them.
    pub(super) fn new(
        table: &Table,
        plan: &Plan<'_>,
        rows: Vec<Vec<Option<Value>>>,
        options: InsertOptions,
    ) -> Result<Self> {
        let dialect = table.instance().dialect();
        let mut groups: Vec<(Vec<bool>, Group)> = Vec::new();
        for row in rows {
            let filled: Vec<bool> = row.iter().map(Option::is_some).collect();
            let values = row
                .into_iter()
                .zip(&plan.attributes)
                .filter_map(|(value, attribute)| Some(dialect.encode(value?, &attribute.kind.core)))
                .collect::<Result<Vec<_>>>()?;
            match groups.iter_mut().find(|(mask, _)| *mask == filled) {
                Some((_, group)) => group.rows.push(values),
                None => {
                    let columns = plan
                        .attributes
                        .iter()
                        .zip(&filled)
                        .filter(|(_, filled)| **filled)
                        .map(|(a, _)| a.name.clone())
                        .collect();
                    groups.push((filled, Group { columns, rows: vec![values] }));
                }
            }
        }
        let conflict = match options.duplicates {
            Duplicates::Refuse => Conflict::Error,
            Duplicates::Skip => Conflict::Skip,
            Duplicates::Replace => Conflict::Replace,
        };
        let groups: Vec<Group> = groups.into_iter().map(|(_, group)| group).collect();
        let sendings = groups
            .iter()
            .map(|group| {
                let columns: Vec<&str> = group.columns.iter().map(String::as_str).collect();
                if conflict == Conflict::Error
                    && group.rows.len() >= MANY
                    && let Some(text) = dialect.bulk_insert(table.heading(), &columns)?
                {
                    return Ok(Sending::Bulk(text));
                }
                let most = (dialect.max_parameters() / columns.len().max(1)).clamp(1, 500);
                let mut sizes = vec![most; group.rows.len() / most];
                sizes.extend(Some(group.rows.len() % most).filter(|rest| *rest > 0));
                let text = |size| Ok((dialect.insert(table.heading(), &columns, size, conflict)?, size));
                sizes.into_iter().map(text).collect::<Result<_>>().map(Sending::Statements)
            })
            .collect::<Result<_>>()?;
        Ok(Inserts { groups, sendings })
    }

    /// Sends the statements; gives the number of rows that went in.
    pub(super) fn run(&self, connection: &mut dyn Connection) -> Result<u64> {
        let mut count = 0;
        for (group, sending) in self.groups.iter().zip(&self.sendings) {
            let mut rows = group.rows.iter();
            match sending {
                Sending::Bulk(sql) => count += connection.insert_rows(sql, &mut rows.map(Vec::as_slice))?,
                Sending::Statements(texts) => {
                    for (sql, size) in texts {
                        let parameters: Vec<Value> = rows.by_ref().take(*size).flatten().cloned().collect();
                        count += connection.execute(sql, &parameters)?;
                    }
                }
            }
        }
        Ok(count)
    }

    /// Adds to the database's complaint what to do about it.
    pub(super) fn explain(&self, table: &Table, error: Error) -> Error {
        match error.kind() {
            ErrorKind::Duplicate => {
                let error = match self.duplicate(table) {
                    Ok(Some(key)) => error.with("key", key),
                    _ => error,
                };
                error.with_hint(
                    "to leave such rows out, insert with `skip_duplicates=True`; to overwrite them, with `replace=True`",
                )
            }
            ErrorKind::Integrity => table.missing_parent(error),
            _ => error,
        }
    }

    /// The first key that is there already, or stands twice among the rows.
    fn duplicate(&self, table: &Table) -> Result<Option<String>> {
        let key: Vec<&str> = table.heading().primary_key().map(|attribute| attribute.name.as_str()).collect();
        let mut met = HashSet::new();
        for group in &self.groups {
            let positions: Vec<usize> = group
                .columns
                .iter()
                .enumerate()
                .filter(|(_, name)| key.contains(&name.as_str()))
                .map(|(at, _)| at)
                .collect();
            if positions.len() < key.len() || key.is_empty() {
                return Ok(None);
            }
            for row in group.rows.iter().take(MOST_LOOKED_UP) {
                let row: Row = positions.iter().map(|at| (group.columns[*at].clone(), row[*at].clone())).collect();
                let shown = row.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ");
                if !met.insert(shown.clone()) || !table.restrict(row)?.is_empty()? {
                    return Ok(Some(shown));
                }
            }
        }
        Ok(None)
    }
}
