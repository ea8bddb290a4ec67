//! Intents in files: for a database in which nobody else can write while a transaction is open.
//!
//! Each process has a file of its own in one folder, locked as long as the process lives. A line is a record: a batch of
//! intents, flushed before the call returns, or one that strikes a batch. When none is left the file is emptied. So what is
//! in a file that nobody holds was left by a process that is gone.
//!
//! A record ends in its length and checksum. One that is cut short, because the disk was full or the machine failed, was
//! never relied on; one that is otherwise wrong may name anything, and keeps collectors from deleting.
//!
//! Where the file system has no locks, the name of the file ends in `.lease.intents`, and its process touches it; it counts
//! as left when that has not happened for the time of a lease. Locks that are only seen by one machine do no harm either:
//! whoever takes over a file renames it in a transaction of the database, and a writer fails whose file has gone.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lodestore_types::{Error, ErrorKind, Result, SchemaName, Uuid};
use serde_json::{Value as Json, json};

use super::object::Named;
use crate::private;

/// So often a file is read that makes no sense.
const ATTEMPTS: usize = 5;
/// How the name of a file ends that its process touches instead of holding a lock.
const LEASED: &str = ".lease.intents";
/// How the name of a file ends that a collector has taken over.
const TAKEN: &str = ".taken.intents";

/// The folder of intents beside a database.
#[derive(Debug)]
pub(crate) struct IntentFolder {
    folder: PathBuf,
    own: Mutex<Option<Own>>,
}

/// The file of this process.
#[derive(Debug)]
struct Own {
    process: u32,
    path: PathBuf,
    file: File,
    is_locked: bool,
    /// The length of the whole records, in bytes.
    length: u64,
    /// True if a record may be cut short in it.
    is_torn: bool,
    live: Vec<String>,
}

/// A batch of intents as a file has it.
#[derive(Debug, Clone)]
pub(crate) struct Filed {
    pub(crate) schema: SchemaName,
    batch: String,
    pub(crate) named: Named,
}

/// The file of a process that is gone; held until it is dropped.
#[derive(Debug)]
pub(crate) struct Abandoned {
    path: PathBuf,
    /// Keeps others from taking it up as well, where there are locks.
    _lock: File,
    pub(crate) batches: Vec<Filed>,
}

impl IntentFolder {
    pub(crate) fn new(folder: PathBuf) -> Self {
        IntentFolder { folder, own: Mutex::new(None) }
    }

    /// Adds a batch; durable when it returns.
    pub(crate) fn intend(&self, schema: &SchemaName, batch: &str, named: &Named) -> Result<()> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        // A forked child must not write into its parent's file.
        if own.as_ref().is_none_or(|own| own.process != std::process::id() || !own.is_there()) {
            *own = Some(Own::create(&self.folder).map_err(|cause| self.unusable("create a file", cause))?);
        }
        let Some(own) = own.as_mut() else { return Ok(()) };
        let entry = json!({ "schema": schema.as_str(), "batch": batch, "named": named.to_json() });
        own.add(&entry).and_then(|()| own.file.sync_data()).map_err(|cause| self.unusable("write", cause))?;
        own.live.push(batch.to_owned());
        Ok(())
    }

    /// Strikes a batch.
    pub(crate) fn strike(&self, batch: &str) -> Result<()> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = own.as_mut().filter(|own| own.process == std::process::id()) else { return Ok(()) };
        own.live.retain(|live| live != batch);
        // What comes back after a crash is looked at and found to be named: it need not be flushed.
        let struck = match own.live.is_empty() {
            true => own.file.set_len(0).map(|()| (own.length, own.is_torn) = (0, false)),
            false => own.add(&json!({ "struck": batch })),
        };
        struck.map_err(|cause| self.unusable("write", cause))
    }

    /// False if a collector has taken over some of these batches of this process. Asked in a transaction that writes:
    /// nobody takes them over before that ends.
    pub(super) fn holds<'a>(&self, mut batches: impl Iterator<Item = &'a str>) -> bool {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        match own.as_ref().filter(|own| own.process == std::process::id()) {
            Some(own) => own.is_there() && batches.all(|batch| own.live.iter().any(|live| live == batch)),
            // A forked child settles what its parent has intended.
            None => true,
        }
    }

    /// True if the file of this process has to be touched as long as it holds intents.
    pub(super) fn is_leased(&self) -> bool {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|own| !own.is_locked)
    }

    /// Touches the file of this process.
    pub(super) fn touch(&self) -> Result<()> {
        use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = own.as_ref().filter(|own| own.process == std::process::id()) else { return Ok(()) };
        let now = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        };
        futimens(&own.file, &now).map_err(|cause| self.unusable("touch a file", cause.into()))
    }

    /// All intents there are, of the living and of the dead.
    pub(crate) fn all(&self) -> Result<Vec<Filed>> {
        let mut all = Vec::new();
        for path in self.files()? {
            let mut attempt = 1;
            loop {
                let content = match fs::read(&path) {
                    Ok(content) => content,
                    Err(cause) if cause.kind() == io::ErrorKind::NotFound => break,
                    Err(cause) => return Err(self.unusable("read", cause)),
                };
                match read(&content).map_err(|error| unreadable(error, &path)) {
                    // Emptied and written again while it was read.
                    Err(_) if attempt < ATTEMPTS => attempt += 1,
                    batches => {
                        all.extend(batches?);
                        break;
                    }
                }
            }
        }
        Ok(all)
    }

    /// The files of processes that are gone; where there are no locks, those not touched for so many seconds.
    pub(crate) fn abandoned(&self, lease: i64) -> Result<Vec<Abandoned>> {
        let mut found = Vec::new();
        for path in self.files()? {
            let mut file = match File::open(&path) {
                Ok(file) => file,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
                Err(cause) => return Err(self.unusable("open", cause)),
            };
            let ends_in = |end: &str| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(end));
            let is_left = match file.try_lock() {
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(cause)) if !is_lockless(&cause) => return Err(self.unusable("lock", cause)),
                Ok(()) if !ends_in(LEASED) => true,
                _ => ends_in(TAKEN) || self.is_old(&file, lease)?,
            };
            if !is_left {
                continue;
            }
            let mut content = Vec::new();
            file.read_to_end(&mut content).map_err(|cause| self.unusable("read", cause))?;
            let batches = read(&content).map_err(|error| unreadable(error, &path))?;
            found.push(Abandoned { path, _lock: file, batches });
        }
        Ok(found)
    }

    /// True if a file has not been touched for so many seconds, by the clock of its file system.
    fn is_old(&self, file: &File, lease: i64) -> Result<bool> {
        let clock = self.folder.join(format!(".clock-{}", Uuid::new_v4().simple()));
        let now = File::create_new(&clock).and_then(|file| file.metadata()?.modified());
        let _ = fs::remove_file(&clock);
        let modified = file.metadata().and_then(|metadata| metadata.modified());
        let (now, modified) =
            now.and_then(|now| Ok((now, modified?))).map_err(|cause| self.unusable("tell the age of a file", cause))?;
        let lease = Duration::from_secs(lease.try_into().unwrap_or(0));
        Ok(now.duration_since(modified).is_ok_and(|age| age > lease))
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(self.unusable("list", cause)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|cause| self.unusable("list", cause))?.path();
            if path.extension().is_some_and(|extension| extension == "intents") {
                files.push(path);
            }
        }
        Ok(files)
    }

    fn unusable(&self, doing: &str, cause: io::Error) -> Error {
        let message = format!("cannot {doing} in the folder of intents {}: {cause}", self.folder.display());
        Error::new(ErrorKind::Storage, message)
            .with_hint("the folder lies beside the database and must be writable wherever that is")
            .with_source(cause)
    }
}

impl Own {
    fn create(folder: &Path) -> io::Result<Self> {
        private::make_folder(folder)?;
        let name = Uuid::new_v4().simple().to_string();
        let hidden = folder.join(format!(".{name}"));
        let file = OpenOptions::new().create_new(true).append(true).mode(private::mode(&hidden)).open(&hidden)?;
        let is_locked = match file.lock() {
            Err(cause) if is_lockless(&cause) => false,
            locked => locked.map(|()| true)?,
        };
        let path = folder.join(format!("{name}{}", if is_locked { ".intents" } else { LEASED }));
        // Nobody sees it before it is locked: it would be taken for one of the dead.
        fs::rename(&hidden, &path)?;
        File::open(folder)?.sync_all()?;
        Ok(Own { process: std::process::id(), path, file, is_locked, length: 0, is_torn: false, live: Vec::new() })
    }

    /// True if the file is still where others see it.
    fn is_there(&self) -> bool {
        let number = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let here = fs::symlink_metadata(&self.path).map(number);
        here.is_ok() && here.ok() == self.file.metadata().map(number).ok()
    }

    /// Adds a record; if it does not fit, the file is as it was.
    fn add(&mut self, entry: &Json) -> io::Result<()> {
        let text = record(entry);
        // What was cut short, and could not be removed, ends here.
        let line = if self.is_torn { format!("\n{text}\n") } else { format!("{text}\n") };
        match self.file.write_all(line.as_bytes()) {
            Ok(()) => {
                self.length += line.len() as u64;
                self.is_torn = false;
                Ok(())
            }
            Err(error) => {
                self.is_torn = self.file.set_len(self.length).is_err();
                Err(error)
            }
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if self.live.is_empty() && self.process == std::process::id() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Abandoned {
    /// Takes the file over, so that its process, should it live after all, cannot commit what it intended. Called in a
    /// transaction that writes. False if another collector was first.
    pub(crate) fn take(&mut self) -> Result<bool> {
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(TAKEN) {
            return Ok(true);
        }
        let taken = self.path.with_file_name(format!("{}{TAKEN}", name.split('.').next().unwrap_or(&name)));
        match fs::rename(&self.path, &taken) {
            Ok(()) => {
                self.path = taken;
                Ok(true)
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => {
                let message = format!("cannot rename {}: {cause}", self.path.display());
                Err(Error::new(ErrorKind::Storage, message).with_source(cause))
            }
        }
    }

    /// Deletes the file.
    pub(crate) fn forget(self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                let message = format!("cannot delete {}: {cause}", self.path.display());
                Err(Error::new(ErrorKind::Storage, message).with_source(cause))
            }
            _ => Ok(()),
        }
    }
}

/// True for the errors of a file system that has no locks.
fn is_lockless(cause: &io::Error) -> bool {
    use rustix::io::Errno;
    let lockless = [Errno::NOLCK, Errno::NOSYS, Errno::NOTSUP, Errno::INVAL];
    cause.kind() == io::ErrorKind::Unsupported
        || cause.raw_os_error().is_some_and(|code| lockless.contains(&Errno::from_raw_os_error(code)))
}

/// An entry with its length and checksum, which programs that know of neither pass over.
fn record(entry: &Json) -> String {
    let text = entry.to_string();
    let sum = format!("{}:{:08x}", text.len(), crc32fast::hash(text.as_bytes()));
    format!("{},\"{SUM}\":\"{sum}\"}}", &text[..text.len() - 1])
}

/// The name of the last value of a record.
const SUM: &str = "sum";

/// The entry of a record, if that is whole. Older programs wrote records without a checksum.
fn entry_of(record: &[u8]) -> serde_json::Result<Json> {
    let entry: Json = serde_json::from_slice(record)?;
    let is_whole = match entry[SUM].as_str() {
        None => true,
        Some(sum) => {
            let end = format!(",\"{SUM}\":\"{sum}\"}}");
            let text = record.strip_suffix(end.as_bytes()).map(|text| [text, b"}"].concat());
            text.is_some_and(|text| sum == format!("{}:{:08x}", text.len(), crc32fast::hash(&text)))
        }
    };
    match is_whole {
        true => Ok(entry),
        false => Err(serde::de::Error::custom("the checksum is another")),
    }
}

/// The entry in a line, if it has one: a record that was cut short may precede it.
fn entry_in(line: &[u8]) -> Result<Option<Json>> {
    let error = match entry_of(line) {
        Ok(entry) => return Ok(Some(entry)),
        Err(error) => error,
    };
    if error.is_eof() {
        return Ok(None);
    }
    let starts = (1..line.len()).filter(|at| line[*at..].starts_with(b"{\""));
    for at in starts {
        if let Ok(entry) = entry_of(&line[at..])
            && (entry["struck"].is_string() || entry["batch"].is_string())
            && entry_of(&line[..at]).is_err_and(|error| error.is_eof())
        {
            return Ok(Some(entry));
        }
    }
    Err(strange())
}

fn strange() -> Error {
    Error::new(ErrorKind::Corrupt, "a file of intents contains a record that this version does not understand")
}

fn unreadable(error: Error, path: &Path) -> Error {
    Error::new(ErrorKind::Corrupt, error.message()).with("file", path.display()).with_hint(
        "nothing is deleted meanwhile; if no other program works on this project, and none of a newer version did, delete \
         this file and run a full collection",
    )
}

/// The batches of a file that were not struck.
fn read(content: &[u8]) -> Result<Vec<Filed>> {
    let mut found: Vec<Filed> = Vec::new();
    let lines = content.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    for line in lines.filter(|line| !line.is_empty()) {
        let Some(entry) = entry_in(line)? else { continue };
        match (&entry["struck"], &entry["schema"], &entry["batch"]) {
            (Json::String(struck), ..) => found.retain(|filed| filed.batch != *struck),
            (_, Json::String(schema), Json::String(batch)) => found.push(Filed {
                schema: SchemaName::new(schema)?,
                batch: batch.clone(),
                named: Named::from_json(&entry["named"])?,
            }),
            _ => return Err(strange()),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::object::Object;
    use lodestore_types::StorePath;

    fn named(path: &str) -> Named {
        let object = Object { store: "main".into(), path: StorePath::new(path).unwrap(), tree: false };
        Named { all_hashes: false, objects: vec![object] }
    }

    fn paths(filed: &[Filed]) -> Vec<&str> {
        filed.iter().flat_map(|filed| &filed.named.objects).map(|object| object.path.as_str()).collect()
    }

    #[test]
    fn what_was_not_struck_is_found_by_those_who_come_later() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("intents");
        let schema = SchemaName::new("lab").unwrap();
        let (first, second) = (IntentFolder::new(place.clone()), IntentFolder::new(place.clone()));
        assert!(second.all().unwrap().is_empty() && second.abandoned(600).unwrap().is_empty());
        first.intend(&schema, "1", &named("a")).unwrap();
        first.intend(&schema, "2", &named("b")).unwrap();
        second.intend(&schema, "3", &named("c")).unwrap();
        first.strike("1").unwrap();
        let all = second.all().unwrap();
        let mut seen = paths(&all);
        seen.sort_unstable();
        assert_eq!(seen, ["b", "c"]);
        // Both live.
        assert!(second.abandoned(600).unwrap().is_empty());
        drop(first);
        let found = second.abandoned(600).unwrap();
        assert_eq!(paths(&found[0].batches), ["b"]);
        // Nobody takes it up twice.
        assert!(second.abandoned(600).unwrap().is_empty());
        found.into_iter().for_each(|abandoned| abandoned.forget().unwrap());
        second.strike("3").unwrap();
        assert!(second.all().unwrap().is_empty());
        drop(second);
        assert_eq!(fs::read_dir(place).unwrap().count(), 0);
    }

    #[test]
    fn a_record_that_was_cut_short_counts_for_nothing() {
        let entry = |batch: &str| json!({"schema": "lab", "batch": batch, "named": named(batch).to_json()});
        for line in [record(&entry("1")), entry("1").to_string()] {
            let next = record(&entry("2"));
            for cut in [1, 8, 20, line.len() - 1] {
                let torn = &line[..cut];
                for (content, whole) in [
                    (format!("{line}\n{torn}"), 1),
                    // Written by versions that did not remove what was cut short, and after a removal that failed.
                    (format!("{line}\n{torn}{next}\n"), 2),
                    (format!("{line}\n{torn}\n{next}\n"), 2),
                    (format!("{line}\n{torn}{}\n", record(&json!({"struck": "1"}))), 0),
                ] {
                    assert_eq!(read(content.as_bytes()).unwrap().len(), whole, "{content}");
                }
            }
        }
    }

    #[test]
    fn a_record_that_was_changed_may_name_anything() {
        let line = record(&json!({"schema": "lab", "batch": "1", "named": named("path/x").to_json()}));
        for content in [line.replace("path/x", "path/y"), line.replace("\"batch\"", "batch"), "{}".into(), "?".into()] {
            assert!(read(format!("{content}\n").as_bytes()).is_err(), "{content}");
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.intents"), "nonsense\n").unwrap();
        let error = IntentFolder::new(folder.path().to_owned()).all().unwrap_err();
        assert!(
            error.to_string().contains("x.intents") && error.hint().unwrap().contains("delete this file"),
            "{error}"
        );
    }

    #[test]
    fn what_a_full_disk_cuts_short_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut own = Own::create(folder.path()).unwrap();
        own.add(&json!({"struck": "1"})).unwrap();
        let length = own.length;
        own.file.write_all(b"{\"batch").unwrap();
        let file = std::mem::replace(&mut own.file, File::options().append(true).open("/dev/full").unwrap());
        assert!(own.add(&json!({"struck": "2"})).is_err());
        own.file = file;
        // The other file could not be shortened.
        assert!(own.is_torn && own.length == length);
        own.add(&json!({"struck": "3"})).unwrap();
        assert!(read(&fs::read(&own.path).unwrap()).unwrap().is_empty());
    }

    #[test]
    fn whoever_lost_its_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let schema = SchemaName::new("lab").unwrap();
        let writer = IntentFolder::new(folder.path().to_owned());
        writer.intend(&schema, "1", &named("a")).unwrap();
        assert!(writer.holds(["1"].into_iter()));
        // As where a lock is seen by one machine only.
        let lock = writer.own.lock().unwrap().as_ref().unwrap().file.try_clone().unwrap();
        lock.unlock().unwrap();
        let other = IntentFolder::new(folder.path().to_owned());
        let mut found = other.abandoned(600).unwrap();
        assert!(found[0].take().unwrap() && !writer.holds(["1"].into_iter()));
        assert_eq!(paths(&other.all().unwrap()), ["a"], "it counts until it is released");
        drop(found);
        other.abandoned(600).unwrap().into_iter().for_each(|abandoned| abandoned.forget().unwrap());
        writer.intend(&schema, "2", &named("b")).unwrap();
        assert!(
            !writer.holds(["1"].into_iter())
                && writer.holds(["2"].into_iter())
                && paths(&other.all().unwrap()) == ["b"]
        );
    }

    #[test]
    fn without_locks_a_file_is_left_when_it_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let schema = SchemaName::new("lab").unwrap();
        let writer = IntentFolder::new(folder.path().to_owned());
        writer.intend(&schema, "1", &named("a")).unwrap();
        {
            let mut own = writer.own.lock().unwrap();
            let own = own.as_mut().unwrap();
            let leased = folder.path().join(format!("x{LEASED}"));
            fs::rename(&own.path, &leased).unwrap();
            own.file.unlock().unwrap();
            (own.path, own.is_locked) = (leased, false);
        }
        let other = IntentFolder::new(folder.path().to_owned());
        assert!(writer.is_leased() && other.abandoned(600).unwrap().is_empty());
        let age = |seconds: u64| {
            let own = writer.own.lock().unwrap();
            let time = std::time::SystemTime::now() - Duration::from_secs(seconds);
            own.as_ref().unwrap().file.set_modified(time).unwrap();
        };
        age(601);
        assert_eq!(other.abandoned(600).unwrap().len(), 1);
        writer.touch().unwrap();
        assert!(other.abandoned(600).unwrap().is_empty());
    }
}
