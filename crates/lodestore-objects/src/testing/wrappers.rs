//! Stores around other stores.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use lodestore_types::{Error, ErrorKind, Result, Segment, StorePath};

use crate::{Entry, PutMode, PutOutcome, Store};

/// Forwards every method of [`Store`] to `inner`, after `$before` and with `$after` seeing what was read.
macro_rules! forward {
    ($wrapper:ty, $before:ident, $after:ident) => {
        impl Store for $wrapper {
            fn name(&self) -> &str {
                self.inner.name()
            }

            fn url(&self, path: Option<&StorePath>) -> String {
                self.inner.url(path)
            }

            fn put(&self, path: &StorePath, payload: &[Segment], mode: PutMode) -> Result<PutOutcome> {
                self.$before()?;
                self.inner.put(path, payload, mode)
            }

            fn get(&self, path: &StorePath) -> Result<Option<Bytes>> {
                self.$before()?;
                let found = self.inner.get(path)?;
                self.$after(found.iter().map(Bytes::len).sum());
                Ok(found)
            }

            fn get_ranges(&self, path: &StorePath, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
                self.$before()?;
                let found = self.inner.get_ranges(path, ranges)?;
                self.$after(found.iter().flatten().map(Bytes::len).sum());
                Ok(found)
            }

            fn size(&self, path: &StorePath) -> Result<Option<u64>> {
                self.$before()?;
                self.inner.size(path)
            }

            fn list(&self, folder: Option<&StorePath>) -> Result<Box<dyn Iterator<Item = Result<Entry>> + Send + '_>> {
                self.$before()?;
                self.inner.list(folder)
            }

            fn delete(&self, path: &StorePath) -> Result<bool> {
                self.$before()?;
                self.inner.delete(path)
            }

            fn local_path(&self, path: &StorePath) -> Option<PathBuf> {
                self.inner.local_path(path)
            }
        }
    };
}

/// Counts the requests to a store, and the bytes that are read from it.
#[derive(Debug)]
pub struct CountingStore {
    inner: Arc<dyn Store>,
    requests: AtomicU64,
    bytes_read: AtomicU64,
}

impl CountingStore {
    /// Counts from zero.
    pub fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(CountingStore { inner, requests: AtomicU64::new(0), bytes_read: AtomicU64::new(0) })
    }

    /// How many requests were made.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// How many bytes were read.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    fn count(&self) -> Result<()> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn weigh(&self, read: usize) {
        self.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
    }
}

forward!(CountingStore, count, weigh);

/// Fails after so many requests, and from then on.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    left: AtomicI64,
}

impl FaultyStore {
    /// Lets `requests` of them pass.
    pub fn new(inner: Arc<dyn Store>, requests: i64) -> Arc<Self> {
        Arc::new(FaultyStore { inner, left: AtomicI64::new(requests) })
    }

    fn spend(&self) -> Result<()> {
        if self.left.fetch_sub(1, Ordering::Relaxed) > 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Storage, "the store fails, as it was told to").with("store", self.inner.name()))
    }

    fn ignore(&self, _read: usize) {}
}

forward!(FaultyStore, spend, ignore);
