//! How stored objects are read: in few large requests, several at once, and from a cache where there is one.
//!
//! A [`Reading`] is one object that is being read. Ranges that lie close together are one request (`read.gap`), large ones
//! are several (`read.part`), and all of them are under way together. Of a store that is elsewhere, whole objects of known
//! checksum are kept in the folder `read.cache`, if it is set: see [`cache`]. [`stream`] reads an object like a file.

mod cache;
mod parts;
mod stream;

pub use stream::ObjectStream;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use lodestore_objects::{GetRanges, Store, get_ranges_all};
use lodestore_types::{Reference, Result, StorePath};
use serde_json::Value as Json;

use crate::Instance;
use cache::{Cache, Identity};
pub(crate) use parts::{Fill, fill_all};

/// An object that is being read.
pub(crate) struct Reading {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) path: StorePath,
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
        let mut reading = Reading::at(instance, &reference.store, reference.path.clone())?;
        let is_folder = reference.metadata.get("is_dir").and_then(Json::as_bool) == Some(true);
        let checksum = reference.metadata.get("checksum").and_then(Json::as_str);
        if let (Some(checksum), Some(size), false) = (checksum, reference.size(), is_folder || reading.is_here()) {
            reading.cached =
                Cache::of(&instance.config()).zip(Identity::new(checksum, size)).filter(|(cache, _)| cache.takes(size));
        }
        Ok(reading)
    }

    /// Like [`Reading::of`], for a path of which no row tells more.
    ///
    /// # Errors
    /// As [`Reading::of`].
    pub(crate) fn at(instance: &Instance, store: &str, path: StorePath) -> Result<Self> {
        let store = instance.store(store)?;
        let config = instance.config();
        let is_here = store.local_path(&path).is_some();
        let gap = config.get("read.gap")?.as_u64().unwrap_or(if is_here { GAP_HERE } else { GAP_ELSEWHERE });
        let part = config.get_int("read.part").unsigned_abs();
        Ok(Reading { store, path, cached: None, gap, part })
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

    /// The whole object; `None` if it is not there.
    ///
    /// # Errors
    /// `Storage`; `Corrupt` if what is put into the cache is not what the row says.
    pub(crate) fn get(&self) -> Result<Option<Bytes>> {
        let Some((cache, identity)) = &self.cached else { return self.store.get(&self.path) };
        if let Some(found) = cache.read(identity, 0..identity.size) {
            return Ok(Some(found));
        }
        let Some(found) = self.store.get(&self.path)? else { return Ok(None) };
        cache.keep(identity, &found)?;
        Ok(Some(found))
    }

    /// Parts of the object, in order; `None` if it is not there. Each is exactly as long as its range.
    ///
    /// # Errors
    /// `Storage`; `Corrupt` if the object ends before a range does.
    pub(crate) fn get_ranges(&self, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        if let Some((cache, identity)) = &self.cached {
            let found: Option<Vec<Bytes>> = ranges.iter().map(|range| cache.read(identity, range.clone())).collect();
            if found.is_some() {
                return Ok(found);
            }
        }
        if self.is_here() {
            return self.store.get_ranges(&self.path, ranges);
        }
        let requests = parts::requests(ranges, self.gap, self.part);
        let gets: Vec<GetRanges> = requests
            .iter()
            .map(|range| GetRanges { store: self.store.clone(), path: self.path.clone(), ranges: vec![range.clone()] })
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
        if cache.read(identity, 0..0).is_none() {
            let Some(found) = self.store.get(&self.path)? else { return Ok(None) };
            cache.keep(identity, &found)?;
        }
        Ok(Some(cache.file(identity)))
    }
}
