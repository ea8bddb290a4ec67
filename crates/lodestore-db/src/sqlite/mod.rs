//! SQLite: the embedded default, one file, many processes.

mod bulk;
mod column;
mod config;
mod connection;
mod error;
mod functions;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod locks;
mod value;

pub use config::Driver;
