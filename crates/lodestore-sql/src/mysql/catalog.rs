//! What the server knows of its schemas and tables, read back.

use lodestore_types::{CoreType, Error, ErrorKind, FullTableName, Result, SchemaName, TableName, Value};

use super::table::{lineage_table, quote};
use super::{Server, types};
use crate::deletions::KEPT;
use crate::{Attribute, DefaultValue, Dependency, ForeignKey, Heading, Index, Lineage, Row, Statement};

fn ask(sql: impl Into<String>, parameters: &[&str]) -> Statement {
    Statement { sql: sql.into(), parameters: parameters.iter().map(|text| Value::from(*text)).collect() }
}

pub(super) fn schema_exists(schema: &SchemaName) -> Statement {
    ask("SELECT 1 FROM information_schema.schemata WHERE schema_name = ?", &[schema.as_str()])
}

pub(super) fn list_schemas() -> Statement {
    ask(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ('information_schema', 'mysql', \
         'performance_schema', 'sys') ORDER BY schema_name",
        &[],
    )
}

pub(super) fn list_tables(schema: &SchemaName) -> Statement {
    ask(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_type <> 'VIEW' AND \
         SUBSTR(table_name, 1, 1) <> '~' ORDER BY create_time, table_name",
        &[schema.as_str()],
    )
}

pub(super) fn kept_tables(schema: &SchemaName) -> Statement {
    ask(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND SUBSTR(table_name, 1, 9) = ?",
        &[schema.as_str(), KEPT],
    )
}

pub(super) fn table_exists(table: &FullTableName) -> Statement {
    about(table, "SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ?")
}

/// The server's estimate.
pub(super) fn table_size(table: &FullTableName) -> Statement {
    let sql = "SELECT CAST(data_length + index_length AS SIGNED) FROM information_schema.tables WHERE table_schema = ? \
               AND table_name = ?";
    about(table, sql)
}

pub(super) fn lineage_exists(schema: &SchemaName) -> Statement {
    ask(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = '~lineage'",
        &[schema.as_str()],
    )
}

pub(super) fn lineage(schema: &SchemaName) -> Statement {
    ask(format!("SELECT `table_name`, `attribute_name`, `lineage` FROM {}", lineage_table(schema)), &[])
}

fn about(table: &FullTableName, sql: &str) -> Statement {
    ask(sql, &[table.schema.as_str(), table.table.as_str()])
}

pub(super) fn heading_queries(server: Server, table: &FullTableName) -> Vec<Statement> {
    let expression = match server {
        Server::Mysql => "expression",
        // It has no indexes over expressions.
        Server::Mariadb => "NULL",
    };
    vec![
        about(table, "SELECT table_comment FROM information_schema.tables WHERE table_schema = ? AND table_name = ?"),
        ask(format!("SHOW FULL COLUMNS FROM {} IN {}", quote(table.table.as_str()), quote(table.schema.as_str())), &[]),
        ask(
            format!("SELECT `attribute_name`, `lineage` FROM {} WHERE `table_name` = ?", lineage_table(&table.schema)),
            &[table.table.as_str()],
        ),
        about(
            table,
            &format!(
                "SELECT index_name, non_unique, column_name, {expression}, sub_part, collation FROM \
                 information_schema.statistics WHERE table_schema = ? AND table_name = ? AND index_name <> 'PRIMARY' \
                 ORDER BY index_name, seq_in_index"
            ),
        ),
        about(
            table,
            "SELECT constraint_name, column_name FROM information_schema.key_column_usage WHERE table_schema = ? AND \
             table_name = ? AND referenced_table_name IS NOT NULL ORDER BY constraint_name, ordinal_position",
        ),
    ]
}

pub(super) fn read_heading(
    table: &FullTableName,
    results: &[Vec<Row>],
    codec: &dyn Fn(&str) -> Result<CoreType>,
) -> Result<Option<Heading>> {
    let Some([Value::Text(comment)]) = results.first().and_then(|rows| rows.first()).map(Vec::as_slice) else {
        return match results.first() {
            Some(rows) if !rows.is_empty() => Err(strange("the comment").with("table", table)),
            _ => Ok(None),
        };
    };
    let [_, columns, lineage, indexes, references] = results else {
        return Err(strange("the number of results").with("table", table));
    };
    let lineage: Vec<(&str, &str)> = lineage
        .iter()
        .map(|row| match &row[..] {
            [Value::Text(name), Value::Text(origin)] => Ok((name.as_str(), origin.as_str())),
            _ => Err(strange("a lineage")),
        })
        .collect::<Result<_>>()?;
    let attributes = columns.iter().map(|row| read_column(table, row, &lineage, codec));
    let attributes = attributes.collect::<Result<Vec<_>>>().map_err(|error| error.with("table", table))?;
    let mut supported: Vec<(&str, Vec<String>)> = Vec::new();
    for row in references {
        let [Value::Text(constraint), Value::Text(column)] = &row[..] else { return Err(strange("a foreign key")) };
        match supported.last_mut().filter(|(last, _)| last == constraint) {
            Some((_, columns)) => columns.push(column.clone()),
            None => supported.push((constraint, vec![column.clone()])),
        }
    }
    let mut indexes = read_indexes(indexes)?;
    // InnoDB makes an index for each foreign key that has none.
    indexes.retain(|index| index.unique || !supported.iter().any(|(_, columns)| *columns == index.columns));
    Ok(Some(Heading { table: Some(table.clone()), comment: comment.clone(), attributes, indexes }))
}

/// A row of `SHOW FULL COLUMNS`, which tells defaults alike on both servers.
fn read_column(
    table: &FullTableName,
    row: &Row,
    lineage: &[(&str, &str)],
    codec: &dyn Fn(&str) -> Result<CoreType>,
) -> Result<Attribute> {
    let [
        Value::Text(name),
        Value::Text(column),
        _,
        Value::Text(null),
        Value::Text(key),
        default,
        Value::Text(extra),
        _,
        Value::Text(comment),
    ] = &row[..]
    else {
        return Err(strange("a column"));
    };
    let (mut kind, comment) = types::read_type(column, comment, codec);
    let nullable = null == "YES";
    let default = match default {
        _ if nullable => Some(DefaultValue::Null),
        Value::Text(text) => types::read_default(text, extra, &kind.core),
        Value::Bytes(bytes) if kind.core == CoreType::Uuid => {
            kind.core.check(Value::Bytes(bytes.clone())).ok().map(DefaultValue::Value)
        }
        _ => None,
    };
    let origin = lineage.iter().find(|(known, _)| known == name).map(|(_, text)| Lineage::from_text(*text));
    let autoincrement = extra.to_ascii_lowercase().contains("auto_increment");
    if autoincrement && let Some(native) = &mut kind.native {
        native.push_str(" auto_increment");
        kind.declared.clone_from(native);
    }
    Ok(Attribute {
        name: name.clone(),
        in_key: key == "PRI",
        nullable,
        default,
        autoincrement: autoincrement && origin.as_ref().is_none_or(|origin| *origin == Lineage::of(table, name)),
        kind,
        comment,
        hidden: name.starts_with('_'),
        lineage: origin,
        expression: None,
    })
}

fn read_indexes(rows: &[Row]) -> Result<Vec<Index>> {
    let mut found: Vec<(&str, Index)> = Vec::new();
    for row in rows {
        let [Value::Text(name), Value::Int(non_unique), column, expression, part, order] = &row[..] else {
            return Err(strange("an index"));
        };
        let mut text = match (column, expression) {
            (Value::Text(column), _) => column.clone(),
            (_, Value::Text(expression)) => format!("({expression})"),
            _ => return Err(strange("an index")),
        };
        if let Value::Int(length) = part {
            text.push_str(&format!("({length})"));
        }
        if matches!(order, Value::Text(order) if order == "D") {
            text.push_str(" desc");
        }
        match found.last_mut().filter(|(last, _)| last == name) {
            Some((_, index)) => index.columns.push(text),
            None => found.push((name, Index { columns: vec![text], unique: *non_unique == 0 })),
        }
    }
    Ok(found.into_iter().map(|(_, index)| index).collect())
}

fn strange(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the catalog tells {what} in a form that was not asked for"))
}

pub(super) fn outline_queries(schema: &SchemaName) -> [Statement; 2] {
    let name = schema.as_str();
    let columns = "SELECT table_name, column_name, column_type, column_key = 'PRI' FROM information_schema.columns WHERE \
                   table_schema = ? AND SUBSTR(table_name, 1, 1) <> '~' AND SUBSTR(column_name, 1, 1) <> '_' ORDER BY \
                   table_name, ordinal_position";
    let comments = "SELECT table_name, column_name, column_comment FROM information_schema.columns WHERE table_schema = ? \
                    UNION ALL SELECT table_name, '', table_comment FROM information_schema.tables WHERE table_schema = ?";
    [ask(columns, &[name]), ask(comments, &[name, name])]
}

/// One row for each column of each foreign key: schema, table and name of the key, parent, both columns, whether the
/// child's column may be NULL, and whether an index makes the child's columns unique. Each catalog table is read once:
/// MariaDB would read it again for every row of a subquery.
pub(super) fn dependencies(schema: Option<&SchemaName>) -> Statement {
    // MariaDB opens the tables of all schemas unless each catalog table by itself is held to one.
    let of = |alias: &str| match schema {
        Some(_) => format!(" AND {alias}table_schema = ?"),
        None => String::new(),
    };
    let (k, c, own) = (of("k."), of("c."), of(""));
    ask(
        format!(
            "SELECT k.table_schema, k.table_name, k.constraint_name, k.referenced_table_schema, k.referenced_table_name, \
             k.column_name, k.referenced_column_name, c.is_nullable = 'YES', u.columns IS NOT NULL \
             FROM information_schema.key_column_usage k \
             JOIN information_schema.columns c ON c.table_schema = k.table_schema AND c.table_name = k.table_name AND \
             c.column_name = k.column_name{c} \
             JOIN (SELECT table_schema, table_name, constraint_name, GROUP_CONCAT(column_name ORDER BY \
             ordinal_position) columns FROM information_schema.key_column_usage WHERE referenced_table_name IS NOT \
             NULL{own} GROUP BY table_schema, table_name, constraint_name) f ON f.table_schema = k.table_schema AND \
             f.table_name = k.table_name AND f.constraint_name = k.constraint_name \
             LEFT JOIN (SELECT DISTINCT table_schema, table_name, GROUP_CONCAT(column_name ORDER BY seq_in_index) \
             columns FROM information_schema.statistics WHERE non_unique = 0 AND index_name <> 'PRIMARY'{own} GROUP BY \
             table_schema, table_name, index_name) u ON u.table_schema = k.table_schema AND u.table_name = \
             k.table_name AND u.columns = f.columns \
             WHERE k.referenced_table_name IS NOT NULL AND SUBSTR(k.table_name, 1, 1) <> '~'{k} \
             ORDER BY k.table_schema, k.table_name, LENGTH(k.constraint_name), k.constraint_name, k.ordinal_position"
        ),
        &schema.map_or_else(Vec::new, |schema| vec![schema.as_str(); 4]),
    )
}

/// Reads each foreign key of the server once, and joins nothing.
pub(super) fn referring_schemas(schema: &SchemaName) -> Statement {
    ask(
        "SELECT DISTINCT constraint_schema FROM information_schema.referential_constraints WHERE \
         unique_constraint_schema = ? AND constraint_schema <> unique_constraint_schema AND SUBSTR(table_name, 1, 1) <> '~'",
        &[schema.as_str()],
    )
}

pub(super) fn read_dependencies(rows: &[Row]) -> Result<Vec<Dependency>> {
    let mut found: Vec<(&str, Dependency)> = Vec::new();
    for row in rows {
        let [
            Value::Text(schema),
            Value::Text(table),
            Value::Text(constraint),
            Value::Text(parent_schema),
            Value::Text(parent_table),
            Value::Text(from),
            Value::Text(to),
            Value::Int(nullable),
            Value::Int(unique),
        ] = &row[..]
        else {
            return Err(strange("a foreign key"));
        };
        // A table of another program, named as none of ours can be, is in nobody's way.
        let (Ok(child), Ok(parent)) = (full(schema, table), full(parent_schema, parent_table)) else { continue };
        match found.last_mut().filter(|(last, dependency)| last == constraint && dependency.child == child) {
            Some((_, Dependency { key, .. })) => {
                key.columns.push(from.clone());
                key.parent_columns.push(to.clone());
                key.nullable |= *nullable == 1;
            }
            None => {
                let key = ForeignKey {
                    columns: vec![from.clone()],
                    parent,
                    parent_columns: vec![to.clone()],
                    nullable: *nullable == 1,
                    unique: *unique == 1,
                };
                found.push((constraint, Dependency { child, key }));
            }
        }
    }
    Ok(found.into_iter().map(|(_, dependency)| dependency).collect())
}

fn full(schema: &str, table: &str) -> Result<FullTableName> {
    Ok(FullTableName { schema: SchemaName::new(schema)?, table: TableName::existing(table)? })
}
