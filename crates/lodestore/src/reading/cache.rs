//! Objects of other machines, kept on this one: found by their checksum, so that nothing in it is ever out of date.
//!
//! The folder holds one file for each object, `{2 digits}/{64 digits}` of its SHA-256, and may be shared by programs and
//! projects. A file is whole or not there. When there is too much, the files that were not used for longest go.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use lodestore_codec::hash::verify;
use lodestore_codec::path::new_token;
use lodestore_types::PerProcess;

use crate::config::Config;

/// Identifies a file that was verified: path, inode, and creation time where the file system records it.
type VerifiedFile = (PathBuf, u64, Option<SystemTime>);

/// The files that this process has verified.
static SOUND: PerProcess<Mutex<HashSet<VerifiedFile>>> = PerProcess::new();

/// A folder of cached objects.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    folder: PathBuf,
    limit: u64,
}

/// What names content, wherever it lies.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// `sha256:` and 64 hexadecimal digits.
    checksum: String,
    pub(super) size: u64,
}

impl Identity {
    pub(super) fn new(checksum: &str, size: u64) -> Option<Self> {
        let digits = checksum.strip_prefix("sha256:")?;
        let sound = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        sound.then(|| Identity { checksum: checksum.to_owned(), size })
    }

    fn digits(&self) -> &str {
        &self.checksum["sha256:".len()..]
    }
}

impl Cache {
    /// The cache that the settings name, if they do.
    pub(super) fn of(config: &Config) -> Option<Self> {
        let folder = config.get_text("read.cache").filter(|folder| !folder.is_empty())?;
        Some(Cache { folder: folder.into(), limit: config.get_int("read.cache_size").unsigned_abs() })
    }

    /// True for what is not too large: one object must not drive out all others.
    pub(super) fn takes(&self, size: u64) -> bool {
        size <= self.limit / 2
    }

    /// The file of an object.
    pub(super) fn file(&self, identity: &Identity) -> PathBuf {
        self.folder.join(&identity.digits()[..2]).join(identity.digits())
    }

    /// The whole object, if it is here; verified if asked for. A damaged file is removed.
    pub(super) fn whole(&self, identity: &Identity, verified: bool) -> Option<Bytes> {
        let found = self.take(identity, 0..identity.size)?;
        if verified && verify(&found, &identity.checksum).is_err() {
            let _ = fs::remove_file(self.file(identity));
            return None;
        }
        Some(found)
    }

    /// A part of an object, if it is here. Each file is verified before this process first reads a part of it.
    pub(super) fn read(&self, identity: &Identity, range: Range<u64>) -> Option<Bytes> {
        let found = fs::metadata(self.file(identity)).ok()?;
        // The number of a file that was removed may be given to another.
        let file = (self.file(identity), found.ino(), found.created().ok());
        let known = || SOUND.get().lock().unwrap_or_else(PoisonError::into_inner);
        if !known().contains(&file) {
            self.whole(identity, true)?;
            known().insert(file);
        }
        self.take(identity, range)
    }

    fn take(&self, identity: &Identity, range: Range<u64>) -> Option<Bytes> {
        let file = File::open(self.file(identity)).ok()?;
        if file.metadata().ok()?.len() != identity.size || range.end > identity.size {
            return None;
        }
        // What is used stays for longer. It is only a hint: another user's file cannot be touched.
        let _ = file.set_modified(SystemTime::now());
        let mut bytes = vec![0; usize::try_from(range.end.checked_sub(range.start)?).ok()?];
        file.read_exact_at(&mut bytes, range.start).ok()?;
        Some(bytes.into())
    }

    /// Keeps an object that was read and verified. That it cannot be kept (a full disk) is no reason not to use it.
    pub(super) fn keep(&self, identity: &Identity, content: &Bytes) {
        let file = self.file(identity);
        let folder = file.parent().unwrap_or(&self.folder);
        let write = || -> std::io::Result<()> {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let scratch = folder.join(format!(".{}.part", new_token(16)));
            let written = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&scratch)
                .and_then(|mut file| file.write_all(content));
            written.and_then(|()| fs::rename(&scratch, &file)).inspect_err(|_| {
                let _ = fs::remove_file(&scratch);
            })
        };
        if write().is_ok() {
            self.shrink();
        }
    }

    /// Removes what was not used for longest, until there is a tenth of room.
    fn shrink(&self) {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for folder in entries(&self.folder) {
            for file in entries(&folder) {
                let Ok(told) = fs::metadata(&file) else { continue };
                files.push((told.modified().unwrap_or(SystemTime::UNIX_EPOCH), told.len(), file));
            }
        }
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        if total <= self.limit {
            return;
        }
        files.sort_unstable();
        for (_, size, file) in files {
            if total <= self.limit - self.limit / 10 {
                break;
            }
            if fs::remove_file(file).is_ok() {
                total -= size;
            }
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lodestore_codec::hash::checksum;

    use super::*;

    fn object(content: &'static [u8]) -> (Identity, Bytes) {
        let bytes = Bytes::from(content);
        let checksum = checksum(&bytes.clone().into()).unwrap();
        (Identity::new(&checksum, bytes.len() as u64).unwrap(), bytes)
    }

    #[test]
    fn what_is_kept_is_whole_and_what_it_says() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache { folder: home.path().join("cache"), limit: 100 };
        let (identity, content) = object(b"0123456789");
        assert!(cache.read(&identity, 0..10).is_none());
        cache.keep(&identity, &content);
        assert_eq!(cache.read(&identity, 3..5).unwrap(), "34");
        assert!(cache.read(&identity, 3..11).is_none());
        fs::write(cache.file(&identity), "cut").unwrap();
        assert!(cache.read(&identity, 0..1).is_none());
        cache.keep(&identity, &content);
        assert_eq!(cache.read(&identity, 0..10).unwrap(), content);
        // Damage is noticed by whoever reads the whole, and by a process that reads a part for the first time.
        fs::write(cache.file(&identity), "0123456780").unwrap();
        assert!(cache.whole(&identity, true).is_none() && !cache.file(&identity).exists());
        cache.keep(&identity, &Bytes::from("0123456780"));
        assert!(cache.read(&identity, 0..1).is_none() && !cache.file(&identity).exists());
        for checksum in
            ["sha256:xyz", "md5:0", "", "sha256:../../../../../../../../../../../../../../../../../../../../../../ab"]
        {
            assert!(Identity::new(checksum, 1).is_none());
        }
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache { folder: home.path().to_owned(), limit: 30 };
        let objects = [object(b"0123456789"), object(b"abcdefghij"), object(b"ABCDEFGHIJ"), object(b"last")];
        for (age, (identity, content)) in objects.iter().take(3).enumerate() {
            cache.keep(identity, content);
            let then = SystemTime::now() - Duration::from_secs(100 - age as u64);
            File::open(cache.file(identity)).unwrap().set_modified(then).unwrap();
        }
        assert!(cache.read(&objects[0].0, 0..1).is_some(), "used just now");
        cache.keep(&objects[3].0, &objects[3].1);
        let here = objects.each_ref().map(|(identity, _)| cache.read(identity, 0..1).is_some());
        assert_eq!(here, [true, false, true, true]);
        assert!(cache.takes(15) && !cache.takes(16));
    }
}
