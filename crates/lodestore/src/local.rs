//! Files that are written for the user: whole or not at all, and never over a different one.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use lodestore_codec::path::new_token;
use lodestore_types::{Error, ErrorKind, Result};

/// A file under a name of its own, beside the one that it shall become; gone when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    file: File,
}

impl Scratch {
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let path = folder.join(scratch_name());
        let file = File::create_new(&path).map_err(|cause| failed("create a file in", folder, cause))?;
        Ok(Scratch { path, file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|cause| failed("write", &self.path, cause))
    }

    /// Gives the file this name, over whatever has it.
    pub(crate) fn replace(self, target: &Path) -> Result<()> {
        fs::rename(&self.path, target).map_err(|cause| failed("write", target, cause))
    }

    /// Gives the file this name if nothing else has it; false if something does.
    pub(crate) fn publish(&self, target: &Path) -> Result<bool> {
        match fs::hard_link(&self.path, target) {
            Ok(()) => Ok(true),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            // A file system without hard links: look, then rename.
            Err(_) if fs::symlink_metadata(target).is_err() => {
                fs::rename(&self.path, target).map(|()| true).map_err(|cause| failed("write", target, cause))
            }
            Err(_) => Ok(false),
        }
    }

    /// True if `other` is a file of the same content.
    pub(crate) fn equals(&self, other: &Path) -> bool {
        let same = || -> io::Result<bool> {
            let (mut a, mut b) = (File::open(&self.path)?, File::open(other)?);
            let there = b.metadata()?;
            if !there.is_file() || a.metadata()?.len() != there.len() {
                return Ok(false);
            }
            let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
            loop {
                let count = a.read(&mut left)?;
                if count == 0 {
                    return Ok(true);
                }
                b.read_exact(&mut right[..count])?;
                if left[..count] != right[..count] {
                    return Ok(false);
                }
            }
        };
        same().unwrap_or(false)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        let _ = fs::remove_file(&self.path);
    }
}

/// A folder under a name of its own; gone when dropped, unless it got its name.
#[derive(Debug)]
pub(crate) struct ScratchFolder(pub(crate) PathBuf);

impl ScratchFolder {
    pub(crate) fn new(within: &Path) -> Result<Self> {
        let path = within.join(scratch_name());
        fs::create_dir(&path).map_err(|cause| failed("create a folder in", within, cause))?;
        Ok(ScratchFolder(path))
    }

    /// Gives the folder this name, in place of a folder that has it.
    pub(crate) fn replace(self, target: &Path) -> Result<()> {
        let fail = |cause| failed("write", target, cause);
        if fs::symlink_metadata(target).is_err() {
            return fs::rename(&self.0, target).map_err(fail);
        }
        let old = ScratchFolder(target.with_file_name(scratch_name()));
        fs::rename(target, &old.0).map_err(fail)?;
        fs::rename(&self.0, target).map_err(|cause| {
            // Better the old one than none.
            let _ = fs::rename(&old.0, target);
            fail(cause)
        })
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A name that no other file has.
pub(crate) fn scratch_name() -> String {
    format!(".lodestore-{}.part", new_token(16))
}

pub(crate) fn failed(doing: &str, path: &Path, cause: io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("cannot {doing} `{}`: {cause}", path.display())).with_source(cause)
}
