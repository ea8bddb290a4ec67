//! Stores around other stores.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use lodestore_types::{Error, ErrorKind, Result, Segment, StorePath, Timestamp};

use crate::{Entries, Entry, Level, PutMode, PutOutcome, Store};

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

            fn put_checked(
                &self,
                path: &StorePath,
                payload: &[Segment],
                mode: PutMode,
                checksum: &str,
            ) -> Result<PutOutcome> {
                self.$before()?;
                self.inner.put_checked(path, payload, mode, checksum)
            }

            fn recorded_checksum(&self, path: &StorePath) -> Result<Option<String>> {
                self.$before()?;
                self.inner.recorded_checksum(path)
            }

            fn stage(&self, path: &StorePath, payload: &[Segment]) -> Result<()> {
                self.$before()?;
                self.inner.stage(path, payload)
            }

            fn make_durable(&self, path: &StorePath) -> Result<()> {
                self.$before()?;
                self.inner.make_durable(path)
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

            fn get_ranges_of(&self, path: &StorePath, size: u64, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
                self.$before()?;
                let found = self.inner.get_ranges_of(path, size, ranges)?;
                self.$after(found.iter().flatten().map(Bytes::len).sum());
                Ok(found)
            }

            fn head(&self, path: &StorePath) -> Result<Option<Entry>> {
                self.$before()?;
                self.inner.head(path)
            }

            fn list(&self, folder: Option<&StorePath>) -> Result<Entries<'_>> {
                self.$before()?;
                Ok(Box::new(self.inner.list(folder)?.map(|entry| entry.and_then(|entry| self.listed(entry)))))
            }

            fn delete(&self, path: &StorePath) -> Result<()> {
                self.$before()?;
                self.inner.delete(path)
            }

            fn size(&self, path: &StorePath) -> Result<Option<u64>> {
                self.$before()?;
                self.inner.size(path)
            }

            fn read_into(&self, path: &StorePath, start: u64, buffer: &mut [u8]) -> Result<bool> {
                self.$before()?;
                let found = self.inner.read_into(path, start, buffer)?;
                self.$after(if found { buffer.len() } else { 0 });
                Ok(found)
            }

            fn list_level(&self, folder: Option<&StorePath>) -> Result<Level> {
                self.$before()?;
                self.inner.list_level(folder)
            }

            fn copy(&self, from: &StorePath, to: &StorePath, mode: PutMode) -> Result<Option<PutOutcome>> {
                self.$before()?;
                self.inner.copy(from, to, mode)
            }

            fn swap(&self, path: &StorePath, expected: &Bytes, new: Bytes) -> Result<bool> {
                self.$before()?;
                self.inner.swap(path, expected, new)
            }

            fn delete_many(&self, paths: &[StorePath]) -> Vec<Result<()>> {
                match self.$before() {
                    Ok(()) => self.inner.delete_many(paths),
                    // One refusal for each, as if each had been asked for.
                    Err(_) => paths.iter().map(|_| self.$before()).collect(),
                }
            }

            fn now(&self) -> Result<Timestamp> {
                self.$before()?;
                self.inner.now()
            }

            fn sweep_scratch(&self, before: Timestamp) -> Result<usize> {
                self.$before()?;
                self.inner.sweep_scratch(before)
            }

            fn scratch(&self) -> Result<Option<PathBuf>> {
                self.inner.scratch()
            }

            fn adopt(&self, path: &StorePath, scratch: &Path) -> Result<()> {
                self.$before()?;
                self.inner.adopt(path, scratch)
            }

            fn at_once(&self) -> usize {
                self.inner.at_once()
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

    fn listed(&self, entry: Entry) -> Result<Entry> {
        Ok(entry)
    }

    fn weigh(&self, read: usize) {
        self.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
    }
}

forward!(CountingStore, count, weigh);

/// Fails after so many requests, and from then on; or fails to list.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    left: Arc<AtomicI64>,
    /// The number of entries that are still listed, if only listings are to fail.
    entries: Option<AtomicI64>,
}

impl FaultyStore {
    /// Lets `requests` of them pass.
    pub fn new(inner: Arc<dyn Store>, requests: i64) -> Arc<Self> {
        FaultyStore::sharing(inner, Arc::new(AtomicI64::new(requests)))
    }

    /// Lets so many pass as `left` says, which others count down as well.
    pub fn sharing(inner: Arc<dyn Store>, left: Arc<AtomicI64>) -> Arc<Self> {
        Arc::new(FaultyStore { inner, left, entries: None })
    }

    /// Lists so many entries in all, and fails where the next one would come; everything else it does as it should.
    pub fn listing(inner: Arc<dyn Store>, entries: i64) -> Arc<Self> {
        let left = Arc::new(AtomicI64::new(i64::MAX));
        Arc::new(FaultyStore { inner, left, entries: Some(AtomicI64::new(entries)) })
    }

    fn spend(&self) -> Result<()> {
        self.take(&self.left)
    }

    fn listed(&self, entry: Entry) -> Result<Entry> {
        self.entries.as_ref().map_or(Ok(()), |entries| self.take(entries)).map(|()| entry)
    }

    fn take(&self, left: &AtomicI64) -> Result<()> {
        if left.fetch_sub(1, Ordering::Relaxed) > 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Storage, "the store fails, as it was told to").with("store", self.inner.name()))
    }

    fn ignore(&self, _read: usize) {}
}

forward!(FaultyStore, spend, ignore);
