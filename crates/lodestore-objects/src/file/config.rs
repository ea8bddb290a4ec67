//! Finding, or making, the folder of a store.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The real path of an existing folder.
///
/// It is resolved once: a store configured by a relative path stays where it was found when the
/// process changes its working directory.
pub(super) fn existing_root(location: &Path) -> io::Result<PathBuf> {
    let root = fs::canonicalize(location)?;
    if fs::metadata(&root)?.is_dir() { Ok(root) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// Like [`existing_root`], making the folder, and those above it, durably if they are missing.
pub(super) fn made_root(location: &Path) -> io::Result<PathBuf> {
    match fs::create_dir(location) {
        Ok(()) => File::open(parent(location))?.sync_all()?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound && parent(location) != Path::new(".") => {
            made_root(parent(location))?;
            return made_root(location);
        }
        Err(error) => return Err(error),
    }
    existing_root(location)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
