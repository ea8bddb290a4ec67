//! The contract of an object store.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;
use lodestore_types::{Result, Segment, StorePath};

/// What to do if the path is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutMode {
    /// Leave what is there and say so.
    Create,
    /// Put the new object in its place, in one step.
    Replace,
}

/// What a put found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object was written.
    Written,
    /// The path was taken; nothing was written.
    AlreadyThere,
}

/// An object met in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path.
    pub path: StorePath,
    /// Its size in bytes.
    pub size: u64,
}

/// A place that keeps objects: bytes under a path.
///
/// - **Whole or nothing.** When [`put`](Store::put) returns, the object is durable; until then no
///   reader sees any of it, and a killed writer leaves at most an unlisted scratch file.
/// - **Absence is a value.** Asking for an object that is not there gives `None`; an error is
///   trouble ([`Storage`](lodestore_types::ErrorKind::Storage)), and tells store and path.
/// - **Order.** What one thread has put, every other sees from then on, in listings too.
///
/// All methods may be called from many threads at once.
pub trait Store: Send + Sync + fmt::Debug {
    /// The name under which the store is configured.
    fn name(&self) -> &str;

    /// A URL of an object, or of the root.
    fn url(&self, path: Option<&StorePath>) -> String;

    /// Writes the segments, one behind the other, as one object. A file among them is read piece by
    /// piece: memory does not grow with it.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage), also if a file among the segments changed since
    /// it was looked at; the path is then as it was before.
    fn put(&self, path: &StorePath, payload: &[Segment], mode: PutMode) -> Result<PutOutcome>;

    /// The whole object.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage).
    fn get(&self, path: &StorePath) -> Result<Option<Bytes>>;

    /// Parts of an object, each exactly as long as its range.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage);
    /// [`Corrupt`](lodestore_types::ErrorKind::Corrupt) if the object ends before a range does.
    fn get_ranges(&self, path: &StorePath, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>>;

    /// The size of an object in bytes.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage).
    fn size(&self, path: &StorePath) -> Result<Option<u64>>;

    /// Every object in a folder and below, in no order; a folder that is not there is empty.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage), also as an item: then the listing is not complete.
    fn list(&self, folder: Option<&StorePath>) -> Result<Box<dyn Iterator<Item = Result<Entry>> + Send + '_>>;

    /// Removes an object; false if it was not there.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage).
    fn delete(&self, path: &StorePath) -> Result<bool>;

    /// The file that holds the object, for a store that keeps each as one file of this machine: to
    /// map it into memory or to hand it to another program, for reading only.
    ///
    /// It tells where the object would lie, not that it is there.
    fn local_path(&self, path: &StorePath) -> Option<PathBuf> {
        let _ = path;
        None
    }
}
