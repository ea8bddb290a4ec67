//! The DDL of tables and schemas.

use lodestore_types::{CoreType, Error, ErrorKind, FullTableName, Result, SchemaName, TableName, Value};

use super::{FORMAT_VERSION, Sqlite, types};
use crate::declaration::is_word;
use crate::deletions::DELETION;
use crate::dialect::{JsonForm, JsonPath};
use crate::heading::with_marker;
use crate::{Attribute, Declaration, Dialect, ForeignKey, Heading, Index, Lineage, Statement};

/// The registry of schemas.
pub(super) const SCHEMAS: &str = "~schemas";

/// The quoted name of a hidden table of a schema.
pub(super) fn hidden(schema: &SchemaName, name: &str) -> String {
    Sqlite.quote(&format!("{schema}.~{name}"))
}

pub(super) fn bare(sql: impl Into<String>) -> Statement {
    Statement { sql: sql.into(), parameters: Vec::new() }
}

pub(super) fn prepare_database() -> Vec<Statement> {
    vec![bare(format!(
        "CREATE TABLE IF NOT EXISTS \"{SCHEMAS}\" (\"schema_name\" TEXT NOT NULL PRIMARY KEY, \"format\" INTEGER NOT \
         NULL) STRICT"
    ))]
}

pub(super) fn create_schema(schema: &SchemaName) -> Vec<Statement> {
    let columns = |rest: &str| {
        format!(
            "(\"table_name\" TEXT NOT NULL, \"attribute_name\" TEXT NOT NULL, \"{rest}\" TEXT NOT NULL, PRIMARY KEY \
             (\"table_name\", \"attribute_name\")) STRICT"
        )
    };
    let mut statements = prepare_database();
    for (table, column) in [("lineage", "lineage"), ("comments", "comment")] {
        statements.push(bare(format!("CREATE TABLE IF NOT EXISTS {} {}", hidden(schema, table), columns(column))));
    }
    statements.push(Statement {
        sql: format!("INSERT INTO \"{SCHEMAS}\" (\"schema_name\", \"format\") VALUES (?1, ?2) ON CONFLICT DO NOTHING"),
        parameters: vec![schema.as_str().into(), FORMAT_VERSION.into()],
    });
    statements
}

pub(super) fn drop_schema(schema: &SchemaName) -> Vec<Statement> {
    let mut statements: Vec<Statement> =
        ["lineage", "comments", "lifecycle", "intents", "released", "condemned", "codecs", "deletions", "migrations"]
            .iter()
            .map(|table| bare(format!("DROP TABLE IF EXISTS {}", hidden(schema, table))))
            .collect();
    statements.push(Statement {
        sql: format!("DELETE FROM \"{SCHEMAS}\" WHERE \"schema_name\" = ?1"),
        parameters: vec![schema.as_str().into()],
    });
    statements
}

pub(super) fn declare(declaration: &Declaration) -> Result<Vec<Statement>> {
    let mut statements = vec![bare(create_table(declaration)?)];
    statements.extend(create_indexes(declaration).into_iter().map(bare));
    statements.extend(comments(declaration));
    statements.extend(lineage(declaration));
    Ok(statements)
}

pub(super) fn create_table(declaration: &Declaration) -> Result<String> {
    let mut items = declaration.columns.iter().map(|column| define(column, declaration)).collect::<Result<Vec<_>>>()?;
    if !declaration.columns.iter().any(|column| column.autoincrement) {
        items.push(format!("PRIMARY KEY ({})", quoted(&declaration.primary_key)));
    }
    items.extend(declaration.foreign_keys.iter().map(reference));
    let name = Sqlite.table(&declaration.table);
    Ok(format!("CREATE TABLE IF NOT EXISTS {name} (\n{}\n) STRICT", items.join(",\n")))
}

/// One column, with the constraint that keeps its type honest; the constraint's name tells attribute and type.
fn define(column: &Attribute, declaration: &Declaration) -> Result<String> {
    let name = Sqlite.quote(&column.name);
    let core = &column.kind.core;
    let mut sql = format!("{name} {}", types::storage(core));
    if column.autoincrement {
        if declaration.primary_key != [column.name.clone()] {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("sqlite counts up attribute `{}` only if it is the primary key by itself", column.name),
            )
            .with("table", &declaration.table)
            .with("dialect", "sqlite"));
        }
        sql.push_str(" PRIMARY KEY AUTOINCREMENT");
    }
    if !column.nullable {
        sql.push_str(" NOT NULL");
    }
    if let Some(default) = &column.default {
        sql.push_str(&format!(" DEFAULT {}", types::default_sql(default, core)?));
    }
    if let Some(check) = types::check(core, &name) {
        let constraint = Sqlite.quote(&format!("{}:{core}", column.name));
        sql.push_str(&format!(" CONSTRAINT {constraint} CHECK ({check})"));
    }
    Ok(sql)
}

/// Typed by what the columns store: their values have passed all checks before.
pub(super) fn keep_table(kept: &FullTableName, heading: &Heading) -> Vec<Statement> {
    let name = Sqlite.table(kept);
    let deletion = Sqlite.quote(DELETION);
    let columns: String = heading
        .attributes
        .iter()
        .map(|column| format!(",\n{} {}", Sqlite.quote(&column.name), types::storage(&column.kind.core)))
        .collect();
    let index = Sqlite.quote(&format!("{kept}.idx"));
    let mut statements = vec![
        bare(format!("CREATE TABLE {name} (\n{deletion} TEXT NOT NULL{columns}\n) STRICT")),
        bare(format!("CREATE INDEX {index} ON {name} ({deletion})")),
    ];
    statements.extend(heading.attributes.iter().filter_map(|column| path_index(kept, column)).map(bare));
    let marked = heading
        .attributes
        .iter()
        .map(|column| (column.name.clone(), with_marker(&column.kind.declared, &column.comment)));
    statements.extend(upsert(kept, "comments", "comment", marked));
    statements
}

fn reference(key: &ForeignKey) -> String {
    format!(
        "FOREIGN KEY ({}) REFERENCES {} ({}) ON UPDATE CASCADE ON DELETE RESTRICT",
        quoted(&key.columns),
        Sqlite.table(&key.parent),
        quoted(&key.parent_columns)
    )
}

pub(super) fn quoted(columns: &[String]) -> String {
    columns.iter().map(|column| Sqlite.quote(column)).collect::<Vec<_>>().join(", ")
}

/// Declared indexes, then those that foreign keys need so that deleting a parent need not scan the child.
pub(super) fn create_indexes(declaration: &Declaration) -> Vec<String> {
    let mut indexes = declaration.indexes.clone();
    let mut prefixes: Vec<&[String]> = vec![&declaration.primary_key];
    prefixes.extend(declaration.indexes.iter().map(|index| &*index.columns));
    let mut candidates: Vec<&ForeignKey> = declaration.foreign_keys.iter().filter(|key| !key.unique).collect();
    candidates.sort_by_key(|key| std::cmp::Reverse(key.columns.len()));
    for key in candidates {
        if !prefixes.iter().any(|prefix| prefix.starts_with(&key.columns)) {
            indexes.push(Index { columns: key.columns.clone(), unique: false });
            prefixes.push(&key.columns);
        }
    }
    let mut names: Vec<String> = Vec::new();
    let paths = declaration.columns.iter().filter_map(|column| path_index(&declaration.table, column));
    indexes
        .iter()
        .map(|index| {
            let name = index_name(&declaration.table, index, &names);
            let sql = create_index(&declaration.table, index, &name);
            names.push(name);
            sql
        })
        .chain(paths)
        .collect()
}

/// What the names of indexes have in them that are no part of a definition.
pub(super) const HIDDEN_INDEX: &str = ".~path_";

/// The index by which a collector finds whether a row names an object.
fn path_index(table: &FullTableName, column: &Attribute) -> Option<String> {
    let in_store = column.kind.codec.as_deref().is_some_and(|codec| codec.contains('@'));
    let name = Sqlite.quote(&format!("{table}{HIDDEN_INDEX}{}", column.name));
    let word = Sqlite.json_word(&Sqlite.quote(&column.name), "path");
    (in_store && column.kind.core == CoreType::Json)
        .then(|| format!("CREATE INDEX IF NOT EXISTS {name} ON {} ({word})", Sqlite.table(table)))
}

/// A name that no other index has: SQLite keeps those of all tables in one list, so the table's full name is in it.
fn index_name(table: &FullTableName, index: &Index, taken: &[String]) -> String {
    let columns: String = index.columns.join("_").chars().filter(|c| !c.is_control()).take(30).collect();
    let name = format!("{table}.idx_{columns}");
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(name)
}

fn create_index(table: &FullTableName, index: &Index, name: &str) -> String {
    let columns: Vec<String> = index.columns.iter().map(|column| indexed(column)).collect();
    format!(
        "CREATE {}INDEX IF NOT EXISTS {} ON {} ({})",
        if index.unique { "UNIQUE " } else { "" },
        Sqlite.quote(name),
        Sqlite.table(table),
        columns.join(", ")
    )
}

/// An attribute, a path into a JSON attribute, or an expression as written.
fn indexed(column: &str) -> String {
    if is_word(column) {
        return Sqlite.quote(column);
    }
    match JsonPath::parse(column) {
        Some(path) => Sqlite.json_path(&Sqlite.quote(path.attribute), &path, JsonForm::Text),
        None => column.to_owned(),
    }
}

/// Comments and declared types, which SQLite has no place for.
pub(super) fn comments(declaration: &Declaration) -> Option<Statement> {
    let rows = declaration
        .columns
        .iter()
        .map(|column| (column.name.clone(), with_marker(&column.kind.declared, &column.comment)));
    let own = std::iter::once((String::new(), declaration.comment.clone()));
    upsert(&declaration.table, "comments", "comment", own.chain(rows))
}

fn lineage(declaration: &Declaration) -> Option<Statement> {
    let rows = declaration.lineage.iter().map(|(name, origin)| (name.clone(), origin.to_string()));
    upsert(&declaration.table, "lineage", "lineage", rows)
}

pub(super) fn replace_lineage(schema: &SchemaName, rows: &[(TableName, String, Lineage)]) -> Vec<Statement> {
    let mut statements = create_schema(schema);
    statements.push(bare(format!("DELETE FROM {}", hidden(schema, "lineage"))));
    statements.extend(rows.chunk_by(|left, right| left.0 == right.0).filter_map(|rows| {
        let table = FullTableName { schema: schema.clone(), table: rows[0].0.clone() };
        let rows = rows.iter().map(|(_, attribute, origin)| (attribute.clone(), origin.to_string()));
        upsert(&table, "lineage", "lineage", rows)
    }));
    statements
}

fn upsert(
    table: &FullTableName,
    into: &str,
    column: &str,
    rows: impl Iterator<Item = (String, String)>,
) -> Option<Statement> {
    let mut parameters: Vec<Value> = vec![table.table.as_str().into()];
    let mut values = Vec::new();
    for (attribute, text) in rows {
        values.push(format!("(?1, ?{}, ?{})", parameters.len() + 1, parameters.len() + 2));
        parameters.extend([attribute.into(), text.into()]);
    }
    let sql = format!(
        "INSERT INTO {} (\"table_name\", \"attribute_name\", \"{column}\") VALUES {} ON CONFLICT (\"table_name\", \
         \"attribute_name\") DO UPDATE SET \"{column}\" = excluded.\"{column}\"",
        hidden(&table.schema, into),
        values.join(", ")
    );
    (!values.is_empty()).then_some(Statement { sql, parameters })
}

pub(super) fn drop_table(table: &FullTableName) -> Vec<Statement> {
    let mut statements: Vec<Statement> = ["lineage", "comments"]
        .iter()
        .map(|name| Statement {
            sql: format!("DELETE FROM {} WHERE \"table_name\" = ?1", hidden(&table.schema, name)),
            parameters: vec![table.table.as_str().into()],
        })
        .collect();
    statements.push(bare(format!("DROP TABLE {}", Sqlite.table(table))));
    statements
}
