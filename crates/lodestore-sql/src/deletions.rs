//! The SQL of deletion records: what was deleted and may still come back.
//!
//! The rows lie in hidden tables beside those that they were deleted from, one for each table and shape of it; a list tells
//! which deletion took which. What that means for objects is told where it is used (`lodestore::undelete`).

use lodestore_types::{FullTableName, Result, SchemaName};

use crate::{Dependency, Dialect, Journal, JournalWords, Statement};

/// How the names of tables begin that keep deleted rows.
pub const KEPT: &str = "~deleted_";

/// The column in them that tells which deletion a row belongs to; the rows' own attributes cannot have such a name.
pub const DELETION: &str = "~deletion";

/// The list of deletions of a schema, in the words of a database.
#[derive(Debug, Clone, Copy)]
pub struct Deletions<'a> {
    dialect: &'a dyn Dialect,
    schema: &'a SchemaName,
    words: JournalWords,
}

fn bare(sql: String) -> Statement {
    Statement { sql, parameters: Vec::new() }
}

impl<'a> Deletions<'a> {
    /// The list of a schema.
    pub fn new(dialect: &'a dyn Dialect, schema: &'a SchemaName) -> Self {
        Deletions { dialect, schema, words: dialect.journal_words() }
    }

    /// The name of the list.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn name(&self) -> Result<FullTableName> {
        Journal::new(self.dialect, self.schema).name("~deletions")
    }

    fn journal(&self) -> Journal<'a> {
        Journal::new(self.dialect, self.schema)
    }

    fn table(&self) -> Result<String> {
        Ok(self.dialect.table(&self.name()?))
    }

    /// Makes the list if it is missing.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn create(&self) -> Result<Statement> {
        let JournalWords { number, counted, text, key, behind, .. } = self.words;
        Ok(bare(format!(
            "CREATE TABLE IF NOT EXISTS {} (id {counted}, deletion {key} NOT NULL, since {number} NOT NULL, expires {number} \
             NOT NULL, who {text} NOT NULL, content {text} NOT NULL){behind}",
            self.table()?
        )))
    }

    /// Adds a deletion that expires after so many seconds.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn add(&self, deletion: &str, seconds: i64, who: &str, content: String) -> Result<Statement> {
        let place = |n: usize| self.dialect.placeholder(n);
        let sql = format!(
            "INSERT INTO {} (deletion, since, expires, who, content) VALUES ({}, {now}, {now} + {seconds}, {}, {})",
            self.table()?,
            place(1),
            place(2),
            place(3),
            now = self.journal().now()?
        );
        Ok(Statement { sql, parameters: vec![deletion.into(), who.into(), content.into()] })
    }

    /// Changes what a deletion took.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn change(&self, deletion: &str, content: String) -> Result<Statement> {
        let place = |n: usize| self.dialect.placeholder(n);
        let sql = format!("UPDATE {} SET content = {} WHERE deletion = {}", self.table()?, place(1), place(2));
        Ok(Statement { sql, parameters: vec![content.into(), deletion.into()] })
    }

    /// All deletions, the newest first: `deletion`, `since`, `expires`, `who`, `content`, and 1 if it has expired.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn list(&self) -> Result<Statement> {
        Ok(bare(format!(
            "SELECT deletion, since, expires, who, content, CASE WHEN expires <= {} THEN 1 ELSE 0 END FROM {} ORDER BY id \
             DESC",
            self.journal().past()?,
            self.table()?
        )))
    }

    /// Those that have expired: `deletion`, `content`.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn expired(&self) -> Result<Statement> {
        Ok(bare(format!(
            "SELECT deletion, content FROM {} WHERE expires <= {} ORDER BY id",
            self.table()?,
            self.journal().past()?
        )))
    }

    /// One row if there is a deletion that has expired by the database's clock as it is.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn expired_by_clock(&self) -> Result<Statement> {
        Ok(bare(format!("SELECT 1 FROM {} WHERE expires <= {} LIMIT 1", self.table()?, self.words.now)))
    }

    /// Strikes a deletion if it has expired, or if it has not: whoever strikes it has its rows.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn strike(&self, deletion: &str, expired: bool) -> Result<Statement> {
        let sql = format!(
            "DELETE FROM {} WHERE deletion = {} AND expires {} {}",
            self.table()?,
            self.dialect.placeholder(1),
            if expired { "<=" } else { ">" },
            self.journal().past()?
        );
        Ok(Statement { sql, parameters: vec![deletion.into()] })
    }
}

/// The statements about the rows of one deletion in a table that keeps them.
#[derive(Debug, Clone, Copy)]
pub struct KeptRows<'a> {
    /// The database's way to say things.
    pub dialect: &'a dyn Dialect,
    /// Where they were deleted from.
    pub table: &'a FullTableName,
    /// Where they are kept.
    pub kept: &'a FullTableName,
    /// The deletion.
    pub deletion: &'a str,
}

impl KeptRows<'_> {
    fn list(&self, columns: &[String]) -> String {
        columns.iter().map(|name| self.dialect.quote(name)).collect::<Vec<_>>().join(", ")
    }

    fn pairs(&self, left: &str, right: &str, own: &[String], others: &[String]) -> String {
        let quote = |name: &String| self.dialect.quote(name);
        let pair = |(own, other): (&String, &String)| format!("{left}.{} = {right}.{}", quote(own), quote(other));
        own.iter().zip(others).map(pair).collect::<Vec<_>>().join(" AND ")
    }

    /// The condition on the kept rows that they are of this deletion; `alias` stands before the column, with a dot.
    pub fn of_deletion(&self, alias: &str) -> String {
        format!("{alias}{} = {}", self.dialect.quote(DELETION), self.dialect.literal(self.deletion))
    }

    /// Keeps the rows of `source`, a table or query, of which `condition` holds, and locks them where others might change
    /// them before they are deleted.
    pub fn keep(&self, columns: &[String], source: &str, condition: &str) -> String {
        let columns = self.list(columns);
        format!(
            "INSERT INTO {} ({}, {columns}) SELECT {}, {columns} FROM {source} WHERE {condition}{}",
            self.dialect.table(self.kept),
            self.dialect.quote(DELETION),
            self.dialect.literal(self.deletion),
            self.dialect.journal_words().locked
        )
    }

    /// Puts the rows back, with these columns; the others are NULL.
    pub fn restore(&self, columns: &[String]) -> String {
        let columns = self.list(columns);
        format!(
            "INSERT INTO {} ({columns}) SELECT {columns} FROM {} WHERE {}",
            self.dialect.table(self.table),
            self.dialect.table(self.kept),
            self.of_deletion("")
        )
    }

    /// Gives the rows that were put back, which `key` tells from each other, the values of these columns.
    pub fn complete(&self, columns: &[String], key: &[String]) -> String {
        let (table, kept) = (self.dialect.table(self.table), self.dialect.table(self.kept));
        let columns: Vec<String> = columns.iter().map(|name| self.dialect.quote(name)).collect();
        let values: Vec<String> = columns.iter().map(|name| format!("k.{name}")).collect();
        let set: Vec<(&str, &str)> =
            columns.iter().map(String::as_str).zip(values.iter().map(String::as_str)).collect();
        let same = self.pairs(&table, "k", key, key);
        let condition = format!("{same} AND {}", self.of_deletion("k."));
        self.dialect.update_joined(&table, &format!("{kept} k"), &set, &condition)
    }

    /// Forgets the rows.
    pub fn forget(&self) -> String {
        format!("DELETE FROM {} WHERE {}", self.dialect.table(self.kept), self.of_deletion(""))
    }

    /// The key of one of the rows that the table has again by now.
    pub fn taken(&self, key: &[String]) -> String {
        let names: Vec<String> = key.iter().map(|name| format!("k.{}", self.dialect.quote(name))).collect();
        format!(
            "SELECT {} FROM {} k JOIN {} t ON {} WHERE {} LIMIT 1",
            names.join(", "),
            self.dialect.table(self.kept),
            self.dialect.table(self.table),
            self.pairs("k", "t", key, key),
            self.of_deletion("k.")
        )
    }

    /// The reference of one of the rows, by a foreign key, to a row that is not there.
    pub fn lost(&self, key: &Dependency) -> String {
        let names: Vec<String> = key.key.columns.iter().map(|name| format!("k.{}", self.dialect.quote(name))).collect();
        let told: String = names.iter().map(|name| format!(" AND {name} IS NOT NULL")).collect();
        format!(
            "SELECT {} FROM {} k WHERE {}{told} AND NOT EXISTS (SELECT 1 FROM {} p WHERE {}) LIMIT 1",
            names.join(", "),
            self.dialect.table(self.kept),
            self.of_deletion("k."),
            self.dialect.table(&key.key.parent),
            self.pairs("p", "k", &key.key.parent_columns, &key.key.columns)
        )
    }
}

#[cfg(test)]
mod tests {
    use lodestore_types::Value;

    use super::*;
    use crate::mysql::{Mysql, Server};
    use crate::{Postgres, Sqlite};

    #[test]
    fn the_same_statements_in_the_words_of_each_database() {
        let table = FullTableName::parse("lab.session").unwrap();
        let kept = Journal::new(&Sqlite, &table.schema).name("~deleted_session_0").unwrap();
        let columns = ["id".to_owned(), "up".to_owned()];
        let texts = |dialect: &dyn Dialect| {
            let rows = KeptRows { dialect, table: &table, kept: &kept, deletion: "d1" };
            [rows.keep(&columns, &dialect.table(&table), "1 = 1"), rows.complete(&columns[1..], &columns[..1])]
        };
        assert_eq!(
            texts(&Sqlite),
            [
                "INSERT INTO \"lab.~deleted_session_0\" (\"~deletion\", \"id\", \"up\") SELECT 'd1', \"id\", \"up\" FROM \
                 \"lab.session\" WHERE 1 = 1",
                "UPDATE \"lab.session\" SET \"up\" = k.\"up\" FROM \"lab.~deleted_session_0\" k WHERE \"lab.session\".\"id\" = \
                 k.\"id\" AND k.\"~deletion\" = 'd1'",
            ]
        );
        assert!(texts(&Postgres)[0].ends_with("WHERE 1 = 1 FOR UPDATE"));
        assert_eq!(
            texts(&Mysql { server: Server::Mariadb })[1],
            "UPDATE `lab`.`session` JOIN `lab`.`~deleted_session_0` k ON `lab`.`session`.`id` = k.`id` AND k.`~deletion` = 'd1' \
             SET `lab`.`session`.`up` = k.`up`"
        );
        let strike = |expired| Deletions::new(&Sqlite, &table.schema).strike("d1", expired).unwrap().sql;
        assert!(strike(true).contains("expires <= ") && strike(false).contains("expires > "));
    }

    #[test]
    fn parameters_follow_places() {
        let schema = SchemaName::new("lab").unwrap();
        let add = Deletions::new(&Postgres, &schema).add("d1", 60, "ann", "{}".into()).unwrap();
        assert_eq!(add.parameters, [Value::from("d1"), Value::from("ann"), Value::from("{}")]);
        assert!(add.sql.contains("+ 60, $2, $3)"));
    }
}
