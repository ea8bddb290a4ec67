//! How stored objects are read: in few large requests, several at once, and from a cache where there is one.
//!
//! A [`Reading`] is one object that is being read. Ranges that lie close together are one request (`read.gap`), large ones
//! are several (`read.part`), and all of them are under way together. Of a store that is elsewhere, whole objects of known
//! checksum are kept in the folder `read.cache`, if it is set: see [`cache`]. [`stream`] reads an object like a file.
//!
//! What is read whole is compared with what its row says ([`expected`]), unless the setting `read.verify` says otherwise;
//! of what is read in parts, the size is compared.

mod cache;
mod expected;
mod parts;
mod stream;

pub use stream::ObjectStream;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::Instance;
use bytes::Bytes;
use cache::{Cache, Identity};
pub(crate) use expected::{Expected, Watch, is_folder};
use lodestore_codec::hash::verify_checksum;
use lodestore_objects::{GetRanges, Store, get_ranges_all};
use lodestore_types::{Error, Reference, Result, StorePath};
pub(crate) use parts::{Fill, fill_all};

/// An object that is being read.
pub(crate) struct Reading {
    instance: Instance,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) path: StorePath,
    expected: Expected,
    /// How the cache knows it, if there is one and the object is worth it.
    cached: Option<(Cache, Identity)>,
    gap: u64,
    part: u64,
}

/// Bytes that are rather read than skipped by a further request.
const GAP_HERE: u64 = 64 << 10;
const GAP_ELSEWHERE: u64 = 1 << 20;

impl Reading {
    /// Opens the store of what a reference names.
    ///
    /// # Errors
    /// `UnknownStore`, `InvalidConfig`; `Storage` if the store cannot be reached.
    pub(crate) fn of(instance: &Instance, reference: &Reference) -> Result<Self> {
        Reading::at(instance, &reference.store, reference.path.clone(), Expected::of(reference))
    }

    /// Like [`Reading::of`], for a path of which this is known.
    ///
    /// # Errors
    /// As [`Reading::of`].
    pub(crate) fn at(instance: &Instance, store: &str, path: StorePath, expected: Expected) -> Result<Self> {
        let store = instance.store(store)?;
        let config = instance.config();
        let is_here = store.local_path(&path).is_some();
        let gap = config.get("read.gap")?.as_u64().unwrap_or(if is_here { GAP_HERE } else { GAP_ELSEWHERE });
        let part = config.get_int("read.part").unsigned_abs();
        let identity = expected.checksum.as_deref().zip(expected.size).filter(|_| !is_here);
        let identity = identity.and_then(|(checksum, size)| Identity::new(checksum, size));
        let cached = Cache::of(&config).zip(identity).filter(|(cache, identity)| cache.takes(identity.size));
        drop(config);
        Ok(Reading { instance: instance.clone(), store, path, expected, cached, gap, part })
    }

    /// True if an object of this size is best read in one step; of those on this machine, only up to `here`.
    pub(crate) fn is_small(&self, size: u64, here: u64) -> bool {
        self.cached.is_some() || size <= if self.is_here() { here } else { self.part }
    }

    /// True if the object is a file of this machine.
    fn is_here(&self) -> bool {
        self.store.local_path(&self.path).is_some()
    }

    /// Bytes that are rather read than skipped by a further request.
    pub(crate) fn gap(&self) -> u64 {
        self.gap
    }

    /// So many bytes are worth asking for at a time, of an object that is read from front to back: several requests.
    pub(crate) fn at_a_time(&self) -> u64 {
        self.part.saturating_mul(4)
    }

    /// The checksum to verify if the whole object is read, and the settings ask for that.
    pub(crate) fn checksum(&self) -> Option<&str> {
        let checksum = self.expected.checksum.as_deref()?;
        self.instance.verifies(self.store.name(), &self.path).then_some(checksum)
    }

    /// Compares the checksum of the whole object, computed while it was read, with the one that it must have.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(crate) fn compare(&self, found: &str, expected: &str) -> Result<()> {
        verify_checksum(found, expected).map_err(|error| self.locate(error))?;
        self.instance.note_verified(self.store.name(), &self.path);
        Ok(())
    }

    /// The whole object; `None` if it is not there.
    ///
    /// # Errors
    /// `Storage`; `Corrupt` if it is not what the row says.
    pub(crate) fn get(&self) -> Result<Option<Bytes>> {
        let verifies = self.checksum().is_some();
        if let Some((cache, identity)) = &self.cached
            && let Some(found) = cache.whole(identity, verifies)
        {
            return Ok(Some(found));
        }
        let Some(found) = self.store.get(&self.path)? else { return Ok(None) };
        if verifies || self.cached.is_some() {
            self.expected.check(&found).map_err(|error| self.locate(error))?;
            self.instance.note_verified(self.store.name(), &self.path);
        } else {
            self.expected.check_size(found.len() as u64).map_err(|error| self.locate(error))?;
        }
        if let Some((cache, identity)) = &self.cached {
            cache.keep(identity, &found);
        }
        Ok(Some(found))
    }

    /// The size that the object must have, if it is known.
    pub(crate) fn size(&self) -> Option<u64> {
        self.expected.exact_size()
    }

    /// True if a row or a manifest says that the object exists.
    pub(crate) fn is_named(&self) -> bool {
        self.expected.size.is_some()
    }

    fn locate(&self, error: Error) -> Error {
        error.with("store", self.store.name()).with("path", &self.path)
    }

    /// Parts of the object, in order; `None` if it is not there. Each is exactly as long as its range.
    ///
    /// # Errors
    /// `Storage`; `Corrupt` if the object does not have the size that its row says, or ends before a range does.
    pub(crate) fn get_ranges(&self, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        if let Some((cache, identity)) = &self.cached {
            let found: Option<Vec<Bytes>> = ranges.iter().map(|range| cache.read(identity, range.clone())).collect();
            if found.is_some() {
                return Ok(found);
            }
        }
        if self.is_here() {
            return match self.expected.exact_size() {
                Some(size) => self.store.get_ranges_of(&self.path, size, ranges),
                None => self.store.get_ranges(&self.path, ranges),
            };
        }
        let requests = parts::requests(ranges, self.gap, self.part);
        let gets: Vec<GetRanges> = requests
            .iter()
            .map(|range| GetRanges {
                store: self.store.clone(),
                path: self.path.clone(),
                ranges: vec![range.clone()],
                size: self.expected.exact_size(),
            })
            .collect();
        let found = get_ranges_all(&gets)?;
        let Some(found) = found.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
        Ok(Some(parts::taken_from(ranges, &requests, &found.concat())))
    }

    /// A file of this machine that holds the object whole: its own, or the cache's; `None` if there is neither.
    ///
    /// # Errors
    /// As [`Reading::get`].
    pub(crate) fn local_file(&self) -> Result<Option<PathBuf>> {
        if let Some(own) = self.store.local_path(&self.path) {
            return Ok(Some(own));
        }
        let Some((cache, identity)) = &self.cached else { return Ok(None) };
        if cache.read(identity, 0..0).is_none() && self.get()?.is_none() {
            return Ok(None);
        }
        Ok(Some(cache.file(identity)))
    }
}
