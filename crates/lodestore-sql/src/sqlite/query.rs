//! Statements over rows.

use lodestore_types::{Result, Value};

use super::Sqlite;
use crate::{Conflict, Dialect, Heading, Row, Statement};

/// The text of an insert of `rows` rows.
pub(super) fn insert(heading: &Heading, columns: &[&str], rows: usize, conflict: Conflict) -> Result<String> {
    let Some(table) = &heading.table else {
        return Err(crate::expression::not_a_table("insert into"));
    };
    for column in columns {
        if heading.get_any(column).is_none() {
            return Err(heading.unknown(column));
        }
    }
    let list =
        |names: &mut dyn Iterator<Item = &str>| names.map(|name| Sqlite.quote(name)).collect::<Vec<_>>().join(", ");
    let mut sql = format!("INSERT INTO {}", Sqlite.table(table));
    let singleton = heading.full_primary_key().find(|attribute| attribute.hidden);
    if columns.is_empty() && singleton.is_none() {
        // Every attribute has a default, and the key is counted up: there is nothing to conflict with.
        sql.push_str(" DEFAULT VALUES");
        return Ok(sql);
    }
    // The row of a singleton is named by its hidden key, so that a second one is noticed as a conflict.
    let hidden = singleton.filter(|attribute| !columns.contains(&attribute.name.as_str()));
    let values = hidden.map(|_| "1").into_iter().chain(columns.iter().map(|_| "?"));
    let row = format!("({})", values.collect::<Vec<_>>().join(", "));
    let names = list(&mut hidden.map(|attribute| &*attribute.name).into_iter().chain(columns.iter().copied()));
    sql.push_str(&format!(" ({names}) VALUES {}", vec![&*row; rows].join(", ")));
    let key: Vec<&str> = heading.full_primary_key().map(|attribute| attribute.name.as_str()).collect();
    let others: Vec<&str> = columns.iter().copied().filter(|column| !key.contains(column)).collect();
    let target = list(&mut key.iter().copied());
    match conflict {
        Conflict::Error => {}
        Conflict::Replace if !others.is_empty() => {
            let assign = |name: &&str| format!("{0} = excluded.{0}", Sqlite.quote(name));
            let assignments: Vec<String> = others.iter().map(assign).collect();
            sql.push_str(&format!(" ON CONFLICT ({target}) DO UPDATE SET {}", assignments.join(", ")));
        }
        Conflict::Skip | Conflict::Replace => sql.push_str(&format!(" ON CONFLICT ({target}) DO NOTHING")),
    }
    Ok(sql)
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
