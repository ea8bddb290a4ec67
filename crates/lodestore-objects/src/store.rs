//! The contract of an object store.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use lodestore_types::{Error, ErrorKind, FileSegment, Result, Segment, StorePath, Timestamp, Uuid};

/// What to do if the path is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutMode {
    /// Leave what is there and say so. Of several writers at once exactly one writes.
    Create,
    /// Like `Create`, for a path that only this content can have: it holds the content's hash, or a fresh token. Then it
    /// does no harm if two writers at once both write, and a store need not take the pains to prevent it.
    Fill,
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

/// What a store tells of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path.
    pub path: StorePath,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written, by the clock of the store (see [`Store::now`]), which may count in whole seconds.
    pub modified: Timestamp,
}

/// What lies directly in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Level {
    /// The objects, in order of their paths.
    pub objects: Vec<Entry>,
    /// The folders in which there are objects, in order.
    pub folders: Vec<StorePath>,
}

/// A place that keeps objects: bytes under a path.
///
/// - **Whole or nothing.** When [`put`](Store::put) returns, the object is durable; until then no
///   reader sees any of it, and a killed writer leaves at most an unlisted scratch file.
/// - **Absence is a value.** Asking for an object that is not there gives `None`; an error is
///   trouble ([`Storage`](lodestore_types::ErrorKind::Storage)), and tells store and path.
/// - **Order.** What one thread has put, every other sees from then on, in listings too.
///
/// All methods may be called from many threads at once, and end soon with
/// [`Interrupted`](lodestore_types::ErrorKind::Interrupted) when [`interrupted`](crate::interrupted) says so and they
/// would wait.
///
/// An implementer writes the methods without a body; those with one are right for every store, and are there to be done
/// better where a store can. A store around another forwards all of them.
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

    /// Like [`Store::put`], and records the checksum of the content with the object, if the store can.
    ///
    /// # Errors
    /// As [`Store::put`].
    fn put_checked(&self, path: &StorePath, payload: &[Segment], mode: PutMode, checksum: &str) -> Result<PutOutcome> {
        let _ = checksum;
        self.put(path, payload, mode)
    }

    /// The checksum that [`Store::put_checked`] recorded with an object; `None` if there is none, or no object.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage).
    fn recorded_checksum(&self, path: &StorePath) -> Result<Option<String>> {
        let _ = path;
        Ok(None)
    }

    /// Writes one of many objects on which nobody relies before [`make_durable`](Store::make_durable) was called, in place
    /// of what is there: until then it may go when the machine fails, and that alone.
    ///
    /// # Errors
    /// As [`Store::put`].
    fn stage(&self, path: &StorePath, payload: &[Segment]) -> Result<()> {
        self.put(path, payload, PutMode::Replace).map(drop)
    }

    /// Makes durable what was [staged](Store::stage) at a path and below it.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage): then what was staged may go.
    fn make_durable(&self, path: &StorePath) -> Result<()> {
        let _ = path;
        Ok(())
    }

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

    /// Like [`get_ranges`](Store::get_ranges), for an object that must have this size.
    ///
    /// # Errors
    /// As [`Store::get_ranges`]; [`Corrupt`](lodestore_types::ErrorKind::Corrupt) if the object has another size.
    fn get_ranges_of(&self, path: &StorePath, size: u64, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        match self.size(path)? {
            Some(found) if found != size => Err(other_size(size, found).with("store", self.name()).with("path", path)),
            _ => self.get_ranges(path, ranges),
        }
    }

    /// Size and age of an object.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage).
    fn head(&self, path: &StorePath) -> Result<Option<Entry>>;

    /// Every object in a folder and below, in no order, as the store tells them; a folder that is not there is empty.
    ///
    /// Memory does not grow with the number of objects. What is put or deleted meanwhile may be met or not.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage), also as an item: then the listing is not complete.
    fn list(&self, folder: Option<&StorePath>) -> Result<Entries<'_>>;

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage).
    fn delete(&self, path: &StorePath) -> Result<()>;

    /// The size of an object in bytes.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage).
    fn size(&self, path: &StorePath) -> Result<Option<u64>> {
        Ok(self.head(path)?.map(|entry| entry.size))
    }

    /// Fills `buffer` with the bytes of an object from `start` on; false if it is not there.
    ///
    /// # Errors
    /// As [`Store::get_ranges`].
    fn read_into(&self, path: &StorePath, start: u64, buffer: &mut [u8]) -> Result<bool> {
        let range = start..start + buffer.len() as u64;
        let Some(parts) = self.get_ranges(path, std::slice::from_ref(&range))? else { return Ok(false) };
        buffer.copy_from_slice(&parts[0]);
        Ok(true)
    }

    /// What lies directly in a folder, and which folders; nothing if the folder is not there.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage).
    fn list_level(&self, folder: Option<&StorePath>) -> Result<Level> {
        let mut level = Level::default();
        let above = folder.map_or(0, |folder| folder.as_str().len() + 1);
        for entry in self.list(folder)? {
            let entry = entry?;
            match entry.path.as_str()[above..].split_once('/') {
                None => level.objects.push(entry),
                Some((name, _)) => level.folders.push(StorePath::new(&entry.path.as_str()[..above + name.len()])?),
            }
        }
        level.objects.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        level.folders.sort_unstable();
        level.folders.dedup();
        Ok(level)
    }

    /// Puts `new` in the place of an object whose content is `expected`; false, and nothing is changed, if it is another by then
    /// or is gone. For small objects. Of several writers that expect the same exactly one succeeds.
    ///
    /// A store that has no such step compares and writes: then two at the same moment may both succeed.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage); it may then have been replaced.
    fn swap(&self, path: &StorePath, expected: &Bytes, new: Bytes) -> Result<bool> {
        if self.get(path)?.as_ref() != Some(expected) {
            return Ok(false);
        }
        self.put(path, &[new.into()], PutMode::Replace).map(|_| true)
    }

    /// Copies an object inside the store; `None` if there is none at `from`.
    ///
    /// # Errors
    /// As [`Store::put`].
    fn copy(&self, from: &StorePath, to: &StorePath, mode: PutMode) -> Result<Option<PutOutcome>> {
        self.get(from)?.map(|content| self.put(to, &[content.into()], mode)).transpose()
    }

    /// Removes objects, as [`Store::delete`] does each, with as few requests as the store can; tells how each went, in order.
    fn delete_many(&self, paths: &[StorePath]) -> Vec<Result<()>> {
        paths.iter().map(|path| self.delete(path)).collect()
    }

    /// What time it is for the store: ages of its objects count from here.
    ///
    /// A store that cannot be asked is given an object for a moment.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage).
    fn now(&self) -> Result<Timestamp> {
        let path = StorePath::new(format!(".lodestore/clock-{}", Uuid::new_v4().simple()))?;
        self.put(&path, &[], PutMode::Create)?;
        let entry = self.head(&path);
        self.delete(&path)?;
        entry?.map(|entry| entry.modified).ok_or_else(|| {
            Error::new(ErrorKind::Storage, "an object that was just written is not there").with("store", self.name())
        })
    }

    /// Makes an empty file of this machine, of which [`adopt`](Store::adopt) makes an object without copying it; `None` for
    /// a store that keeps no files here. It is no object, and whoever asked for it removes it if it comes to nothing.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage).
    fn scratch(&self) -> Result<Option<PathBuf>> {
        Ok(None)
    }

    /// Makes a file that [`scratch`](Store::scratch) gave the object at `path`, in place of what is there, as
    /// [`put`](Store::put) does; the file is gone then.
    ///
    /// # Errors
    /// As [`Store::put`]; the file is then as it was.
    fn adopt(&self, path: &StorePath, scratch: &Path) -> Result<()> {
        self.put(path, &[FileSegment::open(scratch)?.into()], PutMode::Replace)?;
        // The object is there: that the file is left to be swept is no reason to say otherwise.
        let _ = std::fs::remove_file(scratch);
        Ok(())
    }

    /// Removes what writers left unfinished that were killed, and tells how much: scratch files and objects, which no
    /// listing of a schema shows, and to which nobody has written since `before`, by the clock of the store.
    ///
    /// # Errors
    /// [`Storage`](lodestore_types::ErrorKind::Storage).
    fn sweep_scratch(&self, before: Timestamp) -> Result<usize> {
        let own = |path: &StorePath| ["scratch-", "clock-"].iter().any(|kind| path.file_name().starts_with(kind));
        let mut old = Vec::new();
        for entry in self.list_level(Some(&StorePath::new(".lodestore")?))?.objects {
            if own(&entry.path) && entry.modified < before {
                old.push(entry.path);
            }
        }
        self.delete_many(&old).into_iter().collect::<Result<Vec<()>>>().map(|swept| swept.len())
    }

    /// So many requests at once are worth making: a disk gains from a few, a network from many.
    fn at_once(&self) -> usize {
        8
    }

    /// The file that holds the object, for a store that keeps each as one file of this machine: to
    /// map it into memory or to hand it to another program, for reading only.
    ///
    /// It tells where the object would lie, not that it is there.
    fn local_path(&self, path: &StorePath) -> Option<PathBuf> {
        let _ = path;
        None
    }
}

/// The objects of a listing, read as they are asked for.
pub type Entries<'a> = Box<dyn Iterator<Item = Result<Entry>> + Send + 'a>;

/// An object that does not have the size that it must have.
pub fn other_size(wanted: u64, found: u64) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the object has {found} bytes, {wanted} were stored"))
        .with_hint("the object is damaged: restore it from a backup")
}

/// An object that is shorter than it must be.
pub(crate) fn short(path: &StorePath, wanted: u64, found: u64) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("the object ends too early: expected at least {wanted} bytes, found {found}"),
    )
    .with("path", path)
}
