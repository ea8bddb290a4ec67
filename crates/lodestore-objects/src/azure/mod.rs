//! A store in a container of Azure Blob Storage.

mod config;

pub use config::AzureConfig;
