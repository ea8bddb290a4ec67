//! What databases say differently where many processes share a queue.

use crate::Statement;

/// How a database lets many processes take rows out of one table, each row once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueWords {
    /// What stands behind a `SELECT` so that rows which other processes hold are passed over; nothing where one process at
    /// a time writes.
    pub skip_locked: &'static str,
    /// What stands behind a `SELECT` so that it reads rows as they are now, and holds them.
    pub lock_rows: &'static str,
    /// True if an `UPDATE` tells the rows that it changed.
    pub tells_updated: bool,
    /// What is sent before a transaction on a queue begins: else rows that it only looks at would be held, and with them
    /// the places where others insert.
    pub before_transaction: Option<&'static str>,
    /// The number of this connection on the server.
    pub connection_id: Option<&'static str>,
    /// Who is connected.
    pub user: Option<&'static str>,
    /// True if an insert leaves out rows that are there by `ON CONFLICT`, false if by `ON DUPLICATE KEY`.
    pub on_conflict: bool,
}

/// How a process has others wait that ask for the same name, where rows are not locked all at once.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedLock {
    /// Waits for the name, inside a transaction.
    pub take: Statement,
    /// Gives it back after the transaction, where its end does not.
    pub give_back: Option<Statement>,
}
