//! Statements over rows.

use lodestore_types::{FullTableName, Result, Value};

use super::Sqlite;
use crate::{Conflict, Dialect, Heading, Row, Statement};

/// The text of an insert of `rows` rows.
pub(super) fn insert(heading: &Heading, columns: &[&str], rows: usize, conflict: Conflict) -> Result<String> {
    let singleton = heading.full_primary_key().find(|attribute| attribute.hidden);
    if columns.is_empty() && singleton.is_none() {
        // Every attribute has a default, and the key is counted up: there is nothing to conflict with.
        return Ok(format!("INSERT INTO {} DEFAULT VALUES", Sqlite.table(target(heading, columns)?)));
    }
    // The row of a singleton is named by its hidden key, so that a second one is noticed as a conflict.
    let hidden = singleton.filter(|attribute| !columns.contains(&attribute.name.as_str()));
    let values = hidden.map(|_| "1").into_iter().chain(columns.iter().map(|_| "?"));
    let row = format!("({})", values.collect::<Vec<_>>().join(", "));
    let names: Vec<&str> =
        hidden.map(|attribute| &*attribute.name).into_iter().chain(columns.iter().copied()).collect();
    let values = format!("VALUES {}", vec![&*row; rows].join(", "));
    Ok(format!("{} {values}{}", into(heading, &names)?, on_conflict(heading, conflict)))
}

/// The text of an insert of what a query gives, whose columns are `columns`.
pub(super) fn insert_from(heading: &Heading, columns: &[&str], query: &str, conflict: Conflict) -> Result<String> {
    // Without the condition a conflict clause would be read as part of the query.
    Ok(format!(
        "{} SELECT {} FROM ({query}) WHERE true{}",
        into(heading, columns)?,
        list(columns),
        on_conflict(heading, conflict)
    ))
}

fn target<'a>(heading: &'a Heading, columns: &[&str]) -> Result<&'a FullTableName> {
    match columns.iter().find(|column| heading.get_any(column).is_none()) {
        Some(unknown) => Err(heading.unknown(unknown)),
        None => heading.table.as_ref().ok_or_else(|| crate::expression::not_a_table("insert into")),
    }
}

fn into(heading: &Heading, columns: &[&str]) -> Result<String> {
    Ok(format!("INSERT INTO {} ({})", Sqlite.table(target(heading, columns)?), list(columns)))
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| Sqlite.quote(name)).collect::<Vec<_>>().join(", ")
}

fn on_conflict(heading: &Heading, conflict: Conflict) -> String {
    let key: Vec<&str> = heading.full_primary_key().map(|attribute| attribute.name.as_str()).collect();
    // What an insert leaves out becomes its default again, as in any new row.
    let others = heading.attributes.iter().map(|attribute| &*attribute.name).filter(|name| !key.contains(name));
    let assign = |name: &str| format!("{0} = excluded.{0}", Sqlite.quote(name));
    let assignments: Vec<String> = others.map(assign).collect();
    match conflict {
        Conflict::Error => String::new(),
        Conflict::Replace if !assignments.is_empty() => {
            format!(" ON CONFLICT ({}) DO UPDATE SET {}", list(&key), assignments.join(", "))
        }
        Conflict::Skip | Conflict::Replace => format!(" ON CONFLICT ({}) DO NOTHING", list(&key)),
    }
}

/// Beyond so many values a list of rows is sent as one JSON text.
const MANY: usize = 1000;

/// A query for many rows of values, which come as one parameter. Bytes and infinities have no place in JSON.
pub(super) fn rows(width: usize, rows: &[Row]) -> Option<Statement> {
    if width * rows.len() <= MANY {
        return None;
    }
    let json = |value: &Value| match value {
        Value::Null => Some(serde_json::Value::Null),
        Value::Int(number) => Some((*number).into()),
        Value::Float(number) => serde_json::Number::from_f64(*number).map(Into::into),
        Value::Text(text) => Some(text.as_str().into()),
        _ => None,
    };
    let (columns, items) = match width {
        1 => ("value".to_owned(), rows.iter().map(|row| json(&row[0])).collect::<Option<_>>()?),
        _ => {
            let row = |row: &Row| row.iter().map(json).collect::<Option<Vec<_>>>().map(serde_json::Value::Array);
            let columns: Vec<String> = (0..width).map(|column| format!("value ->> {column}")).collect();
            (columns.join(", "), rows.iter().map(row).collect::<Option<_>>()?)
        }
    };
    Some(Statement {
        sql: format!("SELECT {columns} FROM json_each(?)"),
        parameters: vec![serde_json::Value::Array(items).to_string().into()],
    })
}
