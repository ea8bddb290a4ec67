//! The file store and how it keeps the contract of [`Store`].

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use lodestore_types::{Error, ErrorKind, FileSegment, Result, Segment, StorePath, Timestamp};
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::folder::{Folder, Folders};
use super::list::{Walk, objects, timestamp};
use super::read::{is_absence, open, read};
use super::scratch::{Scratch, fresh_name, is_scratch};
use super::{config, error};
use crate::store::{other_size, short};
use crate::{Entries, Entry, PutMode, PutOutcome, Store};

/// How often a put starts again because its folder was pruned under it.
const ATTEMPTS: usize = 64;

/// Objects as files in a folder.
///
/// ```
/// use lodestore_objects::{FileStore, PutMode, Store};
/// use lodestore_types::StorePath;
///
/// let home = tempfile::tempdir()?;
/// let store = FileStore::create("main", home.path().join("objects"))?;
/// let path = StorePath::new("_hash/lab/abc")?;
/// store.put(&path, &["content".into()], PutMode::Create)?;
/// assert_eq!(std::fs::read(home.path().join("objects/_hash/lab/abc"))?, b"content");
///
/// assert!(FileStore::open("other", home.path().join("unmounted")).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileStore {
    name: String,
    folders: Folders,
}

/// An exclusive lock of a folder, where the file system has locks.
struct FolderLock(fs::File);

impl FolderLock {
    /// Waits for the lock. The descriptor is not shared: locks belong to open file descriptions.
    fn new(folder: &Path) -> io::Result<Self> {
        let file = fs::File::open(folder)?;
        let _ = file.lock();
        Ok(FolderLock(file))
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing does not suffice: a child that was forked meanwhile has the same description, and would wait for itself.
        let _ = self.0.unlock();
    }
}

impl FileStore {
    /// Opens the store in an existing folder.
    ///
    /// A folder that is missing is not made: it may be a disk that is not mounted.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] if `location` is not a folder.
    pub fn open(name: impl Into<String>, location: impl AsRef<Path>) -> Result<Self> {
        Self::at(name.into(), location.as_ref(), config::existing_root)
    }

    /// Like [`FileStore::open`], making the folder if it is missing.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] if `location` cannot be made or is not a folder.
    pub fn create(name: impl Into<String>, location: impl AsRef<Path>) -> Result<Self> {
        Self::at(name.into(), location.as_ref(), config::made_root)
    }

    fn at(name: String, location: &Path, root: fn(&Path) -> io::Result<PathBuf>) -> Result<Self> {
        match root(location) {
            Ok(root) => Ok(FileStore { name, folders: Folders::new(root) }),
            Err(cause) => Err(error::location(&name, location, cause)),
        }
    }

    /// The folder that holds the objects: an absolute path without links.
    pub fn root(&self) -> &Path {
        self.folders.root()
    }

    /// What time it is for the file system.
    fn clock(&self) -> io::Result<std::time::SystemTime> {
        let root = self.folders.enter(Path::new(""))?;
        Scratch::new(&root)?.file().metadata()?.modified()
    }

    fn absolute(&self, path: &StorePath) -> PathBuf {
        self.folders.root().join(path.as_str())
    }

    fn try_put(&self, path: &StorePath, payload: &[Segment], mode: PutMode) -> io::Result<PutOutcome> {
        let folder = self.folders.enter_or_make(folder_of(path))?;
        if mode != PutMode::Replace && self.is_taken(path, &folder)? {
            return Ok(PutOutcome::AlreadyThere);
        }
        let mut scratch = Scratch::new(&folder)?;
        scratch.write(payload)?;
        let outcome = scratch.publish(path.file_name(), mode)?;
        match outcome {
            PutOutcome::Written => folder.sync()?,
            // The other writer may have named its object and not yet made the name durable.
            PutOutcome::AlreadyThere => drop(self.is_taken(path, &folder)?),
        }
        Ok(outcome)
    }

    /// Under a lock of the folder. Where there are no locks, two at the same moment may both succeed.
    fn try_swap(&self, path: &StorePath, expected: &Bytes, new: &Bytes) -> io::Result<bool> {
        let folder = match self.folders.enter(folder_of(path)) {
            Err(error) if is_absence(&error) => return Ok(false),
            folder => folder?,
        };
        let _lock = FolderLock::new(&self.root().join(folder_of(path)))?;
        let Some((file, size)) = open(&self.absolute(path))? else { return Ok(false) };
        if read(&file, 0..size)? != *expected {
            return Ok(false);
        }
        let mut scratch = Scratch::new(&folder)?;
        scratch.write(&[new.clone().into()])?;
        scratch.publish(path.file_name(), PutMode::Replace)?;
        folder.sync().map(|()| true)
    }

    fn try_stage(&self, path: &StorePath, payload: &[Segment]) -> io::Result<()> {
        let folder = self.folders.make(folder_of(path))?;
        let mut scratch = Scratch::new(&folder)?;
        scratch.fill(payload)?;
        scratch.publish(path.file_name(), PutMode::Replace).map(drop)
    }

    /// All that lies at a path or below, and the way to it.
    fn try_make_durable(&self, path: &StorePath) -> io::Result<()> {
        let mut all = Vec::new();
        let mut folders = vec![self.absolute(path)];
        while let Some(next) = folders.pop() {
            match fs::read_dir(&next) {
                Ok(entries) => {
                    for entry in entries {
                        let entry = entry?;
                        match entry.file_type()?.is_dir() {
                            true => folders.push(entry.path()),
                            false => all.push(entry.path()),
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotADirectory || is_absence(&error) => {}
                Err(error) => return Err(error),
            }
            all.push(next);
        }
        // Many at once: the file system makes one of what they ask.
        let sync = |file: &PathBuf| match fs::File::open(file).and_then(|file| file.sync_all()) {
            Err(error) if !is_absence(&error) => Err(error),
            _ => Ok(()),
        };
        let share = all.len().div_ceil(self.at_once());
        std::thread::scope(|scope| {
            let shares = all.chunks(share.max(1));
            let working: Vec<_> = shares.map(|share| scope.spawn(move || share.iter().try_for_each(sync))).collect();
            let lost = || Err(io::Error::other("a thread that flushed files has died"));
            working.into_iter().try_for_each(|work| work.join().unwrap_or_else(|_| lost()))
        })?;
        match self.folders.enter(folder_of(path)) {
            Ok(folder) => folder.sync().and_then(|()| self.folders.make_durable(&folder)),
            Err(error) if is_absence(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes an object, again and again while its folder is pruned.
    fn write_at<T>(&self, path: &StorePath, write: impl Fn() -> io::Result<T>) -> Result<T> {
        if is_scratch(path.file_name()) {
            return Err(Error::new(
                ErrorKind::InvalidName,
                format!("`{path}` is a name of scratch files, which no listing shows"),
            )
            .with("store", &self.name));
        }
        let mut attempt = 1;
        loop {
            match write() {
                // Somebody pruned the folder, or a foreign program swept the scratch file away.
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS && self.is_mounted() => {
                    attempt += 1;
                }
                done => return done.map_err(|cause| self.fail("write the object", path, cause)),
            }
        }
    }

    /// Gives a complete file the name of an object; false if it lies on another file system.
    fn try_adopt(&self, path: &StorePath, scratch: &Path) -> io::Result<bool> {
        let folder = self.folders.enter_or_make(folder_of(path))?;
        fs::File::open(scratch)?.sync_all()?;
        match rustix::fs::renameat(rustix::fs::CWD, scratch, &folder.file, path.file_name()) {
            Ok(()) => folder.sync().map(|()| true),
            Err(Errno::XDEV) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// True if an object is there; it is durable then, whoever wrote it.
    fn is_taken(&self, path: &StorePath, folder: &Folder) -> io::Result<bool> {
        match open(&self.absolute(path))? {
            None => Ok(false),
            Some((file, _)) => {
                file.sync_all()?;
                folder.sync()?;
                Ok(true)
            }
        }
    }

    /// Removes objects that lie in one folder; gives the folder whose entries changed, if any did, and how each went:
    /// true if it was there.
    fn delete_in(&self, folder: &Path, paths: &[StorePath]) -> io::Result<(Option<PathBuf>, Vec<io::Result<bool>>)> {
        let folder = match self.folders.enter(folder) {
            Err(error) if is_absence(&error) => return Ok((None, paths.iter().map(|_| Ok(false)).collect())),
            folder => folder?,
        };
        let unlink = |path: &StorePath| {
            let name = path.file_name();
            match rustix::fs::statat(&folder.file, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(there) if FileType::from_raw_mode(there.st_mode).is_dir() => return Ok(false),
                Ok(_) => {}
                Err(Errno::NOENT) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
            match rustix::fs::unlinkat(&folder.file, name, AtFlags::empty()) {
                Ok(()) => Ok(true),
                Err(Errno::NOENT) => Ok(false),
                Err(error) => Err(error.into()),
            }
        };
        let outcomes: Vec<io::Result<bool>> = paths.iter().map(unlink).collect();
        let changed = outcomes.iter().any(|outcome| matches!(outcome, Ok(true)));
        Ok((changed.then(|| self.folders.prune(folder)), outcomes))
    }

    /// Parts of an object, which must have the size `told`, if one is.
    fn read_ranges(&self, path: &StorePath, told: Option<u64>, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        let fail = |cause| self.fail("read the object", path, cause);
        let Some((file, size)) = open(&self.absolute(path)).map_err(fail)? else {
            return self.absent(path).map(|()| None);
        };
        if let Some(told) = told.filter(|told| *told != size) {
            return Err(self.place(other_size(told, size), path));
        }
        let read_one = |range: &Range<u64>| {
            if range.start > range.end {
                let message = format!("the range {range:?} ends before it starts");
                return Err(self.place(Error::new(ErrorKind::InvalidRequest, message), path));
            }
            // Compared first: a range from a damaged header must not make us ask for a terabyte of memory.
            let short = |found| self.place(short(path, range.end, found), path);
            if range.end > size {
                return Err(short(size));
            }
            let content = read(&file, range.clone()).map_err(fail)?;
            if (content.len() as u64) < range.end - range.start {
                return Err(short(range.start + content.len() as u64));
            }
            Ok(content)
        };
        ranges.iter().map(read_one).collect::<Result<_>>().map(Some)
    }

    fn place(&self, error: Error, path: &StorePath) -> Error {
        error.with("store", &self.name).with("path", path)
    }

    fn fail(&self, doing: &str, path: &StorePath, cause: io::Error) -> Error {
        self.place(error::storage(doing, cause), path)
    }

    /// False when the whole location disappeared: then a missing object says nothing.
    fn is_mounted(&self) -> bool {
        self.root().is_dir()
    }

    fn absent(&self, path: &StorePath) -> Result<()> {
        if self.is_mounted() {
            return Ok(());
        }
        let gone = io::Error::from(io::ErrorKind::NotFound);
        Err(self.place(error::location(&self.name, self.root(), gone), path))
    }
}

/// One failure may be that of many objects.
fn copied(cause: &io::Error) -> io::Error {
    match cause.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(cause.kind(), cause.to_string()),
    }
}

impl Store for FileStore {
    fn name(&self) -> &str {
        &self.name
    }

    /// `file:///folder/path`, percent-encoded where a URL asks for it.
    fn url(&self, path: Option<&StorePath>) -> String {
        let file = path.map_or_else(|| self.root().to_owned(), |path| self.absolute(path));
        let mut url = String::from("file://");
        for &byte in file.as_os_str().as_bytes() {
            if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte) {
                url.push(char::from(byte));
            } else {
                url.push_str(&format!("%{byte:02X}"));
            }
        }
        url
    }

    fn put(&self, path: &StorePath, payload: &[Segment], mode: PutMode) -> Result<PutOutcome> {
        self.write_at(path, || self.try_put(path, payload, mode))
    }

    fn swap(&self, path: &StorePath, expected: &Bytes, new: Bytes) -> Result<bool> {
        self.write_at(path, || self.try_swap(path, expected, &new))
    }

    fn stage(&self, path: &StorePath, payload: &[Segment]) -> Result<()> {
        self.write_at(path, || self.try_stage(path, payload))
    }

    fn make_durable(&self, path: &StorePath) -> Result<()> {
        self.try_make_durable(path).map_err(|cause| self.fail("write the object", path, cause))
    }

    fn get(&self, path: &StorePath) -> Result<Option<Bytes>> {
        let fail = |cause| self.fail("read the object", path, cause);
        let Some((file, size)) = open(&self.absolute(path)).map_err(fail)? else {
            return self.absent(path).map(|()| None);
        };
        let content = read(&file, 0..size).map_err(fail)?;
        if (content.len() as u64) < size {
            return Err(self.place(short(path, size, content.len() as u64), path));
        }
        Ok(Some(content))
    }

    fn get_ranges(&self, path: &StorePath, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        self.read_ranges(path, None, ranges)
    }

    fn get_ranges_of(&self, path: &StorePath, size: u64, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        self.read_ranges(path, Some(size), ranges)
    }

    fn head(&self, path: &StorePath) -> Result<Option<Entry>> {
        let fail = |cause| self.fail("look at the object", path, cause);
        match fs::metadata(self.absolute(path)) {
            Ok(metadata) if metadata.is_file() => {
                let modified = timestamp(metadata.modified().map_err(fail)?);
                Ok(Some(Entry { path: path.clone(), size: metadata.len(), modified }))
            }
            Ok(_) => Ok(None),
            Err(cause) if is_absence(&cause) => self.absent(path).map(|()| None),
            Err(cause) => Err(fail(cause)),
        }
    }

    fn list(&self, folder: Option<&StorePath>) -> Result<Entries<'_>> {
        if !self.is_mounted() {
            let gone = io::Error::from(io::ErrorKind::NotFound);
            return Err(error::location(&self.name, self.root(), gone));
        }
        let start = folder.map_or_else(|| self.root().to_owned(), |folder| self.absolute(folder));
        let entries = objects(Walk::new(start), self.root().to_owned());
        Ok(Box::new(entries.map(|entry| entry.map_err(|error| error.with("store", &self.name)))))
    }

    fn read_into(&self, path: &StorePath, start: u64, buffer: &mut [u8]) -> Result<bool> {
        let fail = |cause| self.fail("read the object", path, cause);
        let Some((file, size)) = open(&self.absolute(path)).map_err(fail)? else {
            return self.absent(path).map(|()| false);
        };
        match file.read_exact_at(buffer, start) {
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.place(short(path, start + buffer.len() as u64, size), path))
            }
            done => done.map(|()| true).map_err(fail),
        }
    }

    fn copy(&self, from: &StorePath, to: &StorePath, mode: PutMode) -> Result<Option<PutOutcome>> {
        if self.head(from)?.is_none() {
            return Ok(None);
        }
        let payload = [FileSegment::open(self.absolute(from))?.into()];
        self.put(to, &payload, mode).map(Some)
    }

    fn delete(&self, path: &StorePath) -> Result<()> {
        self.delete_many(std::slice::from_ref(path)).into_iter().collect()
    }

    /// Each folder in which something went is synchronised once, at the end.
    fn delete_many(&self, paths: &[StorePath]) -> Vec<Result<()>> {
        let fail = |path: &StorePath, cause| Err(self.fail("delete the object", path, cause));
        let mut done: Vec<Result<()>> = Vec::with_capacity(paths.len());
        let mut changed: BTreeMap<PathBuf, Vec<usize>> = BTreeMap::new();
        for paths in paths.chunk_by(|one, next| folder_of(one) == folder_of(next)) {
            let first = done.len();
            match self.delete_in(folder_of(&paths[0]), paths) {
                Ok((folder, outcomes)) => {
                    if let Some(folder) = folder {
                        changed.entry(folder).or_default().extend(first..first + paths.len());
                    }
                    done.extend(paths.iter().zip(outcomes).map(|(path, outcome)| match outcome {
                        Ok(true) => Ok(()),
                        Ok(false) => self.absent(path),
                        Err(cause) => fail(path, cause),
                    }));
                }
                Err(cause) => done.extend(paths.iter().map(|path| fail(path, copied(&cause)))),
            }
        }
        for (folder, places) in changed {
            if let Err(cause) = self.folders.sync(&folder) {
                for place in places {
                    done[place] = fail(&paths[place], copied(&cause));
                }
            }
        }
        done
    }

    fn now(&self) -> Result<Timestamp> {
        let fail = |cause| error::storage("ask the store for the time", cause).with("store", &self.name);
        self.clock().map(timestamp).map_err(fail)
    }

    fn sweep_scratch(&self, before: Timestamp) -> Result<usize> {
        let mut swept = 0;
        for found in Walk::of_scratch(self.root().to_owned()) {
            let found = found.map_err(|error| error.with("store", &self.name))?;
            if timestamp(found.modified) < before {
                match fs::remove_file(&found.file) {
                    Ok(()) => swept += 1,
                    Err(cause) if is_absence(&cause) => {}
                    Err(cause) => {
                        return Err(error::storage("sweep the scratch files", cause)
                            .with("store", &self.name)
                            .with("path", found.file.display()));
                    }
                }
            }
        }
        Ok(swept)
    }

    /// In the location itself: there it needs no folder that might have to go again.
    fn scratch(&self) -> Result<Option<PathBuf>> {
        let file = self.root().join(fresh_name());
        match fs::File::create_new(&file) {
            Ok(_) => Ok(Some(file)),
            Err(cause) => Err(error::storage("make a scratch file", cause).with("store", &self.name)),
        }
    }

    fn adopt(&self, path: &StorePath, scratch: &Path) -> Result<()> {
        let mut attempt = 1;
        loop {
            match self.try_adopt(path, scratch) {
                Ok(true) => return Ok(()),
                // A mount or a link splits the store.
                Ok(false) => {
                    self.put(path, &[FileSegment::open(scratch)?.into()], PutMode::Replace)?;
                    return fs::remove_file(scratch)
                        .map_err(|cause| self.fail("remove what was copied to", path, cause));
                }
                // Somebody pruned the folder.
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS && scratch.is_file() => {
                    attempt += 1;
                }
                Err(cause) => return Err(self.fail("write the object", path, cause)),
            }
        }
    }

    fn local_path(&self, path: &StorePath) -> Option<PathBuf> {
        Some(self.absolute(path))
    }
}

fn folder_of(path: &StorePath) -> &Path {
    Path::new(path.as_str()).parent().unwrap_or(Path::new(""))
}

#[cfg(test)]
mod tests;
