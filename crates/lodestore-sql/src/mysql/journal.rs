//! What the journal needs of MySQL and MariaDB.

use lodestore_types::{SchemaName, Value};

use super::types;
use crate::journal::{LARGEST_DOCUMENT, SHORTEST_PATH};
use crate::{Content, JournalWords, Row, Statement};

pub(super) const WORDS: JournalWords = JournalWords {
    now: "UNIX_TIMESTAMP()",
    number: "BIGINT",
    counted: "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
    text: "LONGTEXT",
    path: "VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    key: "VARCHAR(700) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    chars: "CHAR",
    integer: "SIGNED",
    reads_freely: false,
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

/// Views are left out by whoever asks: to look that up in the catalog is slow, and rarely needed.
pub(super) fn object_columns() -> Statement {
    let sql = format!(
        "SELECT table_schema, table_name, column_name, column_comment, CASE WHEN data_type = 'json' THEN 'json' WHEN data_type \
         LIKE '%text' OR data_type = 'varchar' THEN 'text' WHEN data_type LIKE '%blob' THEN 'bytes' ELSE 'other' END, \
         CONCAT(column_type, IF(is_nullable = 'YES', ' NULL', ' NOT NULL')), 'granted' FROM information_schema.columns WHERE \
         table_schema NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys') AND (SUBSTR(table_name, 1, 1) <> '~' \
         OR SUBSTR(table_name, 1, 9) = '~deleted_' OR SUBSTR(table_name, 1, 10) = '~migrated_') AND (column_comment LIKE \
         ':<%' OR column_comment LIKE ':%@%' OR ((data_type IN ('json', 'tinytext', 'text', 'mediumtext', 'longtext', \
         'tinyblob', 'blob', 'mediumblob', 'longblob') OR (data_type = 'varchar' AND column_key = '' AND \
         character_maximum_length >= {SHORTEST_PATH})) AND SUBSTR(column_name, 1, 1) <> '~' AND column_comment NOT LIKE \
         ':_%:%'))"
    );
    Statement { sql, parameters: Vec::new() }
}

pub(super) fn views() -> Statement {
    Statement {
        sql: "SELECT table_schema, table_name FROM information_schema.views".to_owned(),
        parameters: Vec::new(),
    }
}

pub(super) fn mentions(column: &str, content: Content, word: &str) -> String {
    let word = types::literal(word);
    match content {
        Content::Bytes => format!(
            "(LENGTH({column}) < {LARGEST_DOCUMENT} AND LEFT({column}, 1) IN ('{{', '[') AND LOCATE(CAST({word} AS BINARY), \
             {column}) > 0)"
        ),
        Content::Json => format!("LOCATE({word}, CAST({column} AS CHAR)) > 0"),
        _ => format!("LOCATE({word}, {column}) > 0"),
    }
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

/// What the user lacks to see all tables of all schemas, as the statement that grants it; `None` if nothing is hidden.
///
/// The servers list every schema to whoever has a right to all of them.
pub(super) fn missing_right(rights: &[Row], schemas: &[SchemaName]) -> Option<String> {
    let grants: Vec<&str> = rights.iter().filter_map(|row| row.first().and_then(Value::as_str)).collect();
    let user = grants.iter().find_map(|grant| grant.split_once(" TO ")?.1.split(' ').next()).unwrap_or("the_user");
    let restricted = grants.iter().any(|grant| grant.starts_with("REVOKE "));
    let global = |wanted: &[&str]| grants.iter().any(|grant| grants_globally(grant, wanted));
    if !restricted && global(&["SELECT"]) {
        return None;
    }
    if restricted || !global(&["SELECT", "SHOW DATABASES"]) {
        return Some(format!("GRANT SELECT ON *.* TO {user}"));
    }
    let unseen = schemas.iter().find(|schema| !grants.iter().any(|grant| reads(grant, schema.as_str())))?;
    Some(format!("GRANT SELECT ON `{}`.* TO {user}", unseen.as_str().replace('_', "\\_")))
}

/// True if a grant gives one of these rights to all schemas.
fn grants_globally(grant: &str, wanted: &[&str]) -> bool {
    let Some((rights, rest)) = grant.strip_prefix("GRANT ").and_then(|grant| grant.split_once(" ON ")) else {
        return false;
    };
    rest.starts_with("*.* TO ")
        && rights.split(',').map(str::trim).any(|right| right.starts_with("ALL") || wanted.contains(&right))
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

    #[test]
    fn a_right_is_missing_unless_every_schema_is_listed_and_readable() {
        let schemas = ["lab", "other_lab"].map(|name| SchemaName::new(name).unwrap());
        let missing = |grants: &[&str]| {
            let rows: Vec<Row> = grants.iter().map(|grant| vec![Value::from(*grant)]).collect();
            missing_right(&rows, &schemas)
        };
        assert_eq!(missing(&["GRANT ALL PRIVILEGES ON *.* TO `ann`@`%`"]), None);
        assert_eq!(missing(&["GRANT SELECT, PROCESS ON *.* TO `ann`@`%`"]), None);
        let everywhere = Some("GRANT SELECT ON *.* TO `ann`@`%`".to_owned());
        assert_eq!(
            missing(&[
                "GRANT USAGE ON *.* TO `ann`@`%` IDENTIFIED BY PASSWORD '*F'",
                "GRANT ALL PRIVILEGES ON `lab`.* TO `ann`@`%`"
            ]),
            everywhere
        );
        assert_eq!(
            missing(&["GRANT SELECT ON *.* TO `ann`@`%`", "REVOKE SELECT ON `other_lab`.* FROM `ann`@`%`"]),
            everywhere
        );
        let listed = ["GRANT SHOW DATABASES ON *.* TO `ann`@`%`", "GRANT SELECT ON `lab`.* TO `ann`@`%`"];
        assert_eq!(missing(&listed), Some("GRANT SELECT ON `other\\_lab`.* TO `ann`@`%`".to_owned()));
        assert_eq!(missing(&[listed[0], listed[1], "GRANT SELECT ON `other\\_lab`.* TO `ann`@`%`"]), None);
    }
}
