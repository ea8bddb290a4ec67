//! The DDL of tables and schemas.

use lodestore_types::{CoreType, Error, ErrorKind, FullTableName, Result, SchemaName, TableName, Value};

use super::{Postgres, types};
use crate::declaration::is_word;
use crate::deletions::DELETION;
use crate::dialect::{JsonForm, JsonPath, text_literal};
use crate::expression::SqlText;
use crate::heading::with_marker;
use crate::{Attribute, Declaration, DefaultValue, Dialect, ForeignKey, Heading, Index, Lineage, Statement};

/// The length to which PostgreSQL cuts names.
const NAME_BYTES: usize = 63;

/// The quoted name of the lineage table of a schema.
pub(super) fn lineage_table(schema: &SchemaName) -> String {
    format!("{}.\"~lineage\"", Postgres.quote(schema.as_str()))
}

pub(super) fn bare(sql: impl Into<String>) -> Statement {
    Statement { sql: sql.into(), parameters: Vec::new() }
}

pub(super) fn create_schema(schema: &SchemaName) -> Vec<Statement> {
    vec![bare(format!("CREATE SCHEMA IF NOT EXISTS {}", Postgres.quote(schema.as_str()))), create_lineage(schema)]
}

fn create_lineage(schema: &SchemaName) -> Statement {
    bare(format!(
        "CREATE TABLE IF NOT EXISTS {} (\n\"table_name\" VARCHAR(64) NOT NULL,\n\"attribute_name\" VARCHAR(64) NOT \
         NULL,\n\"lineage\" VARCHAR(255) NOT NULL,\nPRIMARY KEY (\"table_name\", \"attribute_name\")\n)",
        lineage_table(schema)
    ))
}

pub(super) fn drop_schema(schema: &SchemaName) -> Vec<Statement> {
    vec![bare(format!("DROP SCHEMA IF EXISTS {} CASCADE", Postgres.quote(schema.as_str())))]
}

pub(super) fn declare(declaration: &Declaration) -> Result<Vec<Statement>> {
    let mut name = declaration.table.table.as_str().len();
    name = name.max(declaration.columns.iter().map(|column| column.name.len()).max().unwrap_or(0));
    if name > NAME_BYTES {
        let message = format!("postgres has no names longer than {NAME_BYTES} bytes");
        return Err(Error::new(ErrorKind::InvalidName, message)
            .with("table", &declaration.table)
            .with_hint("choose a shorter name"));
    }
    let mut statements = create_types(declaration);
    statements.push(bare(create_table(declaration)?));
    statements.extend(create_indexes(declaration)?);
    statements.extend(comments(declaration));
    statements.push(create_lineage(&declaration.table.schema));
    statements.extend(lineage(declaration));
    Ok(statements)
}

/// The enum types that the table's own attributes need. Tables of a schema share them, so each may be there already.
pub(super) fn create_types(declaration: &Declaration) -> Vec<Statement> {
    let mut found: Vec<(String, String)> = Vec::new();
    for column in declaration.columns.iter().filter(|column| !declaration.inherited.contains(&column.name)) {
        let CoreType::Enum(members) = &column.kind.core else { continue };
        let name = types::enum_type(declaration.table.schema.as_str(), members);
        let labels: Vec<String> = members.iter().map(|member| text_literal(member)).collect();
        let create = format!("CREATE TYPE {name} AS ENUM ({})", labels.join(", "));
        match found.iter_mut().find(|(known, _)| *known == name) {
            // One statement for both, in the order of the later one.
            Some((_, known)) => *known = create,
            None => found.push((name, create)),
        }
    }
    let guard = |(_, create): (String, String)| {
        let tag = dollar_tag(&create);
        bare(format!(
            "DO {tag} BEGIN {create}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END {tag}"
        ))
    };
    found.into_iter().map(guard).collect()
}

/// Quotes for a text that they do not occur in.
fn dollar_tag(text: &str) -> String {
    (0..).map(|n| format!("$q{n}$")).find(|tag| !text.contains(tag)).unwrap_or_default()
}

fn create_table(declaration: &Declaration) -> Result<String> {
    let mut items = declaration.columns.iter().map(|column| define(column, declaration)).collect::<Result<Vec<_>>>()?;
    items.push(format!("PRIMARY KEY ({})", quoted(&declaration.primary_key)));
    items.extend(declaration.foreign_keys.iter().map(reference));
    Ok(format!("CREATE TABLE IF NOT EXISTS {} (\n{}\n)", Postgres.table(&declaration.table), items.join(",\n")))
}

pub(super) fn define(column: &Attribute, declaration: &Declaration) -> Result<String> {
    let inherited = declaration.inherited.contains(&column.name);
    let name = Postgres.quote(&column.name);
    let kind = types::column_type(column, declaration.table.schema.as_str(), inherited)
        .map_err(|error| error.with("attribute", &column.name))?;
    let mut sql = format!("{name} {kind}");
    if !column.nullable {
        sql.push_str(" NOT NULL");
    }
    if let Some(default) = default_of(column, inherited)? {
        sql.push_str(&format!(" DEFAULT {default}"));
    }
    Ok(sql)
}

/// What stands behind DEFAULT, if anything does.
pub(super) fn default_of(column: &Attribute, inherited: bool) -> Result<Option<String>> {
    match &column.default {
        // Without a default it is NULL all the same, which is how DataJoint writes it.
        Some(DefaultValue::Null) if inherited => Ok(None),
        Some(default) => types::default_sql(default, &column.kind.core).map(Some),
        None => Ok(None),
    }
}

/// `LIKE` brings the columns with their comments, and neither keys nor defaults.
pub(super) fn keep_table(kept: &FullTableName, heading: &Heading) -> Result<Vec<Statement>> {
    let Some(table) = &heading.table else { return Err(crate::expression::not_a_table("keep deleted rows of")) };
    let (name, deletion) = (Postgres.table(kept), Postgres.quote(DELETION));
    let mut statements = vec![
        bare(format!(
            "CREATE TABLE {name} (LIKE {} INCLUDING COMMENTS, {deletion} TEXT NOT NULL)",
            Postgres.table(table)
        )),
        bare(format!("CREATE INDEX ON {name} ({deletion})")),
    ];
    let in_stores = heading.attributes.iter().filter(|column| names_objects(column));
    statements.extend(in_stores.map(|column| path_index(kept, column)));
    Ok(statements)
}

fn reference(key: &ForeignKey) -> String {
    format!(
        "FOREIGN KEY ({}) REFERENCES {} ({}) ON UPDATE CASCADE ON DELETE RESTRICT",
        quoted(&key.columns),
        Postgres.table(&key.parent),
        quoted(&key.parent_columns)
    )
}

fn quoted(columns: &[String]) -> String {
    columns.iter().map(|column| Postgres.quote(column)).collect::<Vec<_>>().join(", ")
}

/// Declared indexes, then those that foreign keys need so that deleting a parent need not scan the child, then those of
/// the paths of objects.
pub(super) fn create_indexes(declaration: &Declaration) -> Result<Vec<Statement>> {
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
    let heading = declaration.heading();
    let mut names: Vec<String> = Vec::new();
    let mut statements = Vec::new();
    for index in &indexes {
        let name = index_name(&declaration.table, index, &names);
        statements.extend(create_index(&declaration.table, &heading, index, &name)?);
        names.push(name);
    }
    let in_stores = declaration.columns.iter().filter(|column| names_objects(column));
    statements.extend(in_stores.map(|column| path_index(&declaration.table, column)));
    Ok(statements)
}

/// True if values of the attribute are documents that name objects.
pub(super) fn names_objects(column: &Attribute) -> bool {
    column.kind.core == CoreType::Json && column.kind.codec.as_deref().is_some_and(|codec| codec.contains('@'))
}

/// The index by which a collector finds whether a row names an object. It is partial, as none of a definition is: by
/// that the catalog tells it from these.
fn path_index(table: &FullTableName, column: &Attribute) -> Statement {
    let name = Postgres.quote(&column.name);
    let (key, _) = Postgres.path_key(&name);
    bare(format!("CREATE INDEX ON {} (({key})) WHERE {name} IS NOT NULL", Postgres.table(table)))
}

/// A name that no other index of the table has, short enough not to be cut.
fn index_name(table: &FullTableName, index: &Index, taken: &[String]) -> String {
    let columns: String = index.columns.join("_").chars().filter(|c| !c.is_control()).take(30).collect();
    let name = format!("idx_{}_{columns}", table.table);
    let numbered = (2..).map(|number| cut(&name, &format!("_{number}")));
    std::iter::once(cut(&name, "")).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(name)
}

fn cut(name: &str, suffix: &str) -> String {
    let mut end = name.len().min(NAME_BYTES - suffix.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &name[..end])
}

/// The index, and a comment that tells how an expression in it was written: the database keeps it in its own words.
fn create_index(table: &FullTableName, heading: &Heading, index: &Index, name: &str) -> Result<Vec<Statement>> {
    let columns: Vec<String> = index.columns.iter().map(|column| indexed(column, heading)).collect::<Result<_>>()?;
    let unique = if index.unique { "UNIQUE " } else { "" };
    let quoted = Postgres.quote(name);
    let mut statements =
        vec![bare(format!("CREATE {unique}INDEX {quoted} ON {} ({})", Postgres.table(table), columns.join(", ")))];
    if !index.columns.iter().all(|column| is_word(column)) {
        let schema = Postgres.quote(table.schema.as_str());
        let text = serde_json::Value::from(index.columns.clone()).to_string();
        statements.push(bare(format!("COMMENT ON INDEX {schema}.{quoted} IS {}", text_literal(&text))));
    }
    Ok(statements)
}

/// An attribute (perhaps with a direction), a path into a JSON attribute, or an expression.
fn indexed(column: &str, heading: &Heading) -> Result<String> {
    if is_word(column) {
        return Ok(Postgres.quote(column));
    }
    if let Some(path) = JsonPath::parse(column) {
        return Ok(format!("({})", Postgres.json_path(&Postgres.quote(path.attribute), &path, JsonForm::Text)));
    }
    let sql = SqlText::scan(column, heading)?;
    let text = sql.render(&Postgres);
    let bare_name = sql.as_direction().is_some();
    Ok(if bare_name || text.starts_with('(') { text } else { format!("({text})") })
}

pub(super) fn comments(declaration: &Declaration) -> Vec<Statement> {
    let table = Postgres.table(&declaration.table);
    let mut statements = vec![bare(format!("COMMENT ON TABLE {table} IS {}", text_literal(&declaration.comment)))];
    for column in declaration.columns.iter().filter(|column| !declaration.inherited.contains(&column.name)) {
        let text = match &column.kind.native {
            Some(native) if types::is_native(native) => column.comment.clone(),
            _ => with_marker(&column.kind.declared, &column.comment),
        };
        if !text.is_empty() {
            let name = Postgres.quote(&column.name);
            statements.push(bare(format!("COMMENT ON COLUMN {table}.{name} IS {}", text_literal(&text))));
        }
    }
    statements
}

fn lineage(declaration: &Declaration) -> Option<Statement> {
    let table = &declaration.table;
    let rows = declaration.lineage.iter().map(|(name, origin)| (&table.table, name.as_str(), origin));
    upsert_lineage(&table.schema, rows)
}

pub(super) fn replace_lineage(schema: &SchemaName, rows: &[(TableName, String, Lineage)]) -> Vec<Statement> {
    let mut statements = vec![create_lineage(schema), bare(format!("DELETE FROM {}", lineage_table(schema)))];
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
    let mut parameters: Vec<Value> = Vec::new();
    let mut values = Vec::new();
    for (table, attribute, origin) in rows {
        let next = parameters.len() + 1;
        values.push(format!("(${next}, ${}, ${})", next + 1, next + 2));
        parameters.extend([table.as_str().into(), attribute.into(), origin.as_str().into()]);
    }
    let sql = format!(
        "INSERT INTO {} (table_name, attribute_name, lineage) VALUES {} ON CONFLICT (table_name, attribute_name) DO \
         UPDATE SET lineage = EXCLUDED.lineage",
        lineage_table(schema),
        values.join(", ")
    );
    (!values.is_empty()).then_some(Statement { sql, parameters })
}

pub(super) fn drop_table(table: &FullTableName) -> Vec<Statement> {
    let forget = format!(
        "IF to_regclass({}) IS NOT NULL THEN DELETE FROM {} WHERE table_name = {}; END IF;",
        text_literal(&lineage_table(&table.schema)),
        lineage_table(&table.schema),
        text_literal(table.table.as_str())
    );
    vec![block(&forget), bare(format!("DROP TABLE {}", Postgres.table(table))), sweep_types(&table.schema)]
}

/// Drops the enum types of a schema that nothing uses any more.
pub(super) fn sweep_types(schema: &SchemaName) -> Statement {
    block(&format!(
        "FOR kind IN SELECT format('%I.%I', n.nspname, t.typname) FROM pg_type t JOIN pg_namespace n ON n.oid = \
         t.typnamespace WHERE n.nspname = {} AND t.typtype = 'e' AND t.typname ~ '^enum_[0-9a-f]{{8}}$' AND NOT EXISTS \
         (SELECT 1 FROM pg_attribute a WHERE a.atttypid = t.oid AND NOT a.attisdropped) LOOP EXECUTE 'DROP TYPE ' || \
         kind; END LOOP;",
        text_literal(schema.as_str())
    ))
}

/// Statements that the server runs as one, with a variable `kind`.
pub(super) fn block(body: &str) -> Statement {
    let tag = dollar_tag(body);
    bare(format!("DO {tag} DECLARE kind text; BEGIN {body} END {tag}"))
}
