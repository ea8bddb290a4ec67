//! What an object must be, as its row or the manifest of its folder says, and whether it still is.

use lodestore_codec::hash::{self, Checksummer, verify_checksum};
use lodestore_objects::other_size;
use lodestore_types::{Reference, Result, StorePath};
use serde_json::Value as Json;

use crate::Instance;

/// What an object must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) size: Option<u64>,
    /// `sha256:...`
    pub(crate) checksum: Option<String>,
    /// True for a file that its user manages: it may have become longer.
    may_grow: bool,
}

impl Expected {
    pub(crate) fn new(size: u64, checksum: Option<&str>) -> Self {
        Expected { size: Some(size), checksum: checksum.map(str::to_owned), may_grow: false }
    }

    /// What a row says of its object; nothing of a folder, which has a manifest.
    pub(crate) fn of(reference: &Reference) -> Self {
        if is_folder(reference) {
            return Expected::default();
        }
        let checksum = reference.metadata.get("checksum").and_then(Json::as_str).map(str::to_owned);
        Expected { size: reference.size(), checksum, may_grow: reference.codec == "filepath" }
    }

    /// The size that the object must have, if it is known.
    pub(crate) fn exact_size(&self) -> Option<u64> {
        self.size.filter(|_| !self.may_grow)
    }

    /// Compares the size of the object.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(crate) fn check_size(&self, found: u64) -> Result<()> {
        match self.size {
            Some(size) if found < size || found > size && !self.may_grow => Err(other_size(size, found)),
            _ => Ok(()),
        }
    }

    /// Compares the whole content of the object.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(crate) fn check(&self, content: &[u8]) -> Result<()> {
        self.check_size(content.len() as u64)?;
        self.checksum.as_deref().map_or(Ok(()), |checksum| hash::verify(content, checksum))
    }
}

pub(crate) fn is_folder(reference: &Reference) -> bool {
    reference.metadata.get("is_dir").and_then(Json::as_bool) == Some(true)
}

/// Computes the checksum of an object that is read piece by piece, and compares it at the end.
///
/// Pieces may be read several times, and in any order: those that continue what was read so far are counted. If not all
/// of the object is read in this way, nothing is compared.
pub(crate) struct Watch {
    instance: Instance,
    store: String,
    path: StorePath,
    checksum: String,
    size: u64,
    checksummer: Checksummer,
    /// The number of bytes that were counted.
    read: u64,
}

impl Watch {
    /// `None` if there is nothing to compare with, or the settings ask for no comparison.
    pub(crate) fn new(instance: &Instance, store: &str, path: &StorePath, expected: &Expected) -> Option<Self> {
        let (checksum, size) = expected.checksum.clone().zip(expected.exact_size())?;
        let checksummer = Checksummer::default();
        let (instance, store, path) = (instance.clone(), store.to_owned(), path.clone());
        instance.verifies(&store, &path).then_some(Watch {
            instance,
            store,
            path,
            checksum,
            size,
            checksummer,
            read: 0,
        })
    }

    /// Takes note of a piece that begins at `at`.
    ///
    /// # Errors
    /// `Corrupt` if it is the last one, and the object is not what its row says.
    pub(crate) fn note(&mut self, at: u64, piece: &[u8]) -> Result<()> {
        let end = at + piece.len() as u64;
        if at > self.read || end <= self.read {
            return Ok(());
        }
        self.checksummer.update(&piece[(self.read - at) as usize..]);
        self.read = end;
        if self.read < self.size {
            return Ok(());
        }
        verify_checksum(&std::mem::take(&mut self.checksummer).finish(), &self.checksum)
            .map_err(|error| error.with("store", &self.store).with("path", &self.path))?;
        self.instance.note_verified(&self.store, &self.path);
        Ok(())
    }
}
