//! What the database knows of its schemas and tables, read back.

use lodestore_types::{CoreType, Error, ErrorKind, FullTableName, Result, SchemaName, Value};

use super::table::{HIDDEN_INDEX, SCHEMAS, hidden};
use super::{Sqlite, types};
use crate::deletions::KEPT;
use crate::heading::split_marker;
use crate::{
    Attribute, AttributeType, DefaultValue, Dependency, Dialect, ForeignKey, Heading, Index, Lineage, Row, Statement,
    native,
};

fn ask(sql: impl Into<String>, parameters: &[&str]) -> Statement {
    Statement { sql: sql.into(), parameters: parameters.iter().map(|text| Value::from(*text)).collect() }
}

pub(super) fn schema_exists(schema: &SchemaName) -> Statement {
    ask(format!("SELECT \"format\" FROM \"{SCHEMAS}\" WHERE \"schema_name\" = ?1"), &[schema.as_str()])
}

pub(super) fn list_schemas() -> Statement {
    ask(format!("SELECT \"schema_name\" FROM \"{SCHEMAS}\" ORDER BY \"schema_name\""), &[])
}

pub(super) fn list_tables(schema: &SchemaName) -> Statement {
    let prefix = format!("{schema}.");
    ask(
        "SELECT substr(name, length(?1) + 1) FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, length(?1)) = \
         ?1 AND substr(name, length(?1) + 1, 1) <> '~' ORDER BY rowid",
        &[&prefix],
    )
}

pub(super) fn kept_tables(schema: &SchemaName) -> Statement {
    let prefix = format!("{schema}.{KEPT}");
    ask(
        "SELECT substr(name, length(?1) + 2) FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, length(?2)) = ?2",
        &[schema.as_str(), &prefix],
    )
}

pub(super) fn table_exists(table: &FullTableName) -> Statement {
    ask("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1", &[&table.to_string()])
}

/// The pages of the table and of its indexes.
pub(super) fn table_size(table: &FullTableName) -> Statement {
    ask(
        "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE aggregate = 1 AND name IN (SELECT name FROM sqlite_schema \
         WHERE tbl_name = ?1)",
        &[&table.to_string()],
    )
}

/// SQLite counts the changes of its catalog.
pub(super) fn version() -> Statement {
    ask("PRAGMA schema_version", &[])
}

pub(super) fn lineage_exists(schema: &SchemaName) -> Statement {
    ask("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1", &[&format!("{schema}.~lineage")])
}

pub(super) fn lineage(schema: &SchemaName) -> Statement {
    ask(format!("SELECT \"table_name\", \"attribute_name\", \"lineage\" FROM {}", hidden(schema, "lineage")), &[])
}

pub(super) fn heading_queries(table: &FullTableName) -> Vec<Statement> {
    let full = table.to_string();
    let own = |name: &str, column: &str| {
        let sql = format!(
            "SELECT \"attribute_name\", \"{column}\" FROM {} WHERE \"table_name\" = ?1",
            hidden(&table.schema, name)
        );
        ask(sql, &[table.table.as_str()])
    };
    vec![
        table_exists(table),
        ask("SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_xinfo(?1) ORDER BY cid", &[&full]),
        own("comments", "comment"),
        own("lineage", "lineage"),
        ask(
            "SELECT sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1 AND sql IS NOT NULL AND instr(name, ?2) = \
             0 ORDER BY rowid",
            &[&full, HIDDEN_INDEX],
        ),
        ask("SELECT id, \"from\" FROM pragma_foreign_key_list(?1) ORDER BY id DESC, seq", &[&full]),
    ]
}

pub(super) fn read_heading(
    table: &FullTableName,
    results: &[Vec<Row>],
    codec: &dyn Fn(&str) -> Result<CoreType>,
) -> Result<Option<Heading>> {
    if results.first().is_none_or(Vec::is_empty) {
        return Ok(None);
    }
    let [_, columns, comments, lineage, indexes, references] = results else {
        return Err(strange("the number of results").with("table", table));
    };
    let comments = pairs(comments)?;
    let lineage = pairs(lineage)?;
    let comment_of = |name: &str| comments.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| *text);
    let attributes = columns.iter().map(|row| {
        let [Value::Text(name), Value::Text(storage), Value::Int(not_null), default, Value::Int(key)] = &row[..] else {
            return Err(strange("a column"));
        };
        let (kind, comment) = read_type(storage, comment_of(name), codec);
        let nullable = *not_null == 0;
        let default = match default {
            _ if nullable => Some(DefaultValue::Null),
            Value::Text(sql) => types::read_default(sql, &kind.core),
            _ => None,
        };
        let origin = lineage.iter().find(|(known, _)| known == name).map(|(_, text)| Lineage::from_text(*text));
        let autoincrement = kind.native.as_deref().and_then(native::parse).is_some_and(|native| native.autoincrement);
        Ok(Attribute {
            name: name.clone(),
            in_key: *key > 0,
            nullable,
            default,
            // A child takes the type of its parent's key, not the counting.
            autoincrement: autoincrement && origin.as_ref() == Some(&Lineage::of(table, name)),
            kind,
            comment,
            hidden: name.starts_with('_'),
            lineage: origin,
            expression: None,
        })
    });
    let attributes = attributes.collect::<Result<Vec<_>>>().map_err(|error| error.with("table", table))?;
    let supported = foreign_columns(references)?;
    let indexes = indexes
        .iter()
        .map(|row| match &row[..] {
            [Value::Text(sql)] => read_index(sql, table),
            _ => Err(strange("an index")),
        })
        .filter(|index| !index.as_ref().is_ok_and(|index| !index.unique && supported.contains(&index.columns)))
        .collect::<Result<_>>()?;
    Ok(Some(Heading { table: Some(table.clone()), comment: comment_of("").to_owned(), attributes, indexes }))
}

/// The type that the marker tells, or one that fits what the column stores.
fn read_type(storage: &str, stored: &str, codec: &dyn Fn(&str) -> Result<CoreType>) -> (AttributeType, String) {
    let fitting = match storage {
        "INTEGER" => CoreType::Int64,
        "REAL" => CoreType::Float64,
        "BLOB" => CoreType::Bytes,
        _ => CoreType::Varchar(u32::MAX),
    };
    let (Some(declared), comment) = split_marker(stored) else {
        let declared = storage.to_ascii_lowercase();
        let kind = AttributeType { declared: declared.clone(), core: fitting, codec: None, native: Some(declared) };
        return (kind, stored.to_owned());
    };
    let of = |core, codec: bool, native: bool| AttributeType {
        declared: declared.to_owned(),
        core,
        codec: codec.then(|| declared.to_owned()),
        native: native.then(|| declared.to_owned()),
    };
    let kind = if declared.starts_with('<') {
        // Without its codec the attribute can still be seen, joined and deleted; only its values cannot be read.
        of(codec(declared).unwrap_or(if storage == "TEXT" { CoreType::Json } else { fitting }), true, false)
    } else if let Ok(Some(core)) = CoreType::parse(declared) {
        of(core, false, false)
    } else {
        of(native::parse(declared).map_or(fitting, |native| native.core), false, true)
    };
    (kind, comment.to_owned())
}

/// An index from the text that made it.
fn read_index(sql: &str, table: &FullTableName) -> Result<Index> {
    let behind = format!(" ON {} (", Sqlite.table(table));
    let columns = sql.split_once(&behind).and_then(|(_, columns)| columns.strip_suffix(')'));
    let Some(columns) = columns else {
        return Err(strange("the text of an index").with("index", sql));
    };
    let columns = crate::definition::split_arguments(columns)
        .into_iter()
        .map(|column| {
            let name = column.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            name.filter(|name| !name.contains('"')).map_or(column.clone(), str::to_owned)
        })
        .collect();
    Ok(Index { columns, unique: sql.starts_with("CREATE UNIQUE ") })
}

fn foreign_columns(rows: &[Row]) -> Result<Vec<Vec<String>>> {
    let mut keys: Vec<(i64, Vec<String>)> = Vec::new();
    for row in rows {
        let [Value::Int(id), Value::Text(column)] = &row[..] else { return Err(strange("a foreign key")) };
        match keys.last_mut().filter(|(last, _)| last == id) {
            Some((_, columns)) => columns.push(column.clone()),
            None => keys.push((*id, vec![column.clone()])),
        }
    }
    Ok(keys.into_iter().map(|(_, columns)| columns).collect())
}

fn pairs(rows: &[Row]) -> Result<Vec<(&str, &str)>> {
    rows.iter()
        .map(|row| match &row[..] {
            [Value::Text(name), Value::Text(text)] => Ok((name.as_str(), text.as_str())),
            _ => Err(strange("a row of a hidden table")),
        })
        .collect()
}

fn strange(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the catalog tells {what} in a form that was not asked for"))
}

pub(super) fn outline_queries(schema: &SchemaName) -> [Statement; 2] {
    let columns = "SELECT substr(m.name, length(?1) + 1), c.name, c.type, c.pk FROM sqlite_schema m JOIN \
                   pragma_table_xinfo(m.name) c WHERE m.type = 'table' AND substr(m.name, 1, length(?1)) = ?1 AND \
                   substr(m.name, length(?1) + 1, 1) <> '~' AND substr(c.name, 1, 1) <> '_' ORDER BY m.rowid, c.cid";
    let comments =
        format!("SELECT \"table_name\", \"attribute_name\", \"comment\" FROM {}", hidden(schema, "comments"));
    [ask(columns, &[&format!("{schema}.")]), ask(comments, &[])]
}

/// One row for each column of each foreign key: child, number of the key, parent, both columns, whether the child's
/// column may be NULL, and whether an index makes the child's columns unique.
pub(super) fn dependencies(schema: Option<&SchemaName>) -> Statement {
    let prefix = schema.map(|schema| format!("{schema}."));
    ask(
        "SELECT m.name, f.id, f.\"table\", f.\"from\", f.\"to\", \
         (SELECT c.\"notnull\" = 0 FROM pragma_table_xinfo(m.name) c WHERE c.name = f.\"from\"), \
         EXISTS (SELECT 1 FROM pragma_index_list(m.name) i WHERE i.\"unique\" AND i.origin = 'c' AND \
         (SELECT group_concat(x.name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno) x) = \
         (SELECT group_concat(y.\"from\") FROM (SELECT \"from\" FROM pragma_foreign_key_list(m.name) WHERE id = f.id \
         ORDER BY seq) y)) \
         FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f \
         WHERE m.type = 'table' AND substr(m.name, 1, length(?1)) = ?1 AND instr(m.name, '.') > 0 AND \
         instr(m.name, '.~') = 0 ORDER BY m.rowid, f.id DESC, f.seq",
        &[prefix.as_deref().unwrap_or_default()],
    )
}

/// The text of a table that refers to the schema contains its name: of the others nothing is asked.
pub(super) fn referring_schemas(schema: &SchemaName) -> Statement {
    ask(
        "SELECT DISTINCT substr(m.name, 1, instr(m.name, '.') - 1) \
         FROM sqlite_schema m CROSS JOIN pragma_foreign_key_list(m.name) f \
         WHERE m.type = 'table' AND instr(m.name, '.') > 0 AND instr(m.name, '.~') = 0 AND \
         substr(m.name, 1, length(?1)) <> ?1 AND instr(lower(m.sql), lower(?1)) > 0 AND \
         lower(substr(f.\"table\", 1, length(?1))) = lower(?1)",
        &[&format!("{schema}.")],
    )
}

pub(super) fn read_dependencies(rows: &[Row]) -> Result<Vec<Dependency>> {
    let mut found: Vec<(i64, Dependency)> = Vec::new();
    for row in rows {
        let [
            Value::Text(child),
            Value::Int(id),
            Value::Text(parent),
            Value::Text(from),
            Value::Text(to),
            Value::Int(nullable),
            Value::Int(unique),
        ] = &row[..]
        else {
            return Err(strange("a foreign key"));
        };
        let child = FullTableName::parse(child)?;
        let same = found.last_mut().filter(|(last, dependency)| last == id && dependency.child == child);
        let key = match same {
            Some((_, dependency)) => &mut dependency.key,
            None => {
                let key = ForeignKey {
                    columns: Vec::new(),
                    parent: FullTableName::parse(parent)?,
                    parent_columns: Vec::new(),
                    nullable: false,
                    unique: *unique == 1,
                };
                found.push((*id, Dependency { child, key }));
                match found.last_mut() {
                    Some((_, dependency)) => &mut dependency.key,
                    None => continue,
                }
            }
        };
        key.columns.push(from.clone());
        key.parent_columns.push(to.clone());
        key.nullable |= *nullable == 1;
    }
    Ok(found.into_iter().map(|(_, dependency)| dependency).collect())
}
