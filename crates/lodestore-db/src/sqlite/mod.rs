//! SQLite: the embedded default, one file, many processes.

mod bulk;
mod column;
mod config;
mod connection;
mod error;
mod functions;
mod value;

pub use config::Driver;
