//! What the journal needs of SQLite.

use lodestore_types::SchemaName;

use super::table::hidden;
use crate::dialect::text_literal;
use crate::journal::LARGEST_DOCUMENT;
use crate::{Content, JournalWords, Statement};

pub(super) const WORDS: JournalWords = JournalWords {
    now: "CAST(strftime('%s', 'now') AS INTEGER)",
    number: "INTEGER",
    counted: "INTEGER PRIMARY KEY AUTOINCREMENT",
    text: "TEXT",
    path: "TEXT",
    key: "TEXT",
    chars: "TEXT",
    integer: "INTEGER",
    reads_freely: true,
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

/// Of columns without a marker only those that can hold a document; each attribute that was declared here has a marker.
pub(super) fn object_columns(schemas: &[(SchemaName, bool)]) -> Statement {
    let part = |(schema, has_comments): &(SchemaName, bool)| {
        let prefix = format!("{schema}.");
        format!(
            "SELECT {name} AS s, substr(m.name, {length} + 1) AS t, x.name AS c, k.comment AS comment, \
             CASE x.type WHEN 'BLOB' THEN 'bytes' WHEN 'TEXT' THEN 'text' ELSE 'other' END, \
             x.type || CASE x.\"notnull\" WHEN 0 THEN '' ELSE ' NOT NULL' END, 'granted' FROM sqlite_schema m JOIN \
             pragma_table_xinfo(m.name) x LEFT JOIN {comments} k ON k.table_name = substr(m.name, {length} + 1) AND \
             k.attribute_name = x.name WHERE m.type = 'table' AND substr(m.name, 1, {length}) = {prefix} AND \
             (substr(m.name, {length} + 1, 1) <> '~' OR substr(m.name, {length} + 1, 9) = '~deleted_' OR \
             substr(m.name, {length} + 1, 10) = '~migrated_') AND substr(x.name, 1, 1) <> '~' AND (k.comment LIKE ':<%' OR \
             k.comment LIKE ':%@%' OR (x.type IN ('TEXT', 'BLOB') AND coalesce(k.comment, '') NOT LIKE ':_%:%'))",
            name = text_literal(schema.as_str()),
            length = prefix.chars().count(),
            prefix = text_literal(&prefix),
            comments = match has_comments {
                true => hidden(schema, "comments"),
                false => "(SELECT '' AS table_name, '' AS attribute_name, '' AS comment)".to_owned(),
            },
        )
    };
    let parts: Vec<String> = schemas.iter().map(part).collect();
    Statement { sql: parts.join(" UNION ALL "), parameters: Vec::new() }
}

pub(super) fn mentions(column: &str, content: Content, word: &str) -> String {
    let hex: String = word.bytes().map(|byte| format!("{byte:02x}")).collect();
    match content {
        Content::Bytes => format!(
            "(length({column}) < {LARGEST_DOCUMENT} AND substr({column}, 1, 1) IN (x'7b', x'5b') AND instr({column}, x'{hex}') \
             > 0)"
        ),
        _ => format!("instr({column}, {}) > 0", text_literal(word)),
    }
}
