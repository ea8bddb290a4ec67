//! Scratch tables: temporary ones of the schema whose keys they hold.
//!
//! With `TEMPORARY` in the statement none of them ends the transaction; `CREATE INDEX` would, so the index is made with
//! the table. A temporary table stands but once in a statement here: MySQL cannot open it twice.

use lodestore_types::FullTableName;

use super::table::{name, quote};
use crate::Statement;

pub(super) fn scratch(table: &FullTableName, number: usize) -> String {
    format!("{}.{}", quote(table.schema.as_str()), quote(&format!("~scratch{number}")))
}

pub(super) fn make(scratch: &str, table: &FullTableName, columns: &[String], key: usize) -> Vec<Statement> {
    vec![
        bare(format!("DROP TEMPORARY TABLE IF EXISTS {scratch}")),
        bare(format!(
            "CREATE TEMPORARY TABLE {scratch} (UNIQUE KEY ({})) AS SELECT {} FROM {} LIMIT 0",
            list(&columns[..key]),
            list(columns),
            name(table)
        )),
    ]
}

pub(super) fn fill(scratch: &str, query: Statement) -> Statement {
    Statement { sql: format!("INSERT IGNORE INTO {scratch} {}", query.sql), ..query }
}

pub(super) fn drop(scratch: &str) -> Statement {
    bare(format!("DROP TEMPORARY TABLE {scratch}"))
}

/// As a join: behind IN the servers would look through the scratch table for each row of the other.
pub(super) fn delete(
    table: &FullTableName,
    columns: &[String],
    scratch: &str,
    scratch_columns: &[String],
) -> Statement {
    let table = name(table);
    let same = columns.iter().zip(scratch_columns);
    let same: Vec<String> =
        same.map(|(own, other)| format!("{table}.{} = {scratch}.{}", quote(own), quote(other))).collect();
    bare(format!("DELETE {table} FROM {table} JOIN {scratch} ON {}", same.join(" AND ")))
}

fn list(columns: &[String]) -> String {
    columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ")
}

fn bare(sql: String) -> Statement {
    Statement { sql, parameters: Vec::new() }
}

#[cfg(test)]
mod tests {
    use crate::mysql::{Mysql, Server};
    use crate::{Dialect, Sqlite, Statement};
    use lodestore_types::FullTableName;

    #[test]
    fn the_same_steps_in_the_words_of_each_database() {
        let table = FullTableName::parse("lab.session").unwrap();
        let columns = ["subject".to_owned(), "session".to_owned()];
        let other = ["animal".to_owned(), "session".to_owned()];
        let steps = |dialect: &dyn Dialect| -> Vec<String> {
            let scratch = dialect.scratch(&table, 3);
            let query = Statement { sql: "SELECT 1, 2".into(), parameters: Vec::new() };
            let mut steps = dialect.make_scratch(&scratch, &table, &columns, 2);
            steps.push(dialect.fill_scratch(&scratch, query));
            steps.push(dialect.delete_by_scratch(&table, &other, &scratch, &columns));
            steps.push(dialect.drop_scratch(&scratch));
            steps.into_iter().map(|step| step.sql).collect()
        };
        assert_eq!(
            steps(&Mysql { server: Server::Mysql }),
            [
                "DROP TEMPORARY TABLE IF EXISTS `lab`.`~scratch3`",
                "CREATE TEMPORARY TABLE `lab`.`~scratch3` (UNIQUE KEY (`subject`, `session`)) AS SELECT `subject`, \
                 `session` FROM `lab`.`session` LIMIT 0",
                "INSERT IGNORE INTO `lab`.`~scratch3` SELECT 1, 2",
                "DELETE `lab`.`session` FROM `lab`.`session` JOIN `lab`.`~scratch3` ON `lab`.`session`.`animal` = \
                 `lab`.`~scratch3`.`subject` AND `lab`.`session`.`session` = `lab`.`~scratch3`.`session`",
                "DROP TEMPORARY TABLE `lab`.`~scratch3`",
            ]
        );
        assert_eq!(
            steps(&Sqlite),
            [
                "DROP TABLE IF EXISTS \"~scratch3\"",
                "CREATE TEMPORARY TABLE \"~scratch3\" AS SELECT \"subject\", \"session\" FROM \"lab.session\" WHERE 1 = 0",
                "CREATE UNIQUE INDEX \"~scratch3.key\" ON \"~scratch3\" (\"subject\", \"session\")",
                "INSERT INTO \"~scratch3\" SELECT * FROM (SELECT 1, 2) AS \"$0\" WHERE 1 = 1 ON CONFLICT DO NOTHING",
                "DELETE FROM \"lab.session\" WHERE (\"animal\", \"session\") IN (SELECT \"subject\", \"session\" FROM \
                 \"~scratch3\")",
                "DROP TABLE \"~scratch3\"",
            ]
        );
    }
}
