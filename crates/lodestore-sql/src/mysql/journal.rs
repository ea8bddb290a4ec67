//! What the journal needs of MySQL and MariaDB.

use lodestore_types::{SchemaName, Value};

use crate::{JournalWords, Row, Statement};

pub(super) const WORDS: JournalWords = JournalWords {
    now: "UNIX_TIMESTAMP()",
    number: "BIGINT",
    counted: "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
    text: "LONGTEXT",
    path: "VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    key: "VARCHAR(700) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    chars: "CHAR",
    behind: " ENGINE=InnoDB",
    greatest: "greatest",
    on_conflict: |_| "ON DUPLICATE KEY UPDATE".to_owned(),
    proposed: |column| format!("VALUES({column})"),
    locked: " FOR UPDATE",
};

/// A document's `null` comes as the text `null`, which is no path.
pub(super) fn json_word(column: &str, key: &str) -> String {
    format!("CONVERT(JSON_UNQUOTE(JSON_EXTRACT({column}, '$.{key}')) USING utf8mb4) COLLATE utf8mb4_bin")
}

pub(super) fn coded_columns(schemas: &[SchemaName]) -> Statement {
    let sql = format!(
        "SELECT table_schema, table_name, column_name, column_comment FROM information_schema.columns WHERE table_schema IN \
         ({}) AND (SUBSTR(table_name, 1, 1) <> '~' OR SUBSTR(table_name, 1, 9) = '~deleted_' OR SUBSTR(table_name, 1, 10) = \
         '~migrated_') AND (column_comment LIKE ':<%' OR column_comment LIKE ':%@%')",
        vec!["?"; schemas.len()].join(", ")
    );
    Statement { sql, parameters: schemas.iter().map(|schema| Value::from(schema.as_str())).collect() }
}

/// As the server estimates them.
pub(super) fn rows_of_coded(schema: &SchemaName) -> Statement {
    let sql = "SELECT CAST(COALESCE(SUM(table_rows), 0) AS SIGNED) FROM information_schema.tables t WHERE t.table_schema = ? \
               AND EXISTS (SELECT 1 FROM information_schema.columns c WHERE c.table_schema = t.table_schema AND c.table_name = \
               t.table_name AND c.column_comment LIKE ':%@%')";
    Statement { sql: sql.to_owned(), parameters: vec![Value::from(schema.as_str())] }
}

/// The servers show no table to a user who has no right to it.
pub(super) fn rights() -> Statement {
    Statement { sql: "SHOW GRANTS FOR CURRENT_USER()".to_owned(), parameters: Vec::new() }
}

/// True if one of the grants lets the user read every table of a schema.
pub(super) fn sees_all(rights: &[Row], schema: &SchemaName) -> bool {
    rights.iter().filter_map(|row| row.first().and_then(Value::as_str)).any(|grant| reads(grant, schema.as_str()))
}

fn reads(grant: &str, schema: &str) -> bool {
    let Some((rights, rest)) = grant.strip_prefix("GRANT ").and_then(|grant| grant.split_once(" ON ")) else {
        return false;
    };
    let reads = rights.split(',').any(|right| matches!(right.trim(), "SELECT" | "ALL PRIVILEGES" | "ALL"));
    // Identifiers may hold anything between the quotes, also a dot.
    let place = match rest.strip_prefix('`').and_then(|rest| rest.split_once("`.")) {
        Some((pattern, table)) if table.starts_with("* TO ") => pattern.replace("``", "`"),
        None if rest.starts_with("*.* TO ") => return reads,
        _ => return false,
    };
    reads && is_like(schema, &place)
}

/// A name against a pattern of `LIKE`.
fn is_like(name: &str, pattern: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('%') => (0..=name.len()).any(|at| name.is_char_boundary(at) && is_like(&name[at..], rest.as_str())),
        Some(c) => {
            let (any, wanted) = match c {
                '_' => (true, c),
                '\\' => (false, rest.next().unwrap_or(c)),
                _ => (false, c),
            };
            let mut name = name.chars();
            name.next().is_some_and(|found| any || found == wanted) && is_like(name.as_str(), rest.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_read() {
        for (grant, expected) in [
            ("GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION", true),
            ("GRANT SELECT, INSERT ON `lab`.* TO `ann`@`%`", true),
            ("GRANT ALL PRIVILEGES ON `la\\_%`.* TO `ann`@`%`", false),
            ("GRANT ALL PRIVILEGES ON `l_b%`.* TO `ann`@`%`", true),
            ("GRANT USAGE ON *.* TO `ann`@`%`", false),
            ("GRANT SELECT ON `lab`.`session` TO `ann`@`%`", false),
            ("GRANT INSERT, DELETE ON `lab`.* TO `ann`@`%`", false),
            ("GRANT `reader`@`%` TO `ann`@`%`", false),
        ] {
            assert_eq!(reads(grant, "lab"), expected, "{grant}");
        }
        assert!(is_like("la_b", "la\\_b") && !is_like("laxb", "la\\_b"));
    }
}
