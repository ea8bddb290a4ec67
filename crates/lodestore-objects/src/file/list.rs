//! Listing a folder and all below it, one entry at a time.

use std::fs::{self, DirEntry, ReadDir};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lodestore_types::{Error, Result, StorePath, Timestamp};

use super::error::storage;
use super::read::is_absence;
use super::scratch::is_scratch;
use crate::Entry;

/// A file met on the way.
pub(super) struct Found {
    pub(super) file: PathBuf,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

/// Walks a folder and those below it, holding one open folder per level.
///
/// Links to files count as files; links to folders are not entered: they may lead out of the store,
/// or round in circles. A folder or file that disappears meanwhile is no error.
pub(super) struct Walk {
    start: Option<PathBuf>,
    open: Vec<ReadDir>,
    /// Which files it looks for: those of unfinished objects, or all others.
    scratch: bool,
}

impl Walk {
    pub(super) fn new(start: PathBuf) -> Self {
        Walk { start: Some(start), open: Vec::new(), scratch: false }
    }

    /// Looks for scratch files.
    pub(super) fn of_scratch(start: PathBuf) -> Self {
        Walk { scratch: true, ..Walk::new(start) }
    }

    fn enter(&mut self, folder: &Path) -> Result<()> {
        match fs::read_dir(folder) {
            Ok(entries) => self.open.push(entries),
            Err(error) if is_absence(&error) => {}
            Err(error) => return Err(unreadable(folder, error)),
        }
        Ok(())
    }

    fn visit(&mut self, entry: &DirEntry) -> Result<Option<Found>> {
        let path = entry.path();
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(unreadable(&path, error)),
        };
        if kind.is_dir() {
            self.enter(&path)?;
            return Ok(None);
        }
        if entry.file_name().to_str().is_some_and(is_scratch) != self.scratch {
            return Ok(None);
        }
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(unreadable(&path, error)),
        };
        if !metadata.is_file() {
            return Ok(None);
        }
        Ok(Some(Found {
            size: metadata.len(),
            modified: metadata.modified().map_err(|error| unreadable(&path, error))?,
            file: path,
        }))
    }
}

impl Iterator for Walk {
    type Item = Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(start) = self.start.take()
            && let Err(error) = self.enter(&start)
        {
            return Some(Err(error));
        }
        while let Some(folder) = self.open.last_mut() {
            let visited = match folder.next() {
                None => {
                    self.open.pop();
                    continue;
                }
                Some(Ok(entry)) => self.visit(&entry),
                Some(Err(error)) => {
                    // A folder that failed once may fail for ever: the rest of it is given up.
                    self.open.pop();
                    Err(storage("list a folder of the store", error))
                }
            };
            if let Some(found) = visited.transpose() {
                return Some(found);
            }
        }
        None
    }
}

/// The objects of a walk below `root`.
///
/// A file whose name no [`StorePath`] can hold is none: nothing of ours has such a name, and the
/// files of others are theirs.
pub(super) fn objects(walk: Walk, root: PathBuf) -> impl Iterator<Item = Result<Entry>> + Send {
    walk.filter_map(move |found| match found {
        Ok(found) => {
            let relative = found.file.strip_prefix(&root).ok()?.to_str()?;
            let modified = timestamp(found.modified);
            Some(Ok(Entry { path: StorePath::new(relative).ok()?, size: found.size, modified }))
        }
        Err(error) => Some(Err(error)),
    })
}

/// The time that the file system tells. It can tell times that no calendar knows: they are as old as time.
pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::MIN)
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    storage("list a folder of the store", error).with("folder", path.display())
}
