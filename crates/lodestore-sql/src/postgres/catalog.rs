//! What the database knows of its schemas and tables, read back.

use lodestore_types::{CoreType, Error, ErrorKind, FullTableName, Result, SchemaName, Value};

use super::table::lineage_table;
use super::types;
use crate::deletions::KEPT;
use crate::heading::split_marker;
use crate::{
    Attribute, AttributeType, DefaultValue, Dependency, ForeignKey, Heading, Index, Lineage, Row, Statement, native,
};

fn ask(sql: impl Into<String>, parameters: &[&str]) -> Statement {
    Statement { sql: sql.into(), parameters: parameters.iter().map(|text| Value::from(*text)).collect() }
}

pub(super) fn lineage_exists(schema: &SchemaName) -> Statement {
    ask(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = $1 AND table_name = '~lineage'",
        &[schema.as_str()],
    )
}

pub(super) fn lineage(schema: &SchemaName) -> Statement {
    ask(format!("SELECT table_name, attribute_name, lineage FROM {}", lineage_table(schema)), &[])
}

pub(super) fn schema_exists(schema: &SchemaName) -> Statement {
    ask("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[schema.as_str()])
}

pub(super) fn list_schemas() -> Statement {
    ask(
        "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY \
         nspname",
        &[],
    )
}

pub(super) fn list_tables(schema: &SchemaName) -> Statement {
    ask(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND \
         c.relkind IN ('r', 'p') AND c.relname !~ '^~' ORDER BY c.oid",
        &[schema.as_str()],
    )
}

pub(super) fn kept_tables(schema: &SchemaName) -> Statement {
    ask(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND \
         c.relkind = 'r' AND starts_with(c.relname::text, $2)",
        &[schema.as_str(), KEPT],
    )
}

/// The clause that finds a table by its two names.
const TABLE: &str = "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname \
                     = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";

fn of_table(sql: &str, table: &FullTableName) -> Statement {
    ask(sql, &[table.schema.as_str(), table.table.as_str()])
}

pub(super) fn table_exists(table: &FullTableName) -> Statement {
    of_table(&format!("SELECT coalesce(obj_description(c.oid, 'pg_class'), '') {TABLE}"), table)
}

/// With indexes, and with what is kept beside the table because it is long.
pub(super) fn table_size(table: &FullTableName) -> Statement {
    of_table(&format!("SELECT pg_total_relation_size(c.oid) {TABLE}"), table)
}

pub(super) fn heading_queries(table: &FullTableName) -> Vec<Statement> {
    // The comment of a column that a foreign key brought is that of the column that it refers to, however far away.
    let columns = format!(
        "WITH RECURSIVE t AS (SELECT c.oid {TABLE}), origin (attnum, relid, refnum, depth) AS (SELECT a.attnum, \
         a.attrelid, a.attnum, 0 FROM pg_attribute a JOIN t ON a.attrelid = t.oid WHERE a.attnum > 0 AND NOT \
         a.attisdropped UNION SELECT o.attnum, k.confrelid, k.confkey[i], o.depth + 1 FROM origin o JOIN pg_constraint \
         k ON k.contype = 'f' AND k.conrelid = o.relid CROSS JOIN LATERAL generate_subscripts(k.conkey, 1) i WHERE \
         k.conkey[i] = o.refnum AND o.depth < 100) \
         SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, \
         pg_get_expr(d.adbin, d.adrelid), a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid) ~ \
         '^nextval', false), \
         coalesce((SELECT array_position(p.conkey, a.attnum) IS NOT NULL FROM pg_constraint p WHERE p.conrelid = \
         a.attrelid AND p.contype = 'p'), false), \
         (SELECT col_description(o.relid, o.refnum) FROM origin o WHERE o.attnum = a.attnum AND \
         col_description(o.relid, o.refnum) IS NOT NULL ORDER BY o.depth LIMIT 1), \
         (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder)::text FROM pg_enum e WHERE e.enumtypid = a.atttypid) \
         FROM t JOIN pg_attribute a ON a.attrelid = t.oid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum \
         = a.attnum WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    );
    let indexes = format!(
        "SELECT i.indisunique, obj_description(i.indexrelid, 'pg_class'), (SELECT json_agg(pg_get_indexdef(i.indexrelid, \
         k, true) ORDER BY k)::text FROM generate_series(1, i.indnkeyatts) k) FROM pg_index i WHERE NOT i.indisprimary \
         AND i.indpred IS NULL AND i.indrelid = (SELECT c.oid {TABLE}) ORDER BY i.indexrelid"
    );
    let references = format!(
        "SELECT k.oid::bigint, a.attname::text FROM pg_constraint k CROSS JOIN LATERAL unnest(k.conkey) WITH ORDINALITY \
         u (attnum, place) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum WHERE k.contype = 'f' \
         AND k.conrelid = (SELECT c.oid {TABLE}) ORDER BY k.oid, u.place"
    );
    vec![
        table_exists(table),
        of_table(&columns, table),
        ask(
            format!("SELECT attribute_name, lineage FROM {} WHERE table_name = $1", lineage_table(&table.schema)),
            &[table.table.as_str()],
        ),
        of_table(&indexes, table),
        of_table(&references, table),
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
    let [own, columns, lineage, indexes, references] = results else {
        return Err(strange("the number of results").with("table", table));
    };
    let lineage = pairs(lineage)?;
    let attributes = columns.iter().map(|row| {
        let [
            Value::Text(name),
            Value::Text(storage),
            Value::Bool(not_null),
            default,
            Value::Bool(counting),
            Value::Bool(in_key),
            comment,
            labels,
        ] = &row[..]
        else {
            return Err(strange("a column"));
        };
        let (kind, comment) = read_type(storage, text_of(comment), text_of(labels), codec);
        let nullable = !not_null;
        let default = match default {
            _ if nullable => Some(DefaultValue::Null),
            Value::Text(sql) => types::read_default(sql, &kind.core),
            _ => None,
        };
        let origin = lineage.iter().find(|(known, _)| known == name).map(|(_, text)| Lineage::from_text(*text));
        Ok(Attribute {
            name: name.clone(),
            in_key: *in_key,
            nullable,
            default,
            autoincrement: *counting,
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
        .map(read_index)
        .filter(|index| !index.as_ref().is_ok_and(|index| !index.unique && supported.contains(&index.columns)))
        .collect::<Result<_>>()?;
    let comment = own[0].first().map(text_of).unwrap_or_default().to_owned();
    Ok(Some(Heading { table: Some(table.clone()), comment, attributes, indexes }))
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The type that the marker tells, or one that fits what the column stores.
fn read_type(
    storage: &str,
    stored: &str,
    labels: &str,
    codec: &dyn Fn(&str) -> Result<CoreType>,
) -> (AttributeType, String) {
    // DataJoint writes a backslash before each double quote in a comment.
    let stored = stored.replace("\\\"", "\"");
    let fitting = stored_type(storage, labels);
    let (Some(declared), comment) = split_marker(&stored) else { return (fitting, stored) };
    let of = |core, codec: bool, native: bool| AttributeType {
        declared: declared.to_owned(),
        core,
        codec: codec.then(|| declared.to_owned()),
        native: native.then(|| declared.to_owned()),
    };
    let kind = if declared.starts_with('<') {
        // Without its codec the attribute can still be seen, joined and deleted; only its values cannot be read.
        of(codec(declared).unwrap_or(fitting.core), true, false)
    } else if let Ok(Some(core)) = CoreType::parse(declared) {
        of(core, false, false)
    } else if let Some(native) = native::parse(declared) {
        of(native.core, false, true)
    } else {
        fitting
    };
    (kind, comment.to_owned())
}

/// The type of a column that no marker tells of, from the catalog's spelling.
fn stored_type(storage: &str, labels: &str) -> AttributeType {
    let core = AttributeType::core;
    if let Ok(members) = serde_json::from_str::<Vec<String>>(labels) {
        return core(CoreType::Enum(members));
    }
    match storage {
        "boolean" => return core(CoreType::Bool),
        "uuid" => return core(CoreType::Uuid),
        "json" | "jsonb" => return core(CoreType::Json),
        "bytea" => return core(CoreType::Bytes),
        "date" => return core(CoreType::Date),
        _ => {}
    }
    let declared = storage
        .replace("character varying", "varchar")
        .replace("character", "char")
        .replace(" without time zone", "")
        .replace("double precision", "double");
    let length = || -> Option<u32> { declared.split_once('(')?.1.strip_suffix(')')?.parse().ok() };
    let kind = match declared.split('(').next().unwrap_or_default() {
        "char" => CoreType::Char(length().unwrap_or(1)),
        "varchar" => CoreType::Varchar(length().unwrap_or(u32::MAX)),
        "text" => CoreType::Varchar(u32::MAX),
        "timestamp with time zone" => CoreType::DateTime(None),
        "numeric" if declared == "numeric" => CoreType::Decimal { precision: 65, scale: 30 },
        _ => native::parse(&declared).map_or(CoreType::Varchar(u32::MAX), |native| native.core),
    };
    AttributeType { declared: declared.clone(), core: kind, codec: None, native: Some(declared) }
}

fn read_index(row: &Row) -> Result<Index> {
    let [Value::Bool(unique), comment, Value::Text(columns)] = &row[..] else { return Err(strange("an index")) };
    let list = |text: &str| serde_json::from_str::<Vec<String>>(text).ok();
    let written = list(text_of(comment));
    let columns = written.or_else(|| list(columns)).ok_or_else(|| strange("the columns of an index"))?;
    let unquoted = columns.into_iter().map(|column| {
        let inner =
            column.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(|name| name.replace("\"\"", "\""));
        inner.unwrap_or(column)
    });
    Ok(Index { columns: unquoted.collect(), unique: *unique })
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
    let columns = "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), (EXISTS (SELECT 1 FROM \
                   pg_constraint p WHERE p.conrelid = c.oid AND p.contype = 'p' AND a.attnum = ANY (p.conkey)))::int FROM \
                   pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
                   WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND c.relname !~ '^~' AND a.attnum > 0 AND NOT \
                   a.attisdropped AND a.attname !~ '^_' ORDER BY c.oid, a.attnum";
    let comments = "SELECT c.relname::text, coalesce(a.attname::text, ''), d.description FROM pg_description d JOIN \
                    pg_class c ON c.oid = d.objoid JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a \
                    ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0 WHERE n.nspname = $1 AND \
                    d.classoid = 'pg_class'::regclass AND c.relkind IN ('r', 'p')";
    [ask(columns, &[schema.as_str()]), ask(comments, &[schema.as_str()])]
}

/// One row for each column of each foreign key: child, number of the key, parent, both columns, whether the child's
/// column may be NULL, and whether an index makes the child's columns unique.
pub(super) fn dependencies(schema: Option<&SchemaName>) -> Statement {
    // Found first, however little the planner knows of a fresh catalog.
    let (of_schema, parameters) = match schema {
        Some(schema) => (
            " AND conrelid IN (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1)",
            vec![schema.as_str()],
        ),
        None => ("", Vec::new()),
    };
    ask(
        format!(
            "WITH k AS MATERIALIZED (SELECT oid, conrelid, confrelid, conkey, confkey FROM pg_constraint WHERE contype = \
             'f'{of_schema}) SELECT cn.nspname::text, c.relname::text, k.oid::bigint, pn.nspname::text, p.relname::text, \
             ca.attname::text, pa.attname::text, NOT ca.attnotnull, EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = \
             k.conrelid AND i.indisunique AND NOT i.indisprimary AND i.indkey::int2[] = k.conkey) FROM k JOIN pg_class c \
             ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace JOIN pg_class p ON p.oid = k.confrelid \
             JOIN pg_namespace pn ON pn.oid = p.relnamespace CROSS JOIN LATERAL generate_subscripts(k.conkey, 1) u JOIN \
             pg_attribute ca ON ca.attrelid = k.conrelid AND ca.attnum = k.conkey[u] JOIN pg_attribute pa ON pa.attrelid = \
             k.confrelid AND pa.attnum = k.confkey[u] WHERE c.relname !~ '^~' ORDER BY c.oid, k.oid, u"
        ),
        &parameters,
    )
}

pub(super) fn referring_schemas(schema: &SchemaName) -> Statement {
    ask(
        "SELECT DISTINCT cn.nspname::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn \
         ON cn.oid = c.relnamespace JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = \
         p.relnamespace WHERE k.contype = 'f' AND c.relname !~ '^~' AND pn.nspname = $1 AND cn.oid <> pn.oid",
        &[schema.as_str()],
    )
}

pub(super) fn read_dependencies(rows: &[Row]) -> Result<Vec<Dependency>> {
    let mut found: Vec<(i64, Dependency)> = Vec::new();
    for row in rows {
        let [
            Value::Text(child_schema),
            Value::Text(child),
            Value::Int(id),
            Value::Text(parent_schema),
            Value::Text(parent),
            Value::Text(from),
            Value::Text(to),
            Value::Bool(nullable),
            Value::Bool(unique),
        ] = &row[..]
        else {
            return Err(strange("a foreign key"));
        };
        let name = |schema: &str, table: &str| FullTableName::parse(&format!("{schema}.{table}"));
        if found.last().is_none_or(|(last, _)| last != id) {
            let key = ForeignKey {
                columns: Vec::new(),
                parent: name(parent_schema, parent)?,
                parent_columns: Vec::new(),
                nullable: false,
                unique: *unique,
            };
            found.push((*id, Dependency { child: name(child_schema, child)?, key }));
        }
        if let Some((_, Dependency { key, .. })) = found.last_mut() {
            key.columns.push(from.clone());
            key.parent_columns.push(to.clone());
            key.nullable |= *nullable;
        }
    }
    Ok(found.into_iter().map(|(_, dependency)| dependency).collect())
}
