//! Statements that the user wrote.

use lodestore_db::Answer;
use lodestore_types::{Result, Value};

use crate::Instance;

/// Statements that begin so change nothing, and need no lock.
const READING: [&str; 8] = ["SELECT", "SHOW", "WITH", "VALUES", "EXPLAIN", "DESCRIBE", "DESC", "PRAGMA"];
/// Statements that begin so change what tables are like.
const DEFINING: [&str; 6] = ["CREATE", "ALTER", "DROP", "RENAME", "COMMENT", "TRUNCATE"];

impl Instance {
    /// Runs one statement of the user's own, in this thread's transaction if one is open; rows come as the database
    /// keeps them. The placeholders are those of the database: `?1`, `$1` or `?` (see [`Instance::placeholder`]).
    ///
    /// What begins, ends or takes back a transaction does so as [`Instance::begin`] and its relatives do. Nothing is
    /// checked: rows that are written so pass by codecs and stores.
    ///
    /// # Errors
    /// The database's; `InvalidType` for a value that it cannot take.
    pub fn statement(&self, sql: &str, parameters: Vec<Value>) -> Result<Answer> {
        let word: String = sql.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
        let word = word.to_ascii_uppercase();
        let text = sql.trim().trim_end_matches(';').trim_end();
        match word.as_str() {
            "BEGIN" | "START" if is_bare(text, "TRANSACTION") => return self.begin().map(|()| Answer::default()),
            // One that was begun in some way of the user's own is the database's business.
            "COMMIT" | "ROLLBACK" if !self.in_transaction() => {}
            "COMMIT" if is_bare(text, "") => return self.commit().map(|()| Answer::default()),
            "ROLLBACK" if is_bare(text, "") => return self.rollback().map(|()| Answer::default()),
            _ => {}
        }
        let parameters =
            parameters.into_iter().map(|value| self.dialect().encode_free(value)).collect::<Result<Vec<_>>>()?;
        if self.in_transaction() && !READING.contains(&word.as_str()) {
            self.ensure_begun()?;
        }
        let outcome = self.with_connection(|connection| connection.statement(sql, &parameters));
        if DEFINING.contains(&word.as_str()) {
            self.forget_headings();
        }
        outcome
    }

    /// The `n`-th placeholder of a statement, counted from 1, as the database writes it.
    pub fn placeholder(&self, n: usize) -> String {
        self.dialect().placeholder(n)
    }

    /// An identifier in the quotes of the database.
    pub fn quote(&self, identifier: &str) -> String {
        self.dialect().quote(identifier)
    }

    /// Who the user is to the database, and the number that the database gives to this thread's connection; nothing
    /// for a database that is a file.
    ///
    /// # Errors
    /// The database's.
    pub fn session(&self) -> Result<Option<(String, i64)>> {
        let Some(ask) = self.dialect().session() else { return Ok(None) };
        let rows = self.query(&ask)?;
        let told = rows.first().map(Vec::as_slice);
        Ok(told.and_then(|row| match row {
            [user, number] => Some((user.as_str()?.to_owned(), number.as_i64()?)),
            _ => None,
        }))
    }

    /// The name of the database's kind: `sqlite`, `postgres` or `mysql`.
    pub fn dialect_name(&self) -> &'static str {
        self.dialect().name()
    }
}

/// True if a statement is its first word, perhaps with `noun` or `WORK` behind it, and no more (START TRANSACTION
/// may name its kind of snapshot, which is the only one there is).
fn is_bare(text: &str, noun: &str) -> bool {
    let text = text.to_ascii_uppercase();
    let mut words = text.split_whitespace().skip(1);
    match words.next() {
        None => true,
        Some("WORK" | "TRANSACTION") if noun.is_empty() => words.next().is_none(),
        Some("WORK") => words.next().is_none(),
        Some(word) => word == noun && words.next().is_none_or(|next| next == "WITH"),
    }
}
