//! A store in a bucket of Google Cloud Storage.

mod config;

pub use config::GcsConfig;
