//! Scratch files: where an object is written before it has its name.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::MetadataExt;

use lodestore_types::Segment;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, linkat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use uuid::Uuid;

use super::folder::Folder;
use crate::{PutMode, PutOutcome};

const HEAD: &str = ".lodestore-";
const TAIL: &str = ".part";

/// Like `renameat`, but fails with `EXIST` if the new name is taken.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_to_free(folder: &File, from: &str, to: &str) -> Result<(), Errno> {
    rustix::fs::renameat_with(folder, from, folder, to, rustix::fs::RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_to_free(_: &File, _: &str, _: &str) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// A name that no other scratch file has.
pub(super) fn fresh_name() -> String {
    format!("{HEAD}{}{TAIL}", Uuid::new_v4().simple())
}

/// True for the names of scratch files, which are no objects.
pub(super) fn is_scratch(name: &str) -> bool {
    name.strip_prefix(HEAD)
        .and_then(|rest| rest.strip_suffix(TAIL))
        .is_some_and(|token| token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A scratch file in a folder; its scratch name is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Scratch<'a> {
    folder: &'a Folder,
    name: String,
    file: File,
}

impl<'a> Scratch<'a> {
    pub(super) fn new(folder: &'a Folder) -> io::Result<Self> {
        let name = fresh_name();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&folder.file, &name, flags, Mode::from_raw_mode(0o666))?.into();
        Ok(Scratch { folder, name, file })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Writes the segments and makes them durable.
    pub(super) fn write(&mut self, payload: &[Segment]) -> io::Result<()> {
        self.fill(payload)?;
        self.file.sync_all()
    }

    /// Writes the segments.
    pub(super) fn fill(&mut self, payload: &[Segment]) -> io::Result<()> {
        for run in payload.chunk_by(|a, b| is_in_memory(a) && is_in_memory(b)) {
            match run {
                [Segment::File(_)] => run[0].read_pieces(&mut |piece| self.file.write_all(piece))?,
                _ => self.write_together(run)?,
            }
        }
        Ok(())
    }

    /// Writes segments in memory by as few calls as possible.
    fn write_together(&mut self, run: &[Segment]) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = run
            .iter()
            .filter_map(|segment| match segment {
                Segment::Bytes(bytes) if !bytes.is_empty() => Some(IoSlice::new(bytes)),
                _ => None,
            })
            .collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            match self.file.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives the file its name, for all to see; durable once the folder is synchronised.
    ///
    /// Fails with `IsADirectory` if the name is a folder's.
    pub(super) fn publish(self, name: &str, mode: PutMode) -> io::Result<PutOutcome> {
        let folder = &self.folder.file;
        match mode {
            PutMode::Replace => renameat(folder, &self.name, folder, name)?,
            PutMode::Create | PutMode::Fill => match rename_to_free(folder, &self.name, name) {
                Ok(()) => {}
                Err(Errno::EXIST) => return taken(folder, name).map(|()| PutOutcome::AlreadyThere),
                // What network file systems and old kernels say to a rename that must not replace.
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => return self.publish_by_link(name),
                Err(error) => return Err(error.into()),
            },
        }
        Ok(PutOutcome::Written)
    }

    fn publish_by_link(self, name: &str) -> io::Result<PutOutcome> {
        let folder = &self.folder.file;
        match linkat(folder, &self.name, folder, name, AtFlags::empty()) {
            Ok(()) => Ok(PutOutcome::Written),
            Err(Errno::EXIST) => {
                // Over NFS a link may succeed, its answer get lost, and its repetition find itself.
                let there = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
                let ours = self.file.metadata()?;
                if (there.st_dev, there.st_ino) == (ours.dev(), ours.ino()) {
                    return Ok(PutOutcome::Written);
                }
                taken(folder, name).map(|()| PutOutcome::AlreadyThere)
            }
            // A file system without links, such as exFAT.
            Err(Errno::PERM | Errno::NOSYS | Errno::NOTSUP) => self.publish_by_reserving(name),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the name with an empty file, and puts this one in its place: for a moment a reader may see the empty one.
    fn publish_by_reserving(self, name: &str) -> io::Result<PutOutcome> {
        let folder = &self.folder.file;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        match openat(folder, name, flags, Mode::from_raw_mode(0o666)) {
            Ok(_) => {
                renameat(folder, &self.name, folder, name)?;
                Ok(PutOutcome::Written)
            }
            Err(Errno::EXIST) => taken(folder, name).map(|()| PutOutcome::AlreadyThere),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        // After a rename there is nothing to remove; after an error the sweep removes what this could not.
        let _ = unlinkat(&self.folder.file, &self.name, AtFlags::empty());
    }
}

fn is_in_memory(segment: &Segment) -> bool {
    matches!(segment, Segment::Bytes(_))
}

/// The name is taken: fine if it is an object's, trouble if it is a folder's.
fn taken(folder: &File, name: &str) -> io::Result<()> {
    let there = statat(folder, name, AtFlags::empty())?;
    match FileType::from_raw_mode(there.st_mode) {
        FileType::Directory => Err(io::ErrorKind::IsADirectory.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::folder::Folders;
    use super::*;

    #[test]
    fn a_file_system_that_cannot_rename_without_replacing_gets_a_link() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folders::new(root.path().canonicalize().unwrap()).enter("".as_ref()).unwrap();
        for (content, expected) in [("first", PutOutcome::Written), ("second", PutOutcome::AlreadyThere)] {
            let scratch = || {
                let mut scratch = Scratch::new(&folder).unwrap();
                scratch.write(&[content.into()]).unwrap();
                scratch
            };
            assert_eq!(scratch().publish_by_link("x").unwrap(), expected);
            assert_eq!(scratch().publish_by_reserving("y").unwrap(), expected);
            for name in ["x", "y"] {
                assert_eq!(std::fs::read(root.path().join(name)).unwrap(), b"first");
            }
        }
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2, "no scratch is left");
    }

    #[test]
    fn a_link_whose_answer_was_lost_is_recognised() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folders::new(root.path().canonicalize().unwrap()).enter("".as_ref()).unwrap();
        let mut scratch = Scratch::new(&folder).unwrap();
        scratch.write(&["x".into()]).unwrap();
        linkat(&folder.file, &scratch.name, &folder.file, "x", AtFlags::empty()).unwrap();
        assert_eq!(scratch.publish_by_link("x").unwrap(), PutOutcome::Written);
    }

    #[test]
    fn only_our_own_names_are_scratch() {
        assert!(is_scratch(".lodestore-0123456789abcdef0123456789abcdef.part"));
        for other in [".lodestore-x.part", "a.part", ".lodestore-", ".lodestore-0123456789abcdef0123456789abcdef"] {
            assert!(!is_scratch(other), "{other}");
        }
    }
}
