//! Rows into the database, and what its refusals mean.

use std::collections::HashSet;
use std::ops::Range;

use lodestore_db::{Bulk, Column, ColumnData, ColumnKind, Connection, Refused};
use lodestore_sql::Conflict;
use lodestore_types::{CoreType, Error, ErrorKind, Result, Value};

use super::Duplicates;
use super::check::{Cells, Checked};
use super::plan::Plan;
use super::provenance;
use crate::{Row, Table};

/// So many rows go in before progress is told.
const ROWS_BETWEEN_REPORTS: usize = 50_000;
/// To say which row was refused, no more keys than this are looked up.
const MOST_LOOKED_UP: usize = 1000;

/// Rows that fill the same columns, in the form in which they are bound.
struct Group {
    names: Vec<String>,
    quoted: Vec<String>,
    cells: Vec<Column>,
    cores: Vec<CoreType>,
    /// The rows of the checked batch that these are.
    rows: Vec<usize>,
}

/// The rows of a batch, ready for the database.
pub(super) struct Inserts<'a> {
    table: &'a Table,
    conflict: Conflict,
    quoted_name: String,
    groups: Vec<Group>,
    numbers: Vec<usize>,
}

impl<'a> Inserts<'a> {
    /// Brings rows, all of whose cells are plain by now, to the form in which they are bound.
    pub(super) fn new(table: &'a Table, plan: &Plan<'_>, checked: Checked, duplicates: Duplicates) -> Result<Self> {
        let dialect = table.instance().dialect();
        let parts = filled_alike(&checked);
        let told = provenance::provenance(table);
        let Checked { mut cells, rows: all, numbers } = checked;
        let mut groups = Vec::new();
        for (mask, rows) in parts {
            let mut group = Group { names: Vec::new(), quoted: Vec::new(), cells: Vec::new(), cores: Vec::new(), rows };
            let keep = (group.rows.len() < all).then(|| {
                let mut keep = vec![false; all];
                group.rows.iter().for_each(|row| keep[*row] = true);
                keep
            });
            for ((attribute, cells), filled) in plan.attributes.iter().zip(&mut cells).zip(mask) {
                let Cells::Plain { column, .. } = cells else { continue };
                if !filled {
                    continue;
                }
                let mut column = match &keep {
                    Some(keep) => {
                        let mut column = column.clone();
                        column.retain(keep);
                        column
                    }
                    None => std::mem::replace(column, Column::new(ColumnKind::Value)),
                };
                if let ColumnData::Values(values) = &mut column.data {
                    let core = &attribute.kind.core;
                    let encoded = std::mem::take(values).into_iter().map(|value| dialect.encode(value, core));
                    *values =
                        encoded.collect::<Result<_>>().map_err(|error| error.with("attribute", &attribute.name))?;
                }
                group.names.push(attribute.name.clone());
                group.quoted.push(dialect.quote(&attribute.name));
                group.cells.push(column);
                group.cores.push(attribute.kind.core.clone());
            }
            if let (Some(told), Some(attribute)) = (&told, table.heading().get_any(provenance::ATTRIBUTE)) {
                let value = dialect.encode(Value::Json(told.clone()), &attribute.kind.core)?;
                group.names.push(attribute.name.clone());
                group.quoted.push(dialect.quote(&attribute.name));
                group.cells.push(Column { data: ColumnData::Values(vec![value; group.rows.len()]), nulls: None });
                group.cores.push(attribute.kind.core.clone());
            }
            groups.push(group);
        }
        let conflict = match duplicates {
            Duplicates::Refuse => Conflict::Error,
            Duplicates::Skip => Conflict::Skip,
            Duplicates::Replace => Conflict::Replace,
        };
        Ok(Inserts { table, conflict, quoted_name: dialect.table(table.name()), groups, numbers })
    }

    /// Sends the rows; gives how many went in. Rows of `watched` go one by one, and those that are left out are added to
    /// `skipped`. `progress` is told how many were sent.
    pub(super) fn run(
        &self,
        connection: &mut dyn Connection,
        watched: &HashSet<usize>,
        skipped: &mut Vec<usize>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<u64> {
        let (mut count, mut sent) = (0, 0);
        for group in &self.groups {
            let step = if watched.is_empty() { ROWS_BETWEEN_REPORTS } else { 1 };
            for start in (0..group.rows.len()).step_by(step) {
                let end = group.rows.len().min(start + step);
                let changed = self.send(group, start..end, connection)?;
                if step == 1 && changed == 0 && watched.contains(&group.rows[start]) {
                    skipped.push(group.rows[start]);
                }
                count += changed;
                sent += end - start;
                progress(sent);
            }
        }
        Ok(count)
    }

    fn send(&self, group: &Group, rows: Range<usize>, connection: &mut dyn Connection) -> Result<u64> {
        let dialect = self.table.instance().dialect();
        let heading = self.table.heading();
        let columns: Vec<&str> = group.names.iter().map(String::as_str).collect();
        let statement = |rows| dialect.insert(heading, &columns, rows, self.conflict);
        let is_plain = self.conflict == Conflict::Error
            && !columns.is_empty()
            && !heading.full_primary_key().any(|attribute| attribute.hidden);
        let bulk = Bulk {
            table: &self.quoted_name,
            columns: &group.quoted,
            cells: &group.cells,
            rows,
            statement: &statement,
            is_plain,
            max_parameters: dialect.max_parameters(),
            stored: &|column, value| dialect.encode(value, &group.cores[column]),
        };
        connection.insert(&bulk).map_err(|refused| self.located(group, refused))
    }

    /// The refusal of a row, with its number and its key.
    fn located(&self, group: &Group, refused: Refused) -> Error {
        let Refused { error, row } = refused;
        let Some(row) = row else { return error };
        let error = match self.key_of(group, row) {
            Some(key) => error.with("key", shown(&key)),
            None => error,
        };
        match self.numbers.len() > 1 || self.numbers[0] > 0 {
            true => error.with("row", self.numbers[group.rows[row]]),
            false => error,
        }
    }

    /// The keys of the rows, with the names of what they fill; without those of which the database fills in a part.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&[String], Vec<Row>)> {
        self.groups.iter().map(|group| {
            let keys = (0..group.rows.len()).filter_map(|row| self.key_of(group, row)).collect();
            (&group.names[..], keys)
        })
    }

    /// The key of a row, unless the database fills in a part of it.
    fn key_of(&self, group: &Group, row: usize) -> Option<Row> {
        let key = self.table.heading().primary_key().map(|attribute| {
            let place = group.names.iter().position(|name| *name == attribute.name)?;
            Some((attribute.name.clone(), group.cells[place].value(row)))
        });
        key.collect::<Option<Row>>().filter(|key| !key.names().is_empty())
    }

    /// Adds to the database's complaint what to do about it.
    pub(super) fn explain(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::Duplicate => {
                let told = error.context().any(|(name, _)| name == "key");
                let error = match told.then_some(None).map_or_else(|| self.duplicate(), Ok) {
                    Ok(Some(key)) => error.with("key", key),
                    _ => error,
                };
                error.with_hint(
                    "to leave such rows out, insert with `skip_duplicates=True`; to overwrite them, with `replace=True`",
                )
            }
            ErrorKind::Integrity => self.table.missing_parent(error),
            _ => error,
        }
    }

    /// The first key that is there already, or stands twice among the rows.
    fn duplicate(&self) -> Result<Option<String>> {
        let mut met = HashSet::new();
        for group in &self.groups {
            for row in 0..group.rows.len().min(MOST_LOOKED_UP) {
                let Some(key) = self.key_of(group, row) else { return Ok(None) };
                let text = shown(&key);
                if !met.insert(text.clone()) || !self.table.restrict(key)?.is_empty()? {
                    return Ok(Some(text));
                }
            }
        }
        Ok(None)
    }
}

/// A key as people write it.
fn shown(key: &Row) -> String {
    key.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

/// Rows by which columns are filled in each: those where the database fills in some are apart.
fn filled_alike(checked: &Checked) -> Vec<(Vec<bool>, Vec<usize>)> {
    let filled = |row: usize| -> Vec<bool> {
        let filled = |cells: &Cells| match cells {
            Cells::Plain { unset, .. } => unset.as_ref().is_none_or(|unset| !unset[row]),
            _ => false,
        };
        checked.cells.iter().map(filled).collect()
    };
    let alike = checked.cells.iter().all(|cells| !matches!(cells, Cells::Plain { unset: Some(_), .. }));
    if checked.rows == 0 {
        return Vec::new();
    }
    if alike {
        return vec![(filled(0), (0..checked.rows).collect())];
    }
    let mut groups: Vec<(Vec<bool>, Vec<usize>)> = Vec::new();
    for row in 0..checked.rows {
        let mask = filled(row);
        match groups.iter_mut().find(|(known, _)| *known == mask) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((mask, vec![row])),
        }
    }
    groups
}
