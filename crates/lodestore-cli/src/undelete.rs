//! `lodestore undelete`.

use lodestore::{Deletion, Error, ErrorKind, FullTableName, Instance, Result, Schema};
use serde_json::{Map, Value as Json, json};

use crate::ExitStatus;
use crate::arguments::{Arguments, Undelete};
use crate::output;
use crate::project;

pub(crate) fn run(instance: &Instance, arguments: &Arguments, options: &Undelete) -> Result<ExitStatus> {
    if options.list {
        return list(instance, arguments, options);
    }
    let deletion = options.deletion.as_deref();
    let rows = match (&options.table, &options.schema) {
        (Some(table), _) => project::table(instance, table)?.undelete(deletion)?,
        (None, Some(schema)) => existing(instance, schema)?.undelete(deletion)?,
        (None, None) => return Err(Error::new(ErrorKind::InvalidRequest, "which schema is not told")),
    };
    match arguments.json {
        true => output::json(&json!({ "rows": counts(&rows) }))?,
        false => output::print(&(told(&rows) + "All of it is back.\n"))?,
    }
    Ok(ExitStatus::Success)
}

fn list(instance: &Instance, arguments: &Arguments, options: &Undelete) -> Result<ExitStatus> {
    let mut found: Vec<Deletion> = match (&options.table, &options.schema) {
        (Some(table), _) => project::table(instance, table)?.deletions()?,
        (None, Some(schema)) => existing(instance, schema)?.deletions()?,
        (None, None) => {
            let mut all = Vec::new();
            for schema in instance.schemas()? {
                all.extend(existing(instance, &schema)?.deletions()?);
            }
            all.sort_by_key(|deletion| std::cmp::Reverse(deletion.at));
            all
        }
    };
    // One that took rows of several schemas is told by each.
    let mut met = std::collections::HashSet::new();
    found.retain(|deletion| met.insert(deletion.id.clone()));
    if arguments.json {
        output::json(&json!({ "deletions": found.iter().map(document).collect::<Vec<_>>() }))?;
        return Ok(ExitStatus::Success);
    }
    let mut text = String::new();
    for deletion in &found {
        let Deletion { id, at, until, user, table, rows } = deletion;
        text += &format!("{id}  {at}  {table}, by {user}; can be undone until {until}\n{}", told(rows));
    }
    text += &match found.is_empty() {
        true => "No delete can be undone.\n".to_owned(),
        false => format!("{} can be undone.\n", output::count(found.len() as u64, "deletion")),
    };
    output::print(&text)?;
    Ok(ExitStatus::Success)
}

fn existing(instance: &Instance, name: &str) -> Result<Schema> {
    match instance.existing_schema(name)? {
        Some(schema) => Ok(schema),
        None => Err(Error::new(ErrorKind::MissingTable, format!("there is no schema `{name}`"))
            .with_hint(format!("the schemas are: {}", instance.schemas()?.join(", ")))),
    }
}

fn document(deletion: &Deletion) -> Json {
    json!({
        "deletion": deletion.id, "at": deletion.at.to_string(), "until": deletion.until.to_string(),
        "user": deletion.user, "table": deletion.table.to_string(), "rows": counts(&deletion.rows),
    })
}

fn counts(rows: &[(FullTableName, u64)]) -> Map<String, Json> {
    rows.iter().map(|(table, rows)| (table.to_string(), (*rows).into())).collect()
}

fn told(rows: &[(FullTableName, u64)]) -> String {
    rows.iter().map(|(table, rows)| format!("  {table}: {}\n", output::count(*rows, "row"))).collect()
}
