//! A staged object that is written as one file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use lodestore_codec::attach;
use lodestore_codec::hash::{Checksummer, ContentHasher};
use lodestore_types::{FileSegment, Payload, Result, Segment};

use super::object::{Kind, StagedObject};
use crate::local::{failed, scratch_name};

/// So much of a file is read at a time, where its checksum must be computed again.
const PIECE: usize = 1 << 20;

/// A file that becomes a staged object when it is [finished](StagedFile::finish), whole; not if it is dropped before.
///
/// It is a scratch file of this machine until then, so that it can be read and written anywhere in it. Its checksum is
/// computed on the way; a program that goes back and writes again costs one more reading.
///
/// The scratch file of a store in a folder lies in that folder, and becomes the object without being copied. That of
/// other stores lies in the folder that the store's setting `stage` names, else in that for temporary files.
pub struct StagedFile {
    object: StagedObject,
    scratch: ScratchFile,
    file: File,
    at: u64,
    hashing: Hashing,
    finished: bool,
}

/// A file under a name of its own, gone when this is dropped.
struct ScratchFile(PathBuf);

impl Drop for ScratchFile {
    fn drop(&mut self) {
        // What became an object is not here any more.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Complete content that waits for its place, with what names it.
pub(super) struct Content {
    _scratch: ScratchFile,
    pub(super) payload: Payload,
    pub(super) hash: String,
    pub(super) checksum: String,
}

impl StagedFile {
    pub(super) fn new(object: StagedObject) -> Result<Self> {
        let scratch = match object.store().scratch()? {
            Some(path) => ScratchFile(path),
            None => elsewhere(&object)?,
        };
        let file = File::options().read(true).write(true).open(&scratch.0);
        let file = file.map_err(|cause| failed("open", &scratch.0, cause))?;
        let hashing = Hashing::new(head_of(&object)?, object.0.kind == Kind::Content);
        object.state().open += 1;
        Ok(StagedFile { object, scratch, file, at: 0, hashing, finished: false })
    }

    /// The size of what was written.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Makes the file so long: shorter, or longer by zeros.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn truncate(&mut self, size: u64) -> io::Result<()> {
        self.hashing.touched_from(size);
        self.file.set_len(size)
    }

    /// Completes the object: what was written is in the store then, whole and durable.
    ///
    /// # Errors
    /// `Storage`; the object is then as it was before.
    pub fn finish(mut self) -> Result<()> {
        self.complete().map_err(|error| self.object.locate(error))
    }

    fn complete(&mut self) -> Result<()> {
        let path = &self.scratch.0;
        let (checksum, hash) = self.hashing.finish(&mut self.file).map_err(|cause| failed("read", path, cause))?;
        self.object.check_pending()?;
        let Some(hash) = hash else {
            self.object.store().adopt(self.object.path(), path)?;
            let known = (self.hashing.done, checksum);
            self.object.state().written.insert(self.object.path().clone(), known);
            self.finished = true;
            return Ok(());
        };
        let segment: Segment = FileSegment::open(path)?.into();
        let payload = Payload(head_of(&self.object)?.into_iter().map(Segment::from).chain([segment]).collect());
        let scratch = std::mem::replace(&mut self.scratch, ScratchFile(PathBuf::new()));
        self.object.state().content = Some(Content { _scratch: scratch, payload, hash, checksum });
        self.finished = true;
        Ok(())
    }
}

/// A scratch file for a store that keeps no files here.
fn elsewhere(object: &StagedObject) -> Result<ScratchFile> {
    let stage = object.0.target.spec.entry.get("stage").and_then(|stage| stage.as_str());
    let path = stage.map_or_else(std::env::temp_dir, PathBuf::from).join(scratch_name());
    // Nobody else need read what is not stored yet.
    let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
    file.map(|_| ScratchFile(path.clone())).map_err(|cause| failed("make", &path, cause))
}

/// What is stored before the bytes of the file: the name, for an attachment.
fn head_of(object: &StagedObject) -> Result<Option<bytes::Bytes>> {
    let is_attachment = object.0.chain.codecs()[0].name() == "attach";
    is_attachment.then(|| attach::head(&object.0.extension)).transpose()
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hashing.write(self.at, &bytes[..count]);
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Read for StagedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for StagedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        let mut state = self.object.state();
        state.open -= 1;
        state.given_up = !self.finished;
    }
}

/// Names a file while it is written, as far as it is written from the start on.
struct Hashing {
    head: Option<bytes::Bytes>,
    wants_hash: bool,
    checksummer: Checksummer,
    hasher: ContentHasher,
    /// So many bytes from the start were taken in.
    done: u64,
    /// True if some of these were written again since.
    stale: bool,
}

impl Hashing {
    fn new(head: Option<bytes::Bytes>, wants_hash: bool) -> Self {
        let mut new = Hashing {
            head,
            wants_hash,
            checksummer: Checksummer::default(),
            hasher: ContentHasher::default(),
            done: 0,
            stale: false,
        };
        new.restart();
        new
    }

    fn restart(&mut self) {
        (self.checksummer, self.hasher) = Default::default();
        (self.done, self.stale) = (0, false);
        if let Some(head) = self.head.clone() {
            self.take(&head);
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.checksummer.update(bytes);
        if self.wants_hash {
            self.hasher.update(bytes);
        }
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        if at == self.done && !self.stale {
            self.take(bytes);
            self.done += bytes.len() as u64;
        } else if !bytes.is_empty() {
            self.touched_from(at);
        }
    }

    fn touched_from(&mut self, at: u64) {
        self.stale |= at < self.done;
    }

    /// Checksum, and hash if it is wanted; what was not taken in on the way is read.
    fn finish(&mut self, file: &mut File) -> io::Result<(String, Option<String>)> {
        if self.stale {
            self.restart();
        }
        file.seek(SeekFrom::Start(self.done))?;
        let mut buffer = vec![0; PIECE];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    self.take(&buffer[..count]);
                    self.done += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let hash = self.wants_hash.then(|| self.hasher.clone().finish());
        Ok((self.checksummer.clone().finish(), hash))
    }
}

#[cfg(test)]
mod tests {
    use lodestore_codec::hash::hash_and_checksum;

    use super::*;

    #[test]
    fn a_file_is_named_by_what_it_holds_in_the_end() {
        type Step = fn(&mut dyn FnMut(u64, &[u8]), &mut dyn FnMut(u64));
        let programs: [Step; 6] = [
            |_, _| {},
            |write, _| write(0, b"abcdef"),
            |write, _| (write(0, b"abc"), write(3, b"def")).1,
            |write, _| (write(4, b"ef"), write(0, b"abcd")).1,
            |write, _| (write(0, b"abcdef"), write(1, b"XY"), write(6, b"more")).2,
            |write, cut| (write(0, b"abcdef"), cut(2), write(2, b"zz"), cut(9)).3,
        ];
        for program in programs {
            for head in [None, Some(bytes::Bytes::from("name\0"))] {
                let mut file = tempfile::tempfile().unwrap();
                let second = file.try_clone().unwrap();
                let hashing = std::cell::RefCell::new(Hashing::new(head.clone(), true));
                let mut write = |at: u64, bytes: &[u8]| {
                    file.seek(SeekFrom::Start(at)).unwrap();
                    file.write_all(bytes).unwrap();
                    hashing.borrow_mut().write(at, bytes);
                };
                let mut cut = |size: u64| {
                    hashing.borrow_mut().touched_from(size);
                    second.set_len(size).unwrap();
                };
                program(&mut write, &mut cut);
                let mut content = Vec::new();
                file.rewind().unwrap();
                file.read_to_end(&mut content).unwrap();
                let payload = Payload(head.into_iter().chain([content.into()]).map(Segment::from).collect());
                let (hash, checksum) = hash_and_checksum(&payload).unwrap();
                let found = hashing.borrow_mut().finish(&mut file).unwrap();
                assert_eq!(found, (checksum, Some(hash)));
            }
        }
    }
}
