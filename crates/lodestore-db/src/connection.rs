//! The contract of a connection to a database.

use std::fmt;
use std::ops::ControlFlow;

use lodestore_types::{Result, Value};

use crate::{Bulk, Column, ColumnSpec, Refused};

/// Receives the rows of a query one by one; an error stops the query.
pub type RowVisitor<'a> = dyn FnMut(Vec<Value>) -> Result<()> + 'a;

/// Receives the columns of some rows of a query; `Break` or an error stops it.
pub type ColumnVisitor<'a> = dyn FnMut(Vec<Column>) -> Result<ControlFlow<()>> + 'a;

/// What a statement of any kind gives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// The names of the columns; none if the statement gives no rows.
    pub columns: Vec<String>,
    /// The rows, as the database keeps them.
    pub rows: Vec<Vec<Value>>,
    /// How many rows were changed, or given.
    pub count: u64,
}

/// What opens connections to one database.
pub trait Driver: Send + Sync + fmt::Debug {
    /// Opens a connection.
    ///
    /// # Errors
    /// [`LostConnection`](lodestore_types::ErrorKind::LostConnection) if the database cannot be
    /// reached, [`Access`](lodestore_types::ErrorKind::Access) if it lets nobody in.
    fn connect(&self) -> Result<Box<dyn Connection>>;
}

/// One connection: a sequence of statements, at most one transaction at a time.
///
/// Without a transaction every statement is committed by itself, and durable when its call
/// returns. Dropping a connection rolls an open transaction back.
pub trait Connection: fmt::Debug {
    /// Runs a statement with its parameters; tells how many rows it changed.
    ///
    /// # Errors
    /// The kinds that name the database's complaint: `Duplicate`, `Integrity`, `InvalidValue`
    /// (a constraint), `MissingTable`, `QuerySyntax` ...; otherwise `Database`.
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64>;

    /// Runs a statement that somebody else wrote, of whatever kind, and gathers what it gives. It is sent once: it may
    /// change something.
    ///
    /// # Errors
    /// As [`Connection::execute`].
    fn statement(&mut self, sql: &str, parameters: &[Value]) -> Result<Answer>;

    /// Inserts rows, as fast as the database takes them; tells how many went in.
    ///
    /// It is called inside a transaction. If it fails, some of the rows may be in: the caller rolls back.
    ///
    /// # Errors
    /// As [`Connection::execute`], with the row that was refused where the database tells.
    fn insert(&mut self, bulk: &Bulk<'_>) -> std::result::Result<u64, Refused>;

    /// Runs a query and hands each row to `visit`, as it comes.
    ///
    /// # Errors
    /// As [`Connection::execute`], and whatever `visit` returns.
    fn query_each(&mut self, sql: &str, parameters: &[Value], visit: &mut RowVisitor<'_>) -> Result<()>;

    /// Like [`Connection::query_each`], by columns of the given kinds: no value is made for a cell, and the columns of up
    /// to `batch_rows` rows (fewer if they are large, unless that is [`usize::MAX`]) are handed over at once. A query
    /// without rows hands over nothing.
    ///
    /// # Errors
    /// As [`Connection::query_each`]; `Corrupt` if a cell is not of its kind.
    fn query_columns(
        &mut self,
        sql: &str,
        parameters: &[Value],
        columns: &[ColumnSpec],
        batch_rows: usize,
        visit: &mut ColumnVisitor<'_>,
    ) -> Result<()>;

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// `InvalidRequest` if one is open; `LostConnection` if the database stays busy.
    fn begin(&mut self) -> Result<()>;

    /// Begins a transaction that only reads, and sees the database throughout as it is committed at one moment, which
    /// is not before this call. Whatever others commit meanwhile is not waited for, and not seen. The catalog of MySQL
    /// alone tells the latest; a table that has come, gone or changed since is then an error to whoever reads it.
    ///
    /// # Errors
    /// As [`Connection::begin`].
    fn begin_snapshot(&mut self) -> Result<()>;

    /// Makes all since [`Connection::begin`] durable and visible at once.
    ///
    /// # Errors
    /// If it fails the transaction is rolled back.
    fn commit(&mut self) -> Result<()>;

    /// Forgets all since [`Connection::begin`]; nothing happens without a transaction.
    ///
    /// # Errors
    /// As [`Connection::execute`].
    fn rollback(&mut self) -> Result<()>;

    /// True between `begin` and its end.
    fn in_transaction(&self) -> bool;
}

impl dyn Connection + '_ {
    /// Runs a query and gathers its rows.
    ///
    /// # Errors
    /// As [`Connection::query_each`].
    pub fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Vec<Value>>> {
        let mut rows = Vec::new();
        self.query_each(sql, parameters, &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
    }
}
