//! PostgreSQL: schemas in one database of a server.
//!
//! The wire is driven by a thread of its own, one for the program; a connection's caller waits for what it answers,
//! and asks now and then whether the user pressed Ctrl-C.

mod column;
mod config;
mod connection;
mod copy;
mod error;
mod runtime;
mod tls;
mod value;

pub use config::Driver;
