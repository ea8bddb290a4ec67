//! Where the database file lies and how it is opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lodestore_types::Result;

use super::connection::SqliteConnection;
use crate::Connection;

/// How long a statement waits for other processes before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens connections to one SQLite file.
#[derive(Debug, Clone)]
pub struct Driver {
    path: PathBuf,
    patience: Duration,
}

impl Driver {
    /// The database in the file `path`, which the first connection makes if it is missing.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Driver { path: path.into(), patience: PATIENCE }
    }

    /// The same, giving up sooner or later than after a minute when other processes keep writing.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl crate::Driver for Driver {
    fn connect(&self) -> Result<Box<dyn Connection>> {
        Ok(Box::new(SqliteConnection::open(&self.path, self.patience)?))
    }
}
