//! The content of an object that is to be written: bytes, and files that are read when it is their turn.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use bytes::Bytes;

use crate::{Error, ErrorKind, Result};

/// So much of a file is in memory at a time.
const PIECE: usize = 1 << 20;

/// The payload of an object: segments that are written one behind the other, none copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload(pub Vec<Segment>);

/// A part of a [`Payload`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file, read piece by piece when it is its turn.
    File(FileSegment),
}

/// A regular file of this machine as it was when it was looked at.
///
/// Reading it fails if it is another file by then, or was written to: what is hashed and what is
/// stored must be the same bytes. Its size and its time of modification are compared, and its content with that of
/// the first complete read, by this segment or a clone of it: a program can restore the time, and two writes within
/// one tick of the clock have the same.
#[derive(Debug, Clone)]
pub struct FileSegment {
    path: PathBuf,
    size: u64,
    modified: Option<SystemTime>,
    /// The CRC-32 of the content as it was first read.
    content: Arc<OnceLock<u32>>,
}

impl PartialEq for FileSegment {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, self.size, self.modified) == (&other.path, other.size, other.modified)
    }
}

impl Eq for FileSegment {}

impl FileSegment {
    /// Looks at a file; links are followed.
    ///
    /// # Errors
    /// [`ErrorKind::MissingFile`] if nothing is there; [`ErrorKind::InvalidValue`] if it is no
    /// regular file, or may not be read.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let metadata = std::fs::metadata(&path).map_err(|cause| unreadable(&path, cause))?;
        if !metadata.is_file() {
            let what = if metadata.is_dir() { "a folder" } else { "no regular file" };
            return Err(Error::new(ErrorKind::InvalidValue, format!("`{}` is {what}", path.display())));
        }
        // Opened once, so that a file that may not be read is told before anything is written.
        File::open(&path).map_err(|cause| unreadable(&path, cause))?;
        let content = Arc::default();
        Ok(FileSegment { size: metadata.len(), modified: metadata.modified().ok(), path, content })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn is_the_same(&self, metadata: &Metadata) -> bool {
        metadata.len() == self.size && metadata.modified().ok() == self.modified
    }

    fn read_pieces(&self, piece: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let changed =
            || io::Error::other(format!("the file {} changed while it was being stored", self.path.display()));
        let mut file = File::open(&self.path)?;
        if !self.is_the_same(&file.metadata()?) {
            return Err(changed());
        }
        let mut buffer = vec![0; PIECE.min(usize::try_from(self.size).unwrap_or(PIECE)).max(1)];
        let mut left = self.size;
        let mut content = crc32fast::Hasher::new();
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match file.read(&mut buffer[..most]) {
                Ok(0) => return Err(changed()),
                Ok(count) => {
                    content.update(&buffer[..count]);
                    piece(&buffer[..count])?;
                    left -= count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let content = content.finalize();
        let is_unchanged = self.is_the_same(&file.metadata()?) && *self.content.get_or_init(|| content) == content;
        if is_unchanged { Ok(()) } else { Err(changed()) }
    }
}

impl Segment {
    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Segment::Bytes(bytes) => bytes.len() as u64,
            Segment::File(file) => file.size,
        }
    }

    /// Gives its bytes in order: those in memory at once, those of a file in pieces of a mebibyte.
    ///
    /// # Errors
    /// Those of `piece`; those of reading, and one if the file changed since it was looked at.
    pub fn read_pieces(&self, piece: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match self {
            Segment::Bytes(bytes) => piece(bytes),
            Segment::File(file) => file.read_pieces(piece),
        }
    }
}

impl Payload {
    /// The size of all segments in bytes.
    pub fn size(&self) -> u64 {
        self.0.iter().map(Segment::size).sum()
    }

    /// Gives its bytes in order, as [`Segment::read_pieces`] does.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] if a file cannot be read or changed since it was looked at.
    pub fn read_pieces(&self, mut piece: impl FnMut(&[u8])) -> Result<()> {
        for segment in &self.0 {
            let mut take = |bytes: &[u8]| {
                piece(bytes);
                Ok(())
            };
            segment.read_pieces(&mut take).map_err(|cause| failed(segment, cause))?;
        }
        Ok(())
    }

    /// All its bytes in memory; without a copy if there is one segment of them.
    ///
    /// # Errors
    /// As [`Payload::read_pieces`].
    pub fn into_bytes(self) -> Result<Bytes> {
        if let [Segment::Bytes(bytes)] = &self.0[..] {
            return Ok(bytes.clone());
        }
        let mut whole = Vec::with_capacity(usize::try_from(self.size()).unwrap_or_default());
        self.read_pieces(|bytes| whole.extend_from_slice(bytes))?;
        Ok(whole.into())
    }
}

fn failed(segment: &Segment, cause: io::Error) -> Error {
    let error = Error::new(ErrorKind::Storage, format!("cannot read what is to be stored: {cause}"));
    let error = match segment {
        Segment::File(file) => error.with("file", file.path.display()),
        Segment::Bytes(_) => error,
    };
    error.with_source(cause)
}

fn unreadable(path: &Path, cause: io::Error) -> Error {
    let path = path.display();
    let error = match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Error::new(ErrorKind::MissingFile, format!("there is no file `{path}`"))
        }
        _ => Error::new(ErrorKind::InvalidValue, format!("the file `{path}` cannot be read: {cause}")),
    };
    error.with_source(cause)
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Payload(vec![Segment::Bytes(bytes)])
    }
}

impl From<FileSegment> for Segment {
    fn from(file: FileSegment) -> Self {
        Segment::File(file)
    }
}

impl<T: Into<Bytes>> From<T> for Segment {
    fn from(bytes: T) -> Self {
        Segment::Bytes(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_they_were_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let content: Vec<u8> = (0..(3 << 20) + 17).map(|n: u32| n as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let payload = Payload(vec![Bytes::from("head").into(), FileSegment::open(&path).unwrap().into()]);
        assert_eq!(payload.size(), content.len() as u64 + 4);
        let whole = payload.clone().into_bytes().unwrap();
        assert!(whole.starts_with(b"head") && whole[4..] == content);
        std::fs::write(&path, &content[1..]).unwrap();
        let error = payload.into_bytes().unwrap_err();
        assert!(error.message().contains("changed while it was being stored"), "{error}");
    }

    #[test]
    fn a_change_that_keeps_size_and_time_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, b"one").unwrap();
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        let payload = Payload(vec![FileSegment::open(&path).unwrap().into()]);
        assert_eq!(payload.clone().into_bytes().unwrap(), "one");
        std::fs::write(&path, b"two").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        let error = payload.into_bytes().unwrap_err();
        assert!(error.message().contains("changed while it was being stored"), "{error}");
    }

    #[test]
    fn only_regular_files_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let told = |path: &Path| FileSegment::open(path).unwrap_err().message().to_owned();
        assert!(told(&folder.path().join("none")).starts_with("there is no file"));
        assert!(told(folder.path()).ends_with("is a folder"));
    }
}
