//! Statements over rows.

use lodestore_types::{Result, Value};

use super::table::{name, quote};
use super::{Server, types};
use crate::{Attribute, Conflict, Heading, Row, Statement};

/// The text of an insert of `rows` rows.
pub(super) fn insert(
    server: Server,
    heading: &Heading,
    columns: &[&str],
    rows: usize,
    conflict: Conflict,
) -> Result<String> {
    let Some(table) = &heading.table else {
        return Err(crate::expression::not_a_table("insert into"));
    };
    for column in columns {
        if heading.get_any(column).is_none() {
            return Err(heading.unknown(column));
        }
    }
    // The row of a singleton is named by its hidden key, so that a second one is noticed as a conflict.
    let hidden = heading.full_primary_key().find(|key| key.hidden).filter(|key| !columns.contains(&key.name.as_str()));
    let names: Vec<String> =
        hidden.map(|key| quote(&key.name)).into_iter().chain(columns.iter().map(|c| quote(c))).collect();
    let values: Vec<&str> = hidden.map(|_| "1").into_iter().chain(columns.iter().map(|_| "?")).collect();
    let row = format!("({})", values.join(", "));
    let mut sql = format!("INSERT INTO {} ({}) VALUES {}", name(table), names.join(", "), vec![&*row; rows].join(", "));
    let assignments = match conflict {
        Conflict::Error => return Ok(sql),
        Conflict::Skip => on_conflict(server, heading, columns, false),
        Conflict::Replace => on_conflict(server, heading, columns, true),
    };
    // MariaDB knows no name for the new row, MySQL is about to forget the function.
    let alias = if server == Server::Mysql { " AS `$new`" } else { "" };
    sql.push_str(&format!("{alias} ON DUPLICATE KEY UPDATE {}", assignments.join(", ")));
    Ok(sql)
}

/// What an upsert assigns: nothing to the key, and new values to all other columns, if they are to be replaced. Those
/// that the insert leaves out become their defaults again, as in any new row.
///
/// The servers take a conflict in *any* unique index for one to be resolved, so a row that agrees with another one in
/// something else than the key would be lost, or would overwrite the other. Where there are such indexes, the first
/// column of the key becomes NULL in that case, which the table refuses.
fn on_conflict(server: Server, heading: &Heading, columns: &[&str], replace: bool) -> Vec<String> {
    let old = |name: &str| match &heading.table {
        Some(table) => format!("{}.{}", super::table::name(table), quote(name)),
        None => quote(name),
    };
    let new = |name: &str| match server {
        Server::Mysql => format!("`$new`.{}", quote(name)),
        Server::Mariadb => format!("VALUES({})", quote(name)),
    };
    let key: Vec<&Attribute> = heading.full_primary_key().collect();
    let mut assignments = Vec::new();
    if let Some(first) = key.first() {
        let guarded = heading.indexes.iter().any(|index| index.unique);
        let same: Vec<String> = key.iter().map(|key| format!("{} <=> {}", old(&key.name), new(&key.name))).collect();
        assignments.push(match guarded {
            true => format!("{0} = IF({1}, {2}, NULL)", quote(&first.name), same.join(" AND "), old(&first.name)),
            false => format!("{} = {}", quote(&first.name), old(&first.name)),
        });
    }
    let others = heading.attributes.iter().filter(|attribute| replace && !attribute.in_key);
    assignments.extend(others.map(|other| match columns.contains(&other.name.as_str()) {
        true => format!("{} = {}", quote(&other.name), new(&other.name)),
        false => format!("{} = DEFAULT", quote(&other.name)),
    }));
    assignments
}

/// Rows beyond the number of parameters, written out: numbers, and texts and bytes in hexadecimal digits.
pub(super) fn rows(width: usize, rows: &[Row]) -> Option<Statement> {
    const MANY: usize = 60_000;
    if width * rows.len() <= MANY {
        return None;
    }
    let literal = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => format!("{number:e}"),
        Value::Bytes(bytes) => types::hexadecimal(bytes),
        Value::Text(text) => format!("_utf8mb4 {}", types::hexadecimal(text.as_bytes())),
        Value::DateTime(moment) => format!("'{} {}'", moment.date(), moment.time()),
        other => format!("'{other}'"),
    };
    let row = |row: &Row| row.iter().map(literal).collect::<Vec<_>>().join(",");
    let rows: Vec<String> =
        rows.iter().map(|values| if width == 1 { row(values) } else { format!("({})", row(values)) }).collect();
    Some(Statement { sql: rows.join(","), parameters: Vec::new() })
}
