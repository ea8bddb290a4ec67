//! Reading objects, whole and in parts.

use std::ops::Range;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use lodestore_types::{Error, ErrorKind, Result, StorePath};
use object_store::path::Path;
use object_store::{GetOptions, GetResult};

use super::runtime::wait;
use super::store::{CloudStore, Live};
use crate::store::{other_size, short};

/// Parts of an object nearer to each other than this are read together.
const GAP: u64 = 64 << 10;
/// More than this is not taken of memory before the store has told that the object is so large.
const BELIEVED: u64 = 256 << 20;

const DOING: &str = "read the object";

/// Why a part could not be read.
enum Fault {
    Absent(object_store::Error),
    /// The object ends here.
    Short(u64),
    /// The object has this size, and not the one it must have.
    Size(u64),
    Other(object_store::Error),
}

impl From<object_store::Error> for Fault {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Fault::Absent(error),
            error => Fault::Other(error),
        }
    }
}

impl CloudStore {
    /// The whole object; large ones in parts, after the first answer has told the size.
    pub(super) async fn get_whole(&self, live: &Live, key: &Path) -> Result<Option<Bytes>> {
        let permit = live.request().await;
        let found = match live.client.get_opts(key, GetOptions::default()).await {
            Ok(found) => found,
            Err(error @ object_store::Error::NotFound { .. }) => {
                return self.absent(live, DOING, &error).await.map(|()| None);
            }
            Err(error) => return Err(self.fail(DOING, &error)),
        };
        live.bucket_seen.store(true, Ordering::Relaxed);
        let (size, part) = (found.meta.size, self.transfer().part_size);
        if size <= 2 * part {
            let whole = found.bytes().await.map_err(|error| self.fail(DOING, &error))?;
            return if whole.len() as u64 == size { Ok(Some(whole)) } else { Err(self.broken_off(size, whole.len())) };
        }
        let mut whole = vec![0; usize::try_from(size).map_err(|_| too_large(size))?];
        let (first, rest) = whole.split_at_mut(part as usize);
        let etag = found.meta.e_tag.clone();
        let first = async {
            let _permit = permit;
            let wanted = first.len();
            // The answer goes on for the whole object: dropping it ends it.
            let filled = copy(found, first).await.map_err(|error| self.fail(DOING, &error))?;
            if filled == wanted { Ok(true) } else { Err(self.broken_off(size, filled)) }
        };
        let rest = self.fill(live, key, vec![(part, rest)], etag, None);
        match futures_util::future::try_join(first, rest).await? {
            (_, true) => Ok(Some(whole.into())),
            (_, false) => Ok(None),
        }
    }

    /// Parts of an object. Those that lie near each other are read together, large ones in pieces, all at once.
    pub(super) fn read_ranges(
        &self,
        path: &StorePath,
        told: Option<u64>,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>> {
        if let Some(range) = ranges.iter().find(|range| range.start > range.end) {
            let message = format!("the range {range:?} ends before it starts");
            return Err(Error::new(ErrorKind::InvalidRequest, message).with("store", &self.opening.name));
        }
        let (live, key) = (self.live()?, self.key(path)?);
        let stretches = merged(ranges);
        let total: u64 = stretches.iter().map(|stretch| stretch.end - stretch.start).sum();
        let end = stretches.last().map_or(0, |stretch| stretch.end);
        // Looked at first: a range from a damaged header must not make us ask for a terabyte of memory. If nothing is to
        // be read, only this tells whether the object is there.
        if total == 0 || total > BELIEVED {
            let Some(meta) = wait(self.look(&live, &key))? else { return Ok(None) };
            if let Some(told) = told.filter(|told| *told != meta.size) {
                return Err(other_size(told, meta.size).with("store", &self.opening.name));
            }
            let end = ranges.iter().map(|range| range.end).max().unwrap_or(0).max(end);
            if end > meta.size {
                return Err(short(path, end, meta.size).with("store", &self.opening.name));
            }
        }
        let size = |stretch: &Range<u64>| usize::try_from(stretch.end - stretch.start).map_err(|_| too_large(total));
        let mut buffers: Vec<Vec<u8>> =
            stretches.iter().map(|stretch| size(stretch).map(|size| vec![0; size])).collect::<Result<_>>()?;
        if total > 0 {
            let pieces = stretches.iter().zip(&mut buffers).map(|(stretch, buffer)| (stretch.start, &mut buffer[..]));
            if !wait(self.fill(&live, &key, pieces.collect(), None, told))? {
                return Ok(None);
            }
        }
        let buffers: Vec<Bytes> = buffers.into_iter().map(Bytes::from).collect();
        let part = |range: &Range<u64>| {
            if range.is_empty() {
                return Bytes::new();
            }
            let at = stretches.partition_point(|stretch| stretch.end < range.end);
            let start = stretches[at].start;
            buffers[at].slice((range.start - start) as usize..(range.end - start) as usize)
        };
        Ok(Some(ranges.iter().map(part).collect()))
    }

    /// Fills buffers with the bytes of an object from given positions on, large ones in pieces, all at once; false if
    /// the object is not there.
    pub(super) async fn fill(
        &self,
        live: &Live,
        key: &Path,
        buffers: Vec<(u64, &mut [u8])>,
        etag: Option<String>,
        told: Option<u64>,
    ) -> Result<bool> {
        let piece = usize::try_from(self.transfer().part_size).unwrap_or(usize::MAX).max(1);
        let mut pieces = Vec::new();
        for (start, buffer) in buffers {
            let many = buffer.chunks_mut(piece).enumerate();
            pieces.extend(many.map(|(number, chunk)| (start + (number * piece) as u64, chunk)));
        }
        if pieces.is_empty() {
            return Ok(self.look(live, key).await?.is_some());
        }
        let end = pieces.iter().map(|(start, piece)| start + piece.len() as u64).max().unwrap_or(0);
        let outcome: std::result::Result<(), Fault> = stream::iter(pieces)
            .map(|(start, piece)| read_piece(live, key, start, piece, etag.clone(), told))
            .buffer_unordered(self.transfer().requests.max(1))
            .try_collect()
            .await;
        match outcome {
            Ok(()) => {
                live.bucket_seen.store(true, Ordering::Relaxed);
                Ok(true)
            }
            Err(Fault::Absent(error)) => self.absent(live, DOING, &error).await.map(|()| false),
            Err(Fault::Short(found)) => Err(self.ends_early(end, found)),
            Err(Fault::Size(found)) => {
                Err(other_size(told.unwrap_or_default(), found).with("store", &self.opening.name))
            }
            // Servers refuse a range behind the end, each in words of its own.
            Err(Fault::Other(error)) => match self.look(live, key).await {
                Ok(Some(meta)) if meta.size < end => Err(self.ends_early(end, meta.size)),
                _ => Err(self.fail(DOING, &error)),
            },
        }
    }

    fn ends_early(&self, wanted: u64, found: u64) -> Error {
        let message = format!("the object ends too early: expected at least {wanted} bytes, found {found}");
        Error::new(ErrorKind::Corrupt, message).with("store", &self.opening.name)
    }

    fn broken_off(&self, size: u64, read: usize) -> Error {
        let message = format!("cannot {DOING}: the answer broke off after {read} of {size} bytes");
        Error::new(ErrorKind::Storage, message).with("store", &self.opening.name)
    }
}

async fn read_piece(
    live: &Live,
    key: &Path,
    start: u64,
    piece: &mut [u8],
    etag: Option<String>,
    told: Option<u64>,
) -> std::result::Result<(), Fault> {
    let _permit = live.request().await;
    let wanted = piece.len();
    let range = start..start + wanted as u64;
    let options = GetOptions { if_match: etag, range: Some(range.into()), ..GetOptions::default() };
    let found = live.client.get_opts(key, options).await?;
    if told.is_some_and(|told| told != found.meta.size) {
        return Err(Fault::Size(found.meta.size));
    }
    let filled = copy(found, piece).await?;
    if filled == wanted { Ok(()) } else { Err(Fault::Short(start + filled as u64)) }
}

/// Copies an answer into memory, as much as there is room; tells how much it was.
async fn copy(found: GetResult, into: &mut [u8]) -> object_store::Result<usize> {
    let mut filled = 0;
    let mut stream = found.into_stream();
    while filled < into.len()
        && let Some(chunk) = stream.try_next().await?
    {
        let taken = chunk.len().min(into.len() - filled);
        into[filled..filled + taken].copy_from_slice(&chunk[..taken]);
        filled += taken;
    }
    Ok(filled)
}

/// The stretches of an object to read for some ranges, in order, none empty.
fn merged(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<Range<u64>> = ranges.iter().filter(|range| !range.is_empty()).cloned().collect();
    sorted.sort_unstable_by_key(|range| range.start);
    let mut stretches: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match stretches.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(GAP) => last.end = last.end.max(range.end),
            _ => stretches.push(range),
        }
    }
    stretches
}

fn too_large(size: u64) -> Error {
    Error::new(ErrorKind::Storage, format!("{size} bytes do not fit into the memory of this machine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_ranges_are_read_together() {
        let far = 10 * GAP;
        assert_eq!(merged(&[far..far + 1, 0..10, 5..5, 20..30, 5..15]), [0..30, far..far + 1]);
        assert!(merged(&[7..7, 9..9]).is_empty());
    }
}
