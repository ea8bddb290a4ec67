//! References to files and folders in a store: read in parts, listed, verified, downloaded.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use lodestore_codec::hash::{Checksummer, verify, verify_checksum};
use lodestore_codec::manifest::{Difference, Manifest};
use lodestore_objects::{Store, in_parallel};
use lodestore_types::{Error, ErrorKind, Reference, Result, StorePath, Value};
use serde_json::Value as Json;

use crate::Instance;
use crate::filepath::check_named;
use crate::local::{Scratch, ScratchFolder, failed};
use crate::placement::{PIECE, stored_checksum};
use crate::reader::missing_object;
use crate::reading::{Expected, ObjectStream, Reading, is_folder};

/// A file or folder in a store: what `<object@>` and `<filepath@>` give back.
///
/// What the row tells of it is known for nothing. The store is opened when something is read, and
/// nothing here ever changes what is stored.
///
/// ```
/// # use lodestore::{Instance, ObjectRef, Tier, Value, row};
/// # let folder = tempfile::tempdir().unwrap();
/// # let lab = Instance::embedded(folder.path().join("p"))?.schema("lab")?;
/// # let scans = folder.path().join("scan.zarr");
/// # std::fs::create_dir(&scans).unwrap();
/// # std::fs::write(scans.join("0.0"), "abc").unwrap();
/// let scan = lab.declare("Scan", Tier::Manual, "id : int32\n---\nframes : <object@>")?;
/// scan.insert1(row! { "id" => 1, "frames" => scans.to_str() })?;
/// let frames = ObjectRef::from_value(scan.instance(), scan.fetch1()?.value("frames")?)?;
/// assert!(frames.is_folder() && frames.path().as_str().ends_with(".zarr"));
/// assert_eq!(frames.read(Some("0.0"))?, "abc");
/// frames.verify()?;
/// # Ok::<(), lodestore::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ObjectRef {
    instance: Instance,
    reference: Reference,
    /// What the manifest of a folder names, once it was read; `None` for a folder without one.
    named: Arc<OnceLock<Option<Named>>>,
}

/// The files that a manifest names, by their paths in the folder: size, and checksum if it is known.
type Named = HashMap<String, (u64, Option<String>)>;

impl ObjectRef {
    /// The object that a reference of a row of `instance` stands for. Nothing is read.
    pub fn open(instance: &Instance, reference: Reference) -> Self {
        ObjectRef { instance: instance.clone(), reference, named: Arc::default() }
    }

    /// Like [`ObjectRef::open`], for what a fetched row holds.
    ///
    /// # Errors
    /// `InvalidType` if the value is no reference.
    pub fn from_value(instance: &Instance, value: &Value) -> Result<Self> {
        match value {
            Value::Reference(reference) => Ok(ObjectRef::open(instance, reference.clone())),
            other => Err(Error::new(ErrorKind::InvalidType, format!("{other} is no reference to an object"))),
        }
    }

    /// The project that it belongs to.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// All that the row tells.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Where it lies in its store.
    pub fn path(&self) -> &StorePath {
        &self.reference.path
    }

    /// True for a folder.
    pub fn is_folder(&self) -> bool {
        is_folder(&self.reference)
    }

    /// Its URL, or that of a file in it.
    ///
    /// # Errors
    /// `UnknownStore`, `Storage` if the store cannot be opened; `InvalidName` for a path that leaves the folder.
    pub fn url(&self, inner: Option<&str>) -> Result<String> {
        Ok(self.store()?.url(Some(&self.at(inner)?)))
    }

    /// The file of this machine that holds it, if the store keeps files here; for reading only.
    ///
    /// # Errors
    /// As [`ObjectRef::url`].
    pub fn local_path(&self, inner: Option<&str>) -> Result<Option<PathBuf>> {
        Ok(self.store()?.local_path(&self.at(inner)?))
    }

    /// The whole file, or a file of the folder.
    ///
    /// # Errors
    /// `MissingObject`; `Corrupt` if it is not what its row, or the manifest of the folder, says; `InvalidRequest` for a
    /// folder; `Storage`.
    pub fn read(&self, inner: Option<&str>) -> Result<Bytes> {
        self.find(inner)?.ok_or_else(|| {
            missing_object(&self.reference.store, &self.at(inner).unwrap_or_else(|_| self.path().clone()))
        })
    }

    /// Like [`ObjectRef::read`]; `None` for a file that is not in the folder, and that its manifest does not name.
    ///
    /// # Errors
    /// As [`ObjectRef::read`]; `MissingObject` for a file that should be there.
    pub fn find(&self, inner: Option<&str>) -> Result<Option<Bytes>> {
        if inner.is_none() && self.is_folder() {
            return Err(self.locate(
                Error::new(ErrorKind::InvalidRequest, "a folder cannot be read as one file")
                    .with_hint("use `listdir()` or `walk()`, or name a file in it"),
            ));
        }
        let reading = self.reading(inner)?;
        match reading.get()? {
            None if reading.is_named() => Err(missing_object(&self.reference.store, &reading.path)),
            found => Ok(found),
        }
    }

    /// Like [`ObjectRef::find`], for a part of the file that ends with it if it is longer.
    ///
    /// # Errors
    /// As [`ObjectRef::find`].
    pub fn find_range(&self, inner: Option<&str>, range: Range<u64>) -> Result<Option<Bytes>> {
        let reading = self.reading(inner)?;
        match reading.get_ranges(std::slice::from_ref(&range))? {
            None if reading.is_named() => Err(missing_object(&self.reference.store, &reading.path)),
            parts => Ok(parts.and_then(|mut parts| parts.pop())),
        }
    }

    /// Reads files whole, many at once, in order.
    ///
    /// # Errors
    /// As [`ObjectRef::read`].
    pub fn read_all(objects: &[&ObjectRef]) -> Result<Vec<Bytes>> {
        let stores = objects.iter().map(|object| object.store()).collect::<Result<Vec<_>>>()?;
        let at_once = stores.iter().map(|store| store.at_once()).max().unwrap_or(0);
        in_parallel(objects, at_once, |object| object.read(None))
    }

    /// The file, or a file of the folder, to be read like a file, anywhere in it.
    ///
    /// # Errors
    /// `MissingObject`; `InvalidRequest` for a folder; `Storage`.
    pub fn stream(&self, inner: Option<&str>) -> Result<ObjectStream> {
        let reading = self.reading(inner)?;
        let size = match reading.size() {
            Some(told) => told,
            None => {
                let found = reading.store.size(&reading.path)?;
                let found = found.ok_or_else(|| missing_object(reading.store.name(), &reading.path))?;
                self.expected(inner)?.check_size(found).map_err(|error| self.locate(error))?;
                found
            }
        };
        Ok(ObjectStream::new(reading, size))
    }

    fn reading(&self, inner: Option<&str>) -> Result<Reading> {
        Reading::at(&self.instance, &self.reference.store, self.at(inner)?, self.expected(inner)?)
    }

    /// What the file, or a file of the folder, must be.
    pub(crate) fn expected(&self, inner: Option<&str>) -> Result<Expected> {
        let Some(inner) = inner.map(|inner| inner.trim_end_matches('/')).filter(|inner| !inner.is_empty()) else {
            return Ok(Expected::of(&self.reference));
        };
        let found = self.named()?.and_then(|named| named.get(inner));
        Ok(found.map(|(size, checksum)| Expected::new(*size, checksum.as_deref())).unwrap_or_default())
    }

    /// For who reads the file by other means ([`ObjectRef::local_path`]): compares its size with what its row or its
    /// manifest says, and returns size and checksum if all of it should be verified.
    ///
    /// # Errors
    /// `Corrupt` if the file has another size; `MissingObject`; `Storage`.
    pub fn to_verify(&self, inner: Option<&str>) -> Result<Option<(u64, String)>> {
        let reading = self.reading(inner)?;
        let found = reading.store.size(&reading.path)?;
        let found = match found {
            None if !reading.is_named() => return Ok(None),
            found => found.ok_or_else(|| missing_object(reading.store.name(), &reading.path))?,
        };
        self.expected(inner)?.check_size(found).map_err(|error| self.locate(error))?;
        Ok(reading.checksum().map(|checksum| (found, checksum.to_owned())))
    }

    /// What the manifest of the folder names. It is read once; with `read.verify` set to `never`, not at all.
    fn named(&self) -> Result<Option<&Named>> {
        if self.named.get().is_none() {
            let skipped = self.instance.config().get_text("read.verify").as_deref() == Some("never");
            let manifest = if skipped || !self.is_folder() { None } else { self.manifest()? };
            let named = manifest.map(|manifest| {
                manifest
                    .entries()
                    .iter()
                    .map(|entry| (entry.path.clone(), (entry.size, entry.checksum.clone())))
                    .collect()
            });
            // Another thread may have read it at the same time.
            let _ = self.named.set(named);
        }
        Ok(self.named.get().and_then(Option::as_ref))
    }

    /// The manifest of the folder; `None` for one that has none, as users and other programs make them.
    ///
    /// # Errors
    /// `Corrupt` if it is not the one that the row tells of.
    fn manifest(&self) -> Result<Option<Manifest>> {
        let told = self.reference.metadata.get("manifest").and_then(Json::as_str);
        let path = Manifest::path_for(self.path())?;
        let locate = |error: Error| error.with("store", &self.reference.store).with("path", &path);
        if self.reference.codec == "filepath" {
            return Ok(None);
        }
        let bytes = match (self.store()?.get(&path)?, told) {
            (Some(bytes), _) => bytes,
            (None, None) => return Ok(None),
            (None, Some(_)) => {
                let error = Error::new(ErrorKind::Corrupt, "the folder's manifest, of which its row tells, is missing");
                return Err(locate(error.with_hint("restore it from a backup, or call `verify` with `repair`")));
            }
        };
        told.map_or(Ok(()), |told| verify(&bytes, told)).map_err(locate)?;
        Manifest::parse(&bytes).map(Some).map_err(locate)
    }

    /// A part of the file, or of a file of the folder.
    ///
    /// # Errors
    /// `MissingObject`; `Corrupt` if it ends before the range does; `Storage`.
    pub fn read_range(&self, inner: Option<&str>, range: Range<u64>) -> Result<Bytes> {
        let path = self.at(inner)?;
        self.find_range(inner, range)?.ok_or_else(|| missing_object(&self.reference.store, &path))
    }

    /// The size of the file as it is in the store, or of a file of the folder; `None` if it is not there.
    ///
    /// # Errors
    /// `Storage`.
    pub fn size_of(&self, inner: Option<&str>) -> Result<Option<u64>> {
        self.store()?.size(&self.at(inner)?)
    }

    /// The files of the folder, or of a folder in it, by their paths in it, with their sizes.
    ///
    /// # Errors
    /// `InvalidRequest` for a file; `Storage`.
    pub fn files(&self, inner: Option<&str>) -> Result<BTreeMap<String, u64>> {
        if !self.is_folder() {
            return Err(self.locate(
                Error::new(ErrorKind::InvalidRequest, "a file cannot be listed").with_hint("use `read()` or `open()`"),
            ));
        }
        self.listed(&self.at(inner)?)
    }

    /// True if the object, or something of that path in it, is in the store.
    ///
    /// # Errors
    /// `Storage`.
    pub fn exists(&self, inner: Option<&str>) -> Result<bool> {
        let path = self.at(inner)?;
        let store = self.store()?;
        if store.size(&path)?.is_some() || store.list(Some(&path))?.next().transpose()?.is_some() {
            return Ok(true);
        }
        // A folder without files has its manifest all the same.
        Ok(inner.is_none() && self.is_folder() && store.size(&Manifest::path_for(&path)?)?.is_some())
    }

    /// Compares what is stored with what was: sizes and checksums, of every file.
    ///
    /// # Errors
    /// `Corrupt`, with what is missing, damaged or too much; `Storage`.
    pub fn verify(&self) -> Result<()> {
        if self.examine()? {
            return Ok(());
        }
        Err(self.locate(Error::new(ErrorKind::Corrupt, "the folder cannot be verified: it has no manifest").with_hint(
            "the program that wrote it writes none; insert a copy of the folder to have its files recorded",
        )))
    }

    /// Like [`ObjectRef::verify`]; false for a folder without a manifest, in which nothing is known to be wrong.
    pub(crate) fn examine(&self) -> Result<bool> {
        self.at(None)?;
        let store = self.store()?;
        match self.is_folder() {
            true => self.verify_folder(&store),
            false => self.verify_file(&*store).map(|()| true),
        }
        .map_err(|error| self.locate(error))
    }

    fn verify_file(&self, store: &dyn Store) -> Result<()> {
        let path = self.path();
        let Some(found) = store.size(path)? else {
            return Err(Error::new(ErrorKind::Corrupt, format!("file does not exist: `{path}`")));
        };
        if let Some(expected) = self.reference.size().filter(|expected| *expected != found) {
            let message = format!("size mismatch for `{path}`: expected {expected}, got {found}");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let Some(expected) = self.reference.metadata.get("checksum").and_then(Json::as_str) else { return Ok(()) };
        let found = stored_checksum(store, path, found)?.unwrap_or_default();
        verify_checksum(&found, expected)
    }

    fn verify_folder(&self, store: &Arc<dyn Store>) -> Result<bool> {
        let found = self.listed(self.path())?;
        let Some(manifest) = self.manifest()? else { return self.verify_totals(&found) };
        let mut faults: Vec<String> = manifest
            .compare(found.iter().map(|(path, size)| (path.as_str(), *size)))
            .iter()
            .map(Difference::to_string)
            .collect();
        let damaged = |entry: &lodestore_codec::manifest::Entry| -> Result<Option<String>> {
            let (Some(expected), Some(size)) = (&entry.checksum, found.get(&entry.path)) else { return Ok(None) };
            let path = self.path().join(&entry.path)?;
            let sound = *size != entry.size || stored_checksum(&**store, &path, *size)?.as_ref() == Some(expected);
            Ok((!sound).then(|| format!("checksum mismatch for `{}`", entry.path)))
        };
        let damaged = in_parallel(manifest.entries(), store.at_once(), damaged)?;
        faults.extend(damaged.into_iter().flatten());
        if faults.is_empty() {
            return Ok(true);
        }
        Err(Error::new(ErrorKind::Corrupt, format!("folder verification failed: {}", faults.join("; "))))
    }

    /// Without a manifest, as other programs leave folders, there is only what the row counts: it can show that the folder
    /// is damaged, and never that it is sound.
    fn verify_totals(&self, found: &BTreeMap<String, u64>) -> Result<bool> {
        let told = |key: &str| self.reference.metadata.get(key).and_then(Json::as_u64);
        let found = [("item_count", found.len() as u64), ("size", found.values().sum())];
        for (key, found) in found {
            if let Some(expected) = told(key).filter(|expected| *expected != found) {
                let message = format!("folder verification failed: `{key}` is {found}, its row says {expected}");
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
        }
        if found[0].1 == 0 && told("item_count").is_none() {
            return Err(Error::new(ErrorKind::Corrupt, format!("folder does not exist: `{}`", self.path())));
        }
        // What is in a folder of the user's is the user's affair.
        Ok(self.reference.codec == "filepath")
    }

    /// Copies the object, or a part of a folder, out of the store; gives the path that holds it.
    ///
    /// A file goes to `destination`, or into it if that is a folder. The content of a folder goes to
    /// `destination`; if something else is there already, into a folder of the object's own name in
    /// it. What was downloaded before is replaced in one step: nobody sees half of it.
    ///
    /// # Errors
    /// `MissingObject`, `Corrupt` if the object is not what its row says; `Storage`.
    pub fn download(&self, destination: &Path, inner: Option<&str>) -> Result<PathBuf> {
        let path = self.at(inner)?;
        let store = self.store()?;
        match store.size(&path)? {
            Some(size) => self.download_file(&path, size, destination, inner),
            None if self.is_folder() => self.download_folder(&store, &path, destination),
            None => Err(missing_object(store.name(), &path)),
        }
    }

    fn download_file(&self, path: &StorePath, size: u64, destination: &Path, inner: Option<&str>) -> Result<PathBuf> {
        let target = if destination.is_dir() { destination.join(path.file_name()) } else { destination.to_owned() };
        let folder = folder_of(&target)?;
        let mut scratch = Scratch::new(&folder)?;
        let reading = self.reading(inner)?;
        let read = |range| reading.get_ranges(std::slice::from_ref(&range));
        self.expected(inner)?.check_size(size).map_err(|error| self.locate(error))?;
        if !copy(read, reading.at_a_time(), size, &reading, &mut scratch).map_err(|error| self.locate(error))? {
            return Err(missing_object(&self.reference.store, path));
        }
        scratch.replace(&target)?;
        Ok(target)
    }

    fn download_folder(&self, store: &Arc<dyn Store>, path: &StorePath, destination: &Path) -> Result<PathBuf> {
        let mut files = self.listed(path)?;
        let within = path.as_str().strip_prefix(self.path().as_str()).unwrap_or_default().trim_start_matches('/');
        for (named, (size, _)) in self.named()?.into_iter().flatten() {
            let inner = match within {
                "" => Some(named.as_str()),
                within => named.strip_prefix(within).and_then(|rest| rest.strip_prefix('/')),
            };
            // What is not listed is missing, which reading it will tell.
            if let Some(inner) = inner.filter(|inner| !files.contains_key(*inner)) {
                files.insert(inner.to_owned(), *size);
            }
        }
        // A folder may be empty, but not what lies in one.
        if files.is_empty() && (!within.is_empty() || !self.exists(None)?) {
            return Err(missing_object(store.name(), path));
        }
        let target =
            if holds_only(destination, &files) { destination.to_owned() } else { destination.join(path.file_name()) };
        let scratch = ScratchFolder::new(&folder_of(&target)?)?;
        let files: Vec<(&String, &u64)> = files.iter().collect();
        in_parallel(&files, store.at_once(), |(inner, size)| {
            let file = scratch.0.join(inner);
            let folder = folder_of(&file)?;
            let mut part = Scratch::new(&folder)?;
            let path = path.join(inner)?;
            let inner = if within.is_empty() { (*inner).clone() } else { format!("{within}/{inner}") };
            let reading = self.reading(Some(&inner))?;
            self.expected(Some(&inner))?.check_size(**size).map_err(|error| self.locate(error))?;
            let read = |range| reading.get_ranges(std::slice::from_ref(&range));
            // An empty file is not asked for, though it may be missing.
            let is_there = **size > 0 || store.size(&path)?.is_some();
            if !is_there || !copy(read, PIECE, **size, &reading, &mut part)? {
                return Err(missing_object(store.name(), &path));
            }
            part.replace(&file)
        })?;
        scratch.replace(&target)?;
        Ok(target)
    }

    /// The files in a folder of the store, by their paths in it.
    fn listed(&self, folder: &StorePath) -> Result<BTreeMap<String, u64>> {
        let store = self.store()?;
        let mut files = BTreeMap::new();
        for entry in store.list(Some(folder))? {
            let entry = entry?;
            if let Some(inner) =
                entry.path.as_str().strip_prefix(folder.as_str()).and_then(|rest| rest.strip_prefix('/'))
            {
                files.insert(inner.to_owned(), entry.size);
            }
        }
        Ok(files)
    }

    /// The path of something in the object: never outside it, and never where a row may not point.
    fn at(&self, inner: Option<&str>) -> Result<StorePath> {
        let path = self.path_of(inner)?;
        check_named(&self.instance, &self.reference, &path).map_err(|error| self.locate(error))?;
        Ok(path)
    }

    fn path_of(&self, inner: Option<&str>) -> Result<StorePath> {
        match inner.map(|inner| inner.trim_end_matches('/')).filter(|inner| !inner.is_empty()) {
            None => Ok(self.path().clone()),
            Some(inner) if self.is_folder() => self.path().join(inner),
            Some(_) => Err(self.locate(Error::new(ErrorKind::InvalidRequest, "a file has no files in it"))),
        }
    }

    fn store(&self) -> Result<Arc<dyn Store>> {
        self.instance.store(&self.reference.store)
    }

    fn locate(&self, error: Error) -> Error {
        error.with("store", &self.reference.store).with("path", self.path())
    }
}

/// Copies an object of this size into a file, and verifies it if its checksum is known. `read` returns a part of it, of
/// at most `at_a_time` bytes.
fn copy(
    read: impl Fn(Range<u64>) -> Result<Option<Vec<Bytes>>>,
    at_a_time: u64,
    size: u64,
    reading: &Reading,
    to: &mut Scratch,
) -> Result<bool> {
    let expected = reading.checksum();
    let mut checksummer = Checksummer::default();
    for start in (0..size).step_by(at_a_time as usize) {
        let Some(parts) = read(start..size.min(start + at_a_time))? else { return Ok(false) };
        for part in &parts {
            if expected.is_some() {
                checksummer.update(part);
            }
            to.write(part)?;
        }
    }
    expected.map_or(Ok(()), |expected| reading.compare(&checksummer.finish(), expected))?;
    Ok(true)
}

/// The folder of a file that is to be written, made if it is missing.
fn folder_of(target: &Path) -> Result<PathBuf> {
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&folder).map_err(|cause| failed("create the folder", &folder, cause))?;
    Ok(folder)
}

/// True if nothing is at `folder`, or a folder of none but these files: an earlier download.
fn holds_only(folder: &Path, files: &BTreeMap<String, u64>) -> bool {
    fn look(folder: &Path, within: &str, files: &BTreeMap<String, u64>) -> std::io::Result<bool> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { return Ok(false) };
            let inner = if within.is_empty() { name } else { format!("{within}/{name}") };
            let known = if entry.file_type()?.is_dir() {
                look(&entry.path(), &inner, files)?
            } else {
                files.contains_key(&inner)
            };
            if !known {
                return Ok(false);
            }
        }
        Ok(true)
    }
    match fs::symlink_metadata(folder) {
        Err(_) => true,
        Ok(found) => found.is_dir() && look(folder, "", files).unwrap_or(false),
    }
}
