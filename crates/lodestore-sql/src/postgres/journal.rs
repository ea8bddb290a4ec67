//! What the journal needs of PostgreSQL.

use lodestore_types::{SchemaName, Value};

use crate::dialect::text_literal;
use crate::journal::{LARGEST_DOCUMENT, SHORTEST_PATH};
use crate::{Content, JournalWords, Statement};

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
    integer: "BIGINT",
    reads_freely: true,
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

/// Whether a column can be read: without a right to it, it matters only if somebody who may write there may also read the
/// schema whose objects are at stake (`$1`), and so may have copied references. A policy hides rows without a word.
const ACCESS: &str = "CASE WHEN row_security_active(c.oid) THEN 'filtered' WHEN has_schema_privilege(n.oid, 'USAGE') AND \
    has_column_privilege(c.oid, a.attnum, 'SELECT') THEN 'granted' WHEN EXISTS (SELECT 1 FROM pg_roles r, pg_namespace own \
    WHERE own.nspname = $1 AND r.rolname !~ '^pg_' AND (NOT r.rolsuper OR r.oid = c.relowner) AND \
    has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE') AND has_schema_privilege(r.oid, own.oid, 'USAGE')) THEN 'denied' \
    ELSE 'apart' END";

/// Columns that a foreign key brought have no marker; what they hold is in the table that they refer to.
pub(super) fn object_columns(owner: &SchemaName) -> Statement {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, a.attname::text, d.description, CASE t.typname WHEN 'json' THEN 'json' WHEN \
         'jsonb' THEN 'json' WHEN 'text' THEN 'text' WHEN 'varchar' THEN 'text' WHEN 'bytea' THEN 'bytes' ELSE 'other' END, \
         format_type(a.atttypid, a.atttypmod), {ACCESS} FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN \
         pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_description d ON d.objoid = \
         c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum WHERE n.nspname !~ '^pg_' AND n.nspname <> \
         'information_schema' AND c.relkind IN ('r', 'p') AND (c.relname !~ '^~' OR c.relname ~ '^~(deleted|migrated)_') AND \
         a.attnum > 0 AND NOT a.attisdropped AND (d.description LIKE ':<%' OR d.description LIKE ':%@%' OR (t.typname IN \
         ('json', 'jsonb', 'text', 'varchar', 'bytea') AND (t.typname <> 'varchar' OR a.atttypmod = -1 OR a.atttypmod - 4 >= \
         {SHORTEST_PATH}) AND a.attname !~ '^~' AND coalesce(d.description, '') !~ '^:[^:]+:' AND NOT EXISTS (SELECT 1 FROM \
         pg_constraint k WHERE k.contype = 'f' AND k.conrelid = c.oid AND a.attnum = ANY (k.conkey))))"
    );
    Statement { sql, parameters: vec![Value::from(owner.as_str())] }
}

pub(super) fn mentions(column: &str, content: Content, word: &str) -> String {
    let hex: String = word.bytes().map(|byte| format!("{byte:02x}")).collect();
    match content {
        Content::Bytes => format!(
            "(octet_length({column}) < {LARGEST_DOCUMENT} AND substring({column} FROM 1 FOR 1) IN ('\\x7b'::bytea, \
             '\\x5b'::bytea) AND position('\\x{hex}'::bytea IN {column}) > 0)"
        ),
        _ => format!("position({} IN {column}::text) > 0", text_literal(word)),
    }
}
