//! The DDL of tables and schemas, as DataJoint writes it.

use lodestore_types::{Error, ErrorKind, FullTableName, Result, SchemaName, TableName, Value};

use super::{Server, types};
use crate::declaration::is_word;
use crate::deletions::DELETION;
use crate::dialect::{JsonForm, JsonPath};
use crate::heading::with_marker;
use crate::{Attribute, Declaration, DefaultValue, ForeignKey, Heading, Index, Lineage, Statement};

/// The longest name that the servers take, in characters.
const LONGEST_NAME: usize = 64;

pub(super) fn quote(identifier: &str) -> String {
    format!("`{}`", identifier.replace('`', "``"))
}

pub(super) fn name(table: &FullTableName) -> String {
    format!("{}.{}", quote(table.schema.as_str()), quote(table.table.as_str()))
}

/// The table of a schema that keeps where attributes come from.
pub(super) fn lineage_table(schema: &SchemaName) -> String {
    format!("{}.`~lineage`", quote(schema.as_str()))
}

fn bare(sql: impl Into<String>) -> Statement {
    Statement { sql: sql.into(), parameters: Vec::new() }
}

/// A schema takes the server's character set and collation, as DataJoint's do: a foreign key between texts of two
/// collations is refused.
pub(super) fn create_schema(schema: &SchemaName) -> Vec<Statement> {
    vec![bare(format!("CREATE DATABASE IF NOT EXISTS {}", quote(schema.as_str()))), bare(create_lineage(schema))]
}

fn create_lineage(schema: &SchemaName) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (\n\
         `table_name` VARCHAR(64) NOT NULL COMMENT \"table name within the schema\",\n\
         `attribute_name` VARCHAR(64) NOT NULL COMMENT \"attribute name\",\n\
         `lineage` VARCHAR(255) NOT NULL COMMENT \"origin: schema.table.attribute\",\n\
         PRIMARY KEY (`table_name`, `attribute_name`)\n\
         ) ENGINE=InnoDB",
        lineage_table(schema)
    )
}

pub(super) fn drop_schema(schema: &SchemaName) -> Vec<Statement> {
    vec![bare(format!("DROP DATABASE IF EXISTS {}", quote(schema.as_str())))]
}

/// The lineage goes first: a table without it would be there for good, rows without a table are overwritten by the
/// next declaration.
pub(super) fn declare(server: Server, declaration: &Declaration) -> Result<Vec<Statement>> {
    check_names(declaration)?;
    let create = create_table(server, declaration)?;
    let mut statements = vec![bare(create_lineage(&declaration.table.schema)), forget_lineage(&declaration.table)];
    statements.extend(lineage(declaration));
    statements.push(bare(create));
    Ok(statements)
}

fn check_names(declaration: &Declaration) -> Result<()> {
    let table = declaration.table.table.as_str();
    let names = declaration.columns.iter().map(|column| ("attribute", column.name.as_str()));
    for (what, name) in std::iter::once(("table", table)).chain(names) {
        let length = name.chars().count();
        if length > LONGEST_NAME {
            let message = format!("{what} name `{name}` has {length} characters, mysql takes {LONGEST_NAME}");
            return Err(Error::new(ErrorKind::InvalidName, message).with_hint("choose a shorter name"));
        }
    }
    Ok(())
}

pub(super) fn create_table(server: Server, declaration: &Declaration) -> Result<String> {
    types::check_catalog_text("the comment of the table", &declaration.comment)?;
    let mut items =
        declaration.columns.iter().map(|column| define(server, column, declaration)).collect::<Result<Vec<_>>>()?;
    items.push(format!("PRIMARY KEY ({})", quoted(&declaration.primary_key)));
    items.extend(declaration.foreign_keys.iter().map(reference));
    items.extend(declaration.indexes.iter().map(|index| create_index(server, index, declaration)));
    let comment = match declaration.comment.as_str() {
        "" => String::new(),
        comment => format!(", COMMENT {}", types::comment_literal(comment)),
    };
    Ok(format!(
        "CREATE TABLE IF NOT EXISTS {} (\n{}\n) ENGINE=InnoDB{comment}",
        name(&declaration.table),
        items.join(",\n")
    ))
}

/// One column. What a foreign key brought along has neither type marker nor default: the peer reads its type from the
/// column, and we from where it was declared first.
pub(super) fn define(server: Server, column: &Attribute, declaration: &Declaration) -> Result<String> {
    let mut sql = quote(&column.name);
    if declaration.inherited.contains(&column.name) {
        sql.push_str(&format!(" {}", types::inherited(&column.kind)));
        sql.push_str(if column.nullable { "" } else { " NOT NULL" });
        let comment = types::inherited_comment(&column.kind, &column.comment);
        if !comment.is_empty() {
            sql.push_str(&format!(" COMMENT {}", types::comment_literal(&comment)));
        }
        return Ok(sql);
    }
    check_texts(column).map_err(|error| error.with("attribute", &column.name))?;
    sql.push_str(&format!(" {}", types::declared(&column.kind)));
    sql.push_str(if column.nullable { "" } else { " NOT NULL" });
    match &column.default {
        Some(DefaultValue::Null) => sql.push_str(" DEFAULT NULL"),
        Some(default) => sql.push_str(&format!(" DEFAULT {}", types::default_sql(server, default, &column.kind.core)?)),
        None => {}
    }
    let comment = match &column.kind.native {
        Some(_) => column.comment.clone(),
        None => with_marker(&column.kind.declared, &column.comment),
    };
    if !comment.is_empty() {
        sql.push_str(&format!(" COMMENT {}", types::comment_literal(&comment)));
    }
    Ok(sql)
}

/// Whether the server keeps what is said of a column.
fn check_texts(column: &Attribute) -> Result<()> {
    types::check_catalog_text("the comment", &column.comment)?;
    types::check_catalog_text("the type", &column.kind.declared)?;
    match &column.default {
        Some(DefaultValue::Value(Value::Text(text))) => types::check_catalog_text("the default", text),
        _ => Ok(()),
    }
}

/// A table made of a query has its columns with their comments, and no keys but those that are named.
pub(super) fn keep_table(kept: &FullTableName, heading: &Heading) -> Result<Vec<Statement>> {
    let Some(table) = &heading.table else { return Err(crate::expression::not_a_table("keep deleted rows of")) };
    let deletion = quote(DELETION);
    let columns: Vec<String> = heading.attributes.iter().map(|column| column.name.clone()).collect();
    Ok(vec![bare(format!(
        "CREATE TABLE {} ({deletion} VARCHAR(32) CHARACTER SET ascii NOT NULL, KEY ({deletion})) ENGINE=InnoDB AS SELECT '' \
         AS {deletion}, {} FROM {} LIMIT 0",
        name(kept),
        quoted(&columns),
        name(table)
    ))])
}

fn reference(key: &ForeignKey) -> String {
    format!(
        "FOREIGN KEY ({}) REFERENCES {} ({}) ON UPDATE CASCADE ON DELETE RESTRICT",
        quoted(&key.columns),
        name(&key.parent),
        quoted(&key.parent_columns)
    )
}

fn quoted(columns: &[String]) -> String {
    columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ")
}

/// InnoDB makes the indexes that foreign keys need by itself.
pub(super) fn create_index(server: Server, index: &Index, declaration: &Declaration) -> String {
    if index.unique && declaration.foreign_keys.iter().any(|key| key.unique && key.columns == index.columns) {
        return format!("UNIQUE INDEX ({})", quoted(&index.columns));
    }
    let columns: Vec<String> = index.columns.iter().map(|column| indexed(server, column)).collect();
    format!("{}index ({})", if index.unique { "unique " } else { "" }, columns.join(","))
}

/// An attribute, a path into a JSON attribute, or an expression as written.
fn indexed(server: Server, column: &str) -> String {
    if is_word(column) {
        return quote(column);
    }
    match JsonPath::parse(column) {
        Some(path) if server == Server::Mysql => format!("({})", types::indexed_path(&path)),
        Some(path) => types::json_path(server, &quote(path.attribute), &path, JsonForm::Text),
        None => column.to_owned(),
    }
}

fn forget_lineage(table: &FullTableName) -> Statement {
    Statement {
        sql: format!("DELETE FROM {} WHERE `table_name` = ?", lineage_table(&table.schema)),
        parameters: vec![table.table.as_str().into()],
    }
}

/// The lineage of a table that did not come to be, unless another process made it meanwhile.
pub(super) fn forget_lost_lineage(table: &FullTableName) -> Statement {
    let mut statement = forget_lineage(table);
    statement.sql.push_str(
        " AND NOT EXISTS (SELECT 1 FROM information_schema.tables t WHERE t.table_schema = ? AND t.table_name = ?)",
    );
    statement.parameters.extend([table.schema.as_str().into(), table.table.as_str().into()]);
    statement
}

fn lineage(declaration: &Declaration) -> Option<Statement> {
    let table = &declaration.table;
    let rows = declaration.lineage.iter().map(|(name, origin)| (&table.table, name.as_str(), origin));
    upsert_lineage(&table.schema, rows)
}

pub(super) fn replace_lineage(schema: &SchemaName, rows: &[(TableName, String, Lineage)]) -> Vec<Statement> {
    let mut statements = vec![bare(create_lineage(schema)), bare(format!("DELETE FROM {}", lineage_table(schema)))];
    // Far below the parameters that one statement may have.
    let some = |rows: &[(TableName, String, Lineage)]| {
        upsert_lineage(schema, rows.iter().map(|(table, name, origin)| (table, name.as_str(), origin)))
    };
    statements.extend(rows.chunks(1000).filter_map(some));
    statements
}

fn upsert_lineage<'a>(
    schema: &SchemaName,
    rows: impl Iterator<Item = (&'a TableName, &'a str, &'a Lineage)>,
) -> Option<Statement> {
    let parameters: Vec<Value> =
        rows.flat_map(|(table, name, origin)| [table.as_str().into(), name.into(), origin.as_str().into()]).collect();
    (!parameters.is_empty()).then(|| Statement {
        sql: format!(
            "INSERT INTO {} (`table_name`, `attribute_name`, `lineage`) VALUES {} ON DUPLICATE KEY UPDATE `lineage` = \
             VALUES(`lineage`)",
            lineage_table(schema),
            vec!["(?, ?, ?)"; parameters.len() / 3].join(", ")
        ),
        parameters,
    })
}

/// The table goes first: without it the lineage means nothing, and is overwritten when one of that name is made again.
pub(super) fn drop_table(table: &FullTableName) -> Vec<Statement> {
    vec![bare(format!("DROP TABLE {}", name(table))), forget_lineage(table)]
}
