//! Database drivers of Lodestore: connections, transactions and rows.
//!
//! A [`Driver`] opens [`Connection`]s to one database; a [`Pool`] keeps one for each thread that
//! asks. What is sent is SQL text with [`Value`](lodestore_types::Value)s bound to it; what comes
//! back are rows of values as the database keeps them. The text, and what the values stand for,
//! are the business of `lodestore-sql`.
//!
//! ```
//! use lodestore_db::{Pool, sqlite};
//! use lodestore_types::Value;
//!
//! # let folder = tempfile::tempdir().unwrap();
//! let pool = Pool::new(sqlite::Driver::new(folder.path().join("lab.db")));
//! pool.with(|connection| {
//!     connection.execute("CREATE TABLE t (id INTEGER) STRICT", &[])?;
//!     connection.execute("INSERT INTO t VALUES (?)", &[Value::Int(7)])?;
//!     let rows = connection.query("SELECT id FROM t", &[])?;
//!     assert_eq!(rows, vec![vec![Value::Int(7)]]);
//!     Ok(())
//! })?;
//! # Ok::<(), lodestore_types::Error>(())
//! ```

mod bulk;
mod column;
mod column_array;
mod connection;
mod interrupt;
#[cfg(feature = "mysql")]
pub mod mysql;
mod pool;
#[cfg(feature = "postgres")]
pub mod postgres;
mod server;
pub mod sqlite;
mod warning;

pub use bulk::{Bulk, Refused};
pub use column::{Column, ColumnData, ColumnKind, ColumnSpec, Strings};
pub use connection::{Answer, ColumnVisitor, Connection, Driver, RowVisitor};
pub use interrupt::{StopFlag, interrupted, set_interrupt_check};
pub use pool::Pool;
pub use server::{ServerConfig, Tls, TlsOptions, Verify};
pub use warning::set_warning_hook;
