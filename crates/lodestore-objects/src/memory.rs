//! A store in the memory of the process: for tests, and for what need not outlive it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lodestore_types::{Error, ErrorKind, Payload, Result, Segment, StorePath, Timestamp};

use crate::store::short;
use crate::{Entries, Entry, PutMode, PutOutcome, Store};

/// Objects in memory. It keeps the contract of [`Store`] but for durability, and knows no folders: `a` and `a/b` may
/// both be objects.
#[derive(Debug)]
pub struct MemoryStore {
    name: String,
    objects: Mutex<BTreeMap<StorePath, (Bytes, Timestamp)>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(name: impl Into<String>) -> Self {
        MemoryStore { name: name.into(), objects: Mutex::default() }
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<StorePath, (Bytes, Timestamp)>> {
        // A panic elsewhere cannot leave the map half changed.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, error: Error, path: &StorePath) -> Error {
        error.with("store", &self.name).with("path", path)
    }
}

impl Store for MemoryStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn url(&self, path: Option<&StorePath>) -> String {
        format!("memory://{}", path.map_or("", StorePath::as_str))
    }

    fn put(&self, path: &StorePath, payload: &[Segment], mode: PutMode) -> Result<PutOutcome> {
        let whole = Payload(payload.to_vec()).into_bytes().map_err(|error| self.place(error, path))?;
        let mut objects = self.objects();
        if mode != PutMode::Replace && objects.contains_key(path) {
            return Ok(PutOutcome::AlreadyThere);
        }
        objects.insert(path.clone(), (whole, Timestamp::now()));
        Ok(PutOutcome::Written)
    }

    fn swap(&self, path: &StorePath, expected: &Bytes, new: Bytes) -> Result<bool> {
        let mut objects = self.objects();
        match objects.get_mut(path).filter(|(found, _)| found == expected) {
            Some(object) => {
                *object = (new, Timestamp::now());
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn get(&self, path: &StorePath) -> Result<Option<Bytes>> {
        Ok(self.objects().get(path).map(|(bytes, _)| bytes.clone()))
    }

    fn get_ranges(&self, path: &StorePath, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        let Some(whole) = self.get(path)? else { return Ok(None) };
        let part = |range: &Range<u64>| {
            if range.start > range.end {
                let message = format!("the range {range:?} ends before it starts");
                return Err(self.place(Error::new(ErrorKind::InvalidRequest, message), path));
            }
            if range.end > whole.len() as u64 {
                return Err(short(path, range.end, whole.len() as u64).with("store", &self.name));
            }
            Ok(whole.slice(range.start as usize..range.end as usize))
        };
        ranges.iter().map(part).collect::<Result<_>>().map(Some)
    }

    fn head(&self, path: &StorePath) -> Result<Option<Entry>> {
        Ok(self.objects().get(path).map(|(bytes, modified)| Entry {
            path: path.clone(),
            size: bytes.len() as u64,
            modified: *modified,
        }))
    }

    fn list(&self, folder: Option<&StorePath>) -> Result<Entries<'_>> {
        let objects = self.objects();
        let inside = |path: &StorePath| folder.is_none_or(|folder| path != folder && path.is_within(folder));
        let found: Vec<Result<Entry>> = objects
            .iter()
            .filter(|(path, _)| inside(path))
            .map(|(path, (bytes, modified))| {
                Ok(Entry { path: path.clone(), size: bytes.len() as u64, modified: *modified })
            })
            .collect();
        Ok(Box::new(found.into_iter()))
    }

    fn delete(&self, path: &StorePath) -> Result<()> {
        self.objects().remove(path);
        Ok(())
    }

    fn now(&self) -> Result<Timestamp> {
        Ok(Timestamp::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_store() {
        crate::testing::conformance(&|| crate::testing::Fixture {
            store: std::sync::Arc::new(MemoryStore::new("main")),
            keep: Box::new(()),
        });
    }
}
