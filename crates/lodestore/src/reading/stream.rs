//! An object as a stream that can be read anywhere, in large steps.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;
use lodestore_types::{Error, Result, StorePath};

use super::{Expected, Reading, Watch};
use crate::Instance;
use crate::reader::missing_object;

/// So much is read at least: programs such as HDF5 look at many small places that lie together.
const BLOCK: u64 = 256 << 10;
/// So much is read ahead at most, of an object that is read from front to back.
const AHEAD: u64 = 32 << 20;
/// So many bytes are kept of what was read last.
const KEPT: u64 = 64 << 20;

/// A stored file that is read like a file, anywhere in it.
///
/// It is read in blocks, of which the last are kept; while it is read from front to back, more and more at a time.
pub struct ObjectStream {
    reading: Reading,
    size: u64,
    watch: Option<Watch>,
    at: u64,
    /// What was read last, the latest in front: where each begins, and its bytes.
    kept: VecDeque<(u64, Bytes)>,
    /// Where the last request ended, and how much it brought.
    last: (u64, u64),
}

impl ObjectStream {
    pub(crate) fn new(reading: Reading, size: u64) -> Self {
        let watch = Watch::new(&reading.instance, reading.store.name(), &reading.path, &reading.expected);
        ObjectStream { reading, size, watch, at: 0, kept: VecDeque::new(), last: (0, 0) }
    }

    /// The size of the object in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Copies what is at the present position into `buffer`, and goes on behind it; fewer bytes than there is room for
    /// only at the end of the object.
    ///
    /// # Errors
    /// `MissingObject` if it is gone meanwhile; `Corrupt` if it does not have the size that its row says, or at its end,
    /// after it was read from front to back, if its checksum is another; `Storage`.
    pub fn read_bytes(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let end = self.size.min(self.at.saturating_add(buffer.len() as u64));
        let (start, mut done) = (self.at, 0);
        while self.at < end {
            let part = self.part_at(self.at, end)?;
            let count = part.len().min((end - self.at) as usize);
            buffer[done..done + count].copy_from_slice(&part[..count]);
            done += count;
            self.at += count as u64;
        }
        if let Some(watch) = &mut self.watch {
            watch.note(start, &buffer[..done])?;
        }
        Ok(done)
    }

    /// What is kept of the object from `at` on; if that is nothing, it is read, as far as `end` at least.
    fn part_at(&mut self, at: u64, end: u64) -> Result<Bytes> {
        let holds = |(start, bytes): &(u64, Bytes)| (*start..start + bytes.len() as u64).contains(&at);
        if let Some(found) = self.kept.iter().position(holds) {
            // The one in use stays in front.
            let (start, bytes) = self.kept.remove(found).unwrap_or_default();
            self.kept.push_front((start, bytes.clone()));
            return Ok(bytes.slice((at - start) as usize..));
        }
        let start = at - at % BLOCK;
        let (last_end, last_length) = self.last;
        let ahead = if start == last_end { (last_length * 2).clamp(BLOCK, AHEAD) } else { BLOCK };
        let stop = end.next_multiple_of(BLOCK).min(start + AHEAD).max(start + ahead).min(self.size);
        // What is kept further on need not be read again.
        let stop = self.kept.iter().map(|(next, _)| *next).filter(|next| *next > at).fold(stop, u64::min);
        let range = start..stop;
        let parts = self.reading.get_ranges(std::slice::from_ref(&range))?;
        let bytes = parts
            .and_then(|mut parts| parts.pop())
            .ok_or_else(|| missing_object(self.reading.store.name(), &self.reading.path))?;
        self.last = (stop, stop - start);
        self.kept.push_front((start, bytes.clone()));
        let mut total = 0;
        self.kept.retain(|(_, bytes)| {
            total += bytes.len() as u64;
            total <= KEPT
        });
        Ok(bytes.slice((at - start) as usize..))
    }
}

impl Instance {
    /// An object of a store, to be read like a file, anywhere in it.
    ///
    /// # Errors
    /// `UnknownStore`; `MissingObject`; `Storage`.
    pub fn stream(&self, store: &str, path: &StorePath) -> Result<ObjectStream> {
        let reading = Reading::at(self, store, path.clone(), Expected::default())?;
        let size = reading.store.size(path)?.ok_or_else(|| missing_object(store, path))?;
        Ok(ObjectStream::new(reading, size))
    }
}

impl Read for ObjectStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_bytes(buffer).map_err(io::Error::other::<Error>)
    }
}

impl Seek for ObjectStream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => i128::from(at),
            SeekFrom::Current(by) => i128::from(self.at) + i128::from(by),
            SeekFrom::End(by) => i128::from(self.size) + i128::from(by),
        };
        self.at = u64::try_from(target)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("negative seek position {target}")))?;
        Ok(self.at)
    }
}
