//! What the file system says, in the words of Lodestore.

use std::io;
use std::path::Path;

use lodestore_types::{Error, ErrorKind};

/// An error of the file system while `doing` (an infinitive: `write the object`).
pub(super) fn storage(doing: &str, cause: io::Error) -> Error {
    let hint = hint(&cause);
    let error = Error::new(ErrorKind::Storage, format!("cannot {doing}: {cause}")).with_source(cause);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn hint(cause: &io::Error) -> Option<&'static str> {
    Some(match cause.kind() {
        io::ErrorKind::StorageFull => "free some space, or configure a store on another disk",
        io::ErrorKind::QuotaExceeded => "the quota of this user is used up: free some space or ask for more",
        io::ErrorKind::PermissionDenied => "this user needs the right to do so in the folder of the store",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is mounted read-only",
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => "a file and a folder claim the same path",
        io::ErrorKind::InvalidFilename => "the file system does not allow such a name: use shorter keys",
        io::ErrorKind::StaleNetworkFileHandle => "the network file system was lost: mount it again",
        _ => return None,
    })
}

/// The location of a store is not a folder that can be used.
pub(super) fn location(name: &str, location: &Path, cause: io::Error) -> Error {
    let message = format!("inaccessible local directory {}: {cause}", location.display());
    let hint = hint(&cause)
        .filter(|_| cause.kind() != io::ErrorKind::NotADirectory)
        .unwrap_or("mount the disk, or make the folder, or correct the store's `location`");
    Error::new(ErrorKind::Storage, message).with("store", name).with_hint(hint).with_source(cause)
}

/// A path that leads out of the store through a symbolic link.
pub(super) fn outside(root: &Path, real: &Path) -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("a symbolic link leads out of `{}` to `{}`", root.display(), real.display()),
    )
}
