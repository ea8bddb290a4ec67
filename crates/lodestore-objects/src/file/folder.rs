//! Folders inside a store: entered without leaving it, made durably, pruned when empty.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use lodestore_types::PerProcess;
use rustix::fs::{Mode, OFlags, mkdirat};

use super::error::outside;

/// How many folders are remembered as durable before the memory starts anew.
const REMEMBERED: usize = 4096;

/// The folders below one root.
#[derive(Debug)]
pub(super) struct Folders {
    root: PathBuf,
    /// Folders whose own entry is known to be on the disk, by device and inode.
    ///
    /// A folder that exists may have been made an instant ago by a writer that has not synchronised
    /// it yet; an object in it is durable only when the folder is. So each is synchronised once.
    durable: PerProcess<Mutex<HashSet<(u64, u64)>>>,
}

/// A folder that was entered: what happens next happens in this very folder, wherever its path leads by then.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) file: File,
    path: PathBuf,
}

impl Folder {
    /// Makes its entries durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Folders {
    pub(super) fn new(root: PathBuf) -> Self {
        Folders { root, durable: PerProcess::new() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Enters a folder that exists; the path is relative to the root.
    ///
    /// Fails with `PermissionDenied` if a link on the way leads out of the root.
    pub(super) fn enter(&self, relative: &Path) -> io::Result<Folder> {
        let path = fs::canonicalize(self.root.join(relative))?;
        if !path.starts_with(&self.root) {
            return Err(outside(&self.root, &path));
        }
        let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits() as i32;
        Ok(Folder { file: OpenOptions::new().read(true).custom_flags(flags).open(&path)?, path })
    }

    /// Enters a folder, making it and those above it where they are missing; the way to it is durable then.
    ///
    /// May fail with `NotFound` when another thread or process prunes the folders meanwhile.
    pub(super) fn enter_or_make(&self, relative: &Path) -> io::Result<Folder> {
        let folder = self.make(relative)?;
        self.make_durable(&folder)?;
        Ok(folder)
    }

    /// Like [`Folders::enter_or_make`], but that the way to it may not be durable.
    pub(super) fn make(&self, relative: &Path) -> io::Result<Folder> {
        let Some((above, name)) = relative.parent().zip(relative.file_name()) else {
            return self.enter(relative);
        };
        match self.enter(relative) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let above = self.make(above)?;
                match mkdirat(&above.file, name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(rustix::io::Errno::EXIST) => self.enter(relative),
                    Err(error) => Err(error.into()),
                }
            }
            found => found,
        }
    }

    pub(super) fn make_durable(&self, folder: &Folder) -> io::Result<()> {
        let mut path = folder.path.as_path();
        let mut seen = Vec::new();
        while path != self.root {
            let metadata = fs::symlink_metadata(path)?;
            let identity = (metadata.dev(), metadata.ino());
            if self.lock().contains(&identity) {
                break;
            }
            let Some(above) = path.parent() else { break };
            File::open(above)?.sync_all()?;
            seen.push(identity);
            path = above;
        }
        if !seen.is_empty() {
            let mut durable = self.lock();
            if durable.len() + seen.len() > REMEMBERED {
                durable.clear();
            }
            durable.extend(seen);
        }
        Ok(())
    }

    /// Removes the folder if it is empty, then those above it; gives the one that stays, whose entries are to be made
    /// durable by [`Folders::sync`].
    ///
    /// A folder that is not empty (a concurrent writer's scratch file is enough) refuses to go, and
    /// that ends it. A writer whose folder went starts again.
    pub(super) fn prune(&self, folder: Folder) -> PathBuf {
        let mut path = folder.path.as_path();
        while path != self.root && fs::remove_dir(path).is_ok() {
            match path.parent() {
                Some(above) => path = above,
                None => break,
            }
        }
        path.to_owned()
    }

    /// Makes the entries of a folder durable.
    pub(super) fn sync(&self, folder: &Path) -> io::Result<()> {
        match File::open(folder).and_then(|folder| folder.sync_all()) {
            // Another deletion pruned it already, and makes that durable.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<(u64, u64)>> {
        // A panic elsewhere cannot leave a set of numbers half changed.
        self.durable.get().lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
