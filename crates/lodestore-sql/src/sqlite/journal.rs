//! What the journal needs of SQLite.

use lodestore_types::SchemaName;

use super::table::hidden;
use crate::dialect::text_literal;
use crate::{JournalWords, Statement};

pub(super) const WORDS: JournalWords = JournalWords {
    now: "CAST(strftime('%s', 'now') AS INTEGER)",
    number: "INTEGER",
    counted: "INTEGER PRIMARY KEY AUTOINCREMENT",
    text: "TEXT",
    path: "TEXT",
    key: "TEXT",
    chars: "TEXT",
    behind: " STRICT",
    greatest: "max",
    on_conflict: |key| format!("ON CONFLICT ({key}) DO UPDATE SET"),
    proposed: |column| format!("excluded.{column}"),
    locked: "",
};

/// As the indexes on it spell it: see `path_index`.
pub(super) fn json_word(column: &str, key: &str) -> String {
    format!("json_extract({column}, '$.{key}')")
}

pub(super) fn coded_columns(schemas: &[SchemaName]) -> Statement {
    let part = |schema: &SchemaName| {
        format!(
            "SELECT {}, \"table_name\", \"attribute_name\", \"comment\" FROM {} WHERE \"comment\" LIKE ':<%' OR \"comment\" \
             LIKE ':%@%'",
            text_literal(schema.as_str()),
            hidden(schema, "comments")
        )
    };
    let parts: Vec<String> = schemas.iter().map(part).collect();
    Statement { sql: parts.join(" UNION ALL "), parameters: Vec::new() }
}
