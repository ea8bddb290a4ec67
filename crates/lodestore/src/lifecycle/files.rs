//! Intents in files: for a database in which nobody else can write while a transaction is open.
//!
//! Each process has a file of its own in one folder, locked as long as the process lives. A line is a batch of intents,
//! flushed before the call returns, or strikes one. When none is left the file is emptied. So what lies in a file
//! that nobody holds was left by a process that is gone.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use lodestore_types::{Error, ErrorKind, Result, SchemaName, Uuid};
use serde_json::{Value as Json, json};

use super::object::Named;
use crate::private;

/// So often a file is read that makes no sense.
const ATTEMPTS: usize = 5;

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
    /// Keeps others from taking it up as well.
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
        if own.as_ref().is_none_or(|own| own.process != std::process::id()) {
            *own = Some(Own::create(&self.folder).map_err(|cause| self.unusable("create a file", cause))?);
        }
        let Some(own) = own.as_mut() else { return Ok(()) };
        let mut line = json!({ "schema": schema.as_str(), "batch": batch, "named": named.to_json() }).to_string();
        line.push('\n');
        let written = own.file.write_all(line.as_bytes()).and_then(|()| own.file.sync_data());
        written.map_err(|cause| self.unusable("write", cause))?;
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
            true => own.file.set_len(0),
            false => own.file.write_all(format!("{}\n", json!({ "struck": batch })).as_bytes()),
        };
        struck.map_err(|cause| self.unusable("write", cause))
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
                match read(&content) {
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

    /// The files of processes that are gone.
    pub(crate) fn abandoned(&self) -> Result<Vec<Abandoned>> {
        let mut found = Vec::new();
        for path in self.files()? {
            let mut file = match File::open(&path) {
                Ok(file) => file,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
                Err(cause) => return Err(self.unusable("open", cause)),
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(cause)) => return Err(self.unusable("lock", cause)),
            }
            let mut content = Vec::new();
            file.read_to_end(&mut content).map_err(|cause| self.unusable("read", cause))?;
            found.push(Abandoned { path, _lock: file, batches: read(&content)? });
        }
        Ok(found)
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
        let (hidden, path) = (folder.join(format!(".{name}")), folder.join(format!("{name}.intents")));
        let file = OpenOptions::new().create_new(true).append(true).mode(private::mode(&hidden)).open(&hidden)?;
        file.lock()?;
        // Nobody sees it before it is locked: it would be taken for one of the dead.
        fs::rename(&hidden, &path)?;
        File::open(folder)?.sync_all()?;
        Ok(Own { process: std::process::id(), path, file, live: Vec::new() })
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

/// The batches of a file that were not struck. A last line that was cut short was never relied on.
fn read(content: &[u8]) -> Result<Vec<Filed>> {
    let mut found: Vec<Filed> = Vec::new();
    for line in content.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        let strange = |_| Error::new(ErrorKind::Corrupt, "a file of intents holds what is no intent");
        let entry: Json = serde_json::from_slice(line).map_err(strange)?;
        match (&entry["struck"], &entry["schema"], &entry["batch"]) {
            (Json::String(struck), ..) => found.retain(|filed| filed.batch != *struck),
            (_, Json::String(schema), Json::String(batch)) => found.push(Filed {
                schema: SchemaName::new(schema)?,
                batch: batch.clone(),
                named: Named::from_json(&entry["named"])?,
            }),
            _ => return Err(Error::new(ErrorKind::Corrupt, "a file of intents holds what is no intent")),
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
        assert!(second.all().unwrap().is_empty() && second.abandoned().unwrap().is_empty());
        first.intend(&schema, "1", &named("a")).unwrap();
        first.intend(&schema, "2", &named("b")).unwrap();
        second.intend(&schema, "3", &named("c")).unwrap();
        first.strike("1").unwrap();
        let all = second.all().unwrap();
        let mut seen = paths(&all);
        seen.sort_unstable();
        assert_eq!(seen, ["b", "c"]);
        // Both live.
        assert!(second.abandoned().unwrap().is_empty());
        drop(first);
        let found = second.abandoned().unwrap();
        assert_eq!(paths(&found[0].batches), ["b"]);
        // Nobody takes it up twice.
        assert!(second.abandoned().unwrap().is_empty());
        found.into_iter().for_each(|abandoned| abandoned.forget().unwrap());
        second.strike("3").unwrap();
        assert!(second.all().unwrap().is_empty());
        drop(second);
        assert_eq!(fs::read_dir(place).unwrap().count(), 0);
    }

    #[test]
    fn a_line_that_was_cut_short_counts_for_nothing() {
        let line = json!({"schema": "lab", "batch": "1", "named": named("a").to_json()}).to_string();
        assert_eq!(read(format!("{line}\n{}", &line[..20]).as_bytes()).unwrap().len(), 1);
        assert!(read(b"{}\n").is_err() && read(b"nonsense\n").is_err());
    }
}
