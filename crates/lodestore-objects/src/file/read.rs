//! Reading objects: opened once, read straight into memory that nobody zeroed before.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use rustix::io::{Errno, pread};

/// True if the error says that nothing is at that path.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Opens an object and tells its size; `None` if nothing is there, or a folder, a socket or a pipe.
pub(super) fn open(path: &Path) -> io::Result<Option<(File, u64)>> {
    // Without NONBLOCK, opening a pipe that somebody put into the store would wait for ever.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then_some((file, metadata.len())))
}

/// Reads a range; shorter than it only if the file ends before.
///
/// The caller has compared the range with the size of the file: memory is taken for all of it at once.
pub(super) fn read(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let wanted = usize::try_from(range.end - range.start).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(wanted).map_err(|_| io::ErrorKind::OutOfMemory)?;
    while buffer.len() < wanted {
        let at = range.start + buffer.len() as u64;
        match pread(file, spare_capacity(&mut buffer), at) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // The allocator may have given more room than was asked for.
    buffer.truncate(wanted);
    Ok(buffer.into())
}
