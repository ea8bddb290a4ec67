//! MySQL 8 and later, and MariaDB 10.6 and later.
//!
//! A [`Driver`] opens connections; [`Driver::version`] tells which of the two servers answers, for
//! [`Mysql::of_version`](lodestore_sql::Mysql::of_version). Rows are read as they come, in bounded memory. A statement
//! that runs or waits stops when its user presses Ctrl-C: a second connection kills it.

mod bulk;
mod column;
mod config;
mod connection;
mod error;
mod transaction;
mod value;
mod worker;

#[cfg(test)]
mod tests;

pub use config::Driver;
