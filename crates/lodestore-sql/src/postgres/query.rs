//! Statements over rows.

use lodestore_types::{CoreType, Result, Value};

use super::{Postgres, types};
use crate::{Conflict, Dialect, Heading, Row, Statement};

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| Postgres.quote(name)).collect::<Vec<_>>().join(", ")
}

/// The table of a heading, after a look whether it has the columns.
fn target(heading: &Heading, columns: &[&str]) -> Result<String> {
    let Some(table) = &heading.table else {
        return Err(crate::expression::not_a_table("insert into"));
    };
    for column in columns {
        if heading.get_any(column).is_none() {
            return Err(heading.unknown(column));
        }
    }
    Ok(Postgres.table(table))
}

/// The text of an insert of `rows` rows.
pub(super) fn insert(heading: &Heading, columns: &[&str], rows: usize, conflict: Conflict) -> Result<String> {
    let mut sql = format!("INSERT INTO {}", target(heading, columns)?);
    let singleton = heading.full_primary_key().find(|attribute| attribute.hidden);
    if columns.is_empty() && singleton.is_none() {
        // Every attribute has a default, and the key is counted up: there is nothing to conflict with.
        sql.push_str(" DEFAULT VALUES");
        return Ok(sql);
    }
    // The row of a singleton is named by its hidden key, so that a second one is noticed as a conflict.
    let hidden = singleton.filter(|attribute| !columns.contains(&attribute.name.as_str()));
    let mut next = 0;
    let mut placeholder = || {
        next += 1;
        format!("${next}")
    };
    let rows: Vec<String> = (0..rows)
        .map(|_| {
            let values = hidden.map(|_| "TRUE".to_owned()).into_iter().chain(columns.iter().map(|_| placeholder()));
            format!("({})", values.collect::<Vec<_>>().join(", "))
        })
        .collect();
    let names = list(hidden.map(|attribute| &*attribute.name).into_iter().chain(columns.iter().copied()));
    sql.push_str(&format!(" ({names}) VALUES {}", rows.join(", ")));
    sql.push_str(&on_conflict(heading, conflict));
    Ok(sql)
}

/// The text of an insert of what a query gives, whose columns are `columns`.
pub(super) fn insert_from(heading: &Heading, columns: &[&str], query: &str, conflict: Conflict) -> Result<String> {
    let (table, names) = (target(heading, columns)?, list(columns.iter().copied()));
    Ok(format!("INSERT INTO {table} ({names}) SELECT {names} FROM ({query}) AS q{}", on_conflict(heading, conflict)))
}

fn on_conflict(heading: &Heading, conflict: Conflict) -> String {
    let key: Vec<&str> = heading.full_primary_key().map(|attribute| attribute.name.as_str()).collect();
    // What an insert leaves out becomes its default again, as in any new row.
    let others = heading.attributes.iter().map(|attribute| &*attribute.name).filter(|name| !key.contains(name));
    let assign = |name: &str| format!("{0} = EXCLUDED.{0}", Postgres.quote(name));
    let assignments: Vec<String> = others.map(assign).collect();
    let target = list(key.iter().copied());
    match conflict {
        Conflict::Error => String::new(),
        Conflict::Replace if !assignments.is_empty() => {
            format!(" ON CONFLICT ({target}) DO UPDATE SET {}", assignments.join(", "))
        }
        Conflict::Skip | Conflict::Replace => format!(" ON CONFLICT ({target}) DO NOTHING"),
    }
}

/// Beyond so many values a list of rows is sent as one array for each column.
const MANY: usize = 1000;

/// A query for many rows of values, whose columns come as arrays.
pub(super) fn rows(columns: &[CoreType], rows: &[Row]) -> Option<Statement> {
    if columns.len() * rows.len() <= MANY {
        return None;
    }
    let mut arrays = Vec::new();
    let mut parameters = Vec::new();
    for (index, core) in columns.iter().enumerate() {
        arrays.push(format!("?::{}[]", types::array_element(core)?));
        let items: Vec<String> = rows.iter().map(|row| array_item(row.get(index))).collect::<Option<_>>()?;
        parameters.push(Value::Text(format!("{{{}}}", items.join(","))));
    }
    Some(Statement { sql: format!("SELECT * FROM unnest({})", arrays.join(", ")), parameters })
}

/// One item of an array in the form in which PostgreSQL reads it.
fn array_item(value: Option<&Value>) -> Option<String> {
    if value?.is_null() {
        return Some("NULL".into());
    }
    let text = types::text_form(value?)?;
    Some(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}
