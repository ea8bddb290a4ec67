//! What the journal needs of PostgreSQL.

use lodestore_types::{SchemaName, Value};

use crate::{JournalWords, Statement};

/// So many characters of a path are kept in an index.
const PATH_KEPT: usize = 500;

pub(super) const WORDS: JournalWords = JournalWords {
    now: "CAST(floor(extract(epoch FROM clock_timestamp())) AS BIGINT)",
    number: "BIGINT",
    counted: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    text: "TEXT",
    path: "TEXT",
    key: "TEXT",
    chars: "TEXT",
    behind: "",
    greatest: "greatest",
    on_conflict: |key| format!("ON CONFLICT ({key}) DO UPDATE SET"),
    proposed: |column| format!("excluded.{column}"),
    locked: " FOR UPDATE",
};

pub(super) fn json_word(column: &str, key: &str) -> String {
    format!("({column} ->> '{key}') COLLATE \"C\"")
}

/// No entry of an index may be longer than 2.7 kB: it keeps the beginnings of paths.
pub(super) fn path_key(column: &str) -> (String, usize) {
    (format!("left({column} ->> 'path', {PATH_KEPT}) COLLATE \"C\""), PATH_KEPT)
}

pub(super) fn coded_columns(schemas: &[SchemaName]) -> Statement {
    let names: Vec<String> = (1..=schemas.len()).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, a.attname::text, col_description(c.oid, a.attnum) FROM pg_class c JOIN \
         pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname IN ({}) AND \
         c.relkind IN ('r', 'p') AND (c.relname !~ '^~' OR c.relname ~ '^~(deleted|migrated)_') AND a.attnum > 0 AND NOT \
         a.attisdropped AND (col_description(c.oid, \
         a.attnum) LIKE ':<%' OR col_description(c.oid, a.attnum) LIKE ':%@%')",
        names.join(", ")
    );
    Statement { sql, parameters: schemas.iter().map(|schema| Value::from(schema.as_str())).collect() }
}
