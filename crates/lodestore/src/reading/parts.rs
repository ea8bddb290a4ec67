//! Which requests bring some ranges, and buffers that are filled by several at once.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use lodestore_codec::hash::Checksummer;
use lodestore_objects::in_parallel;
use lodestore_types::Result;

use super::Reading;
use crate::reader::missing_object;

/// The requests that bring `ranges`: what lies no further than `gap` apart together, and none longer than `part`.
/// In ascending order and apart from each other.
pub(super) fn requests(ranges: &[Range<u64>], gap: u64, part: u64) -> Vec<Range<u64>> {
    let mut sorted: Vec<Range<u64>> = ranges.iter().filter(|range| range.start < range.end).cloned().collect();
    sorted.sort_unstable_by_key(|range| range.start);
    let mut together: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match together.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(gap) => last.end = last.end.max(range.end),
            _ => together.push(range),
        }
    }
    together.into_iter().flat_map(|range| split(range, part)).collect()
}

/// A range in pieces of equal length, none longer than `part`.
fn split(range: Range<u64>, part: u64) -> impl Iterator<Item = Range<u64>> {
    let length = range.end - range.start;
    let count = length.div_ceil(part.max(1)).max(1);
    (0..count).map(move |n| range.start + length * n / count..range.start + length * (n + 1) / count)
}

/// The ranges, taken from what the requests brought: without a copy where one request brought all of a range.
pub(super) fn taken_from(ranges: &[Range<u64>], requests: &[Range<u64>], brought: &[Bytes]) -> Vec<Bytes> {
    let take = |range: &Range<u64>| {
        let first = requests.partition_point(|request| request.end <= range.start);
        let mut parts =
            requests[first..].iter().zip(&brought[first..]).take_while(|(request, _)| request.start < range.end);
        let cut = |(request, bytes): (&Range<u64>, &Bytes)| {
            let start = range.start.max(request.start) - request.start;
            let end = range.end.min(request.end) - request.start;
            bytes.slice(start as usize..end as usize)
        };
        match (parts.next(), parts.next()) {
            (None, _) => Bytes::new(),
            (Some(only), None) => cut(only),
            (Some(first), Some(second)) => {
                let mut whole = Vec::with_capacity((range.end - range.start) as usize);
                [first, second].into_iter().chain(parts).for_each(|part| whole.extend_from_slice(&cut(part)));
                whole.into()
            }
        }
    };
    ranges.iter().map(take).collect()
}

/// A buffer to fill with the bytes of an object that come after its head.
pub(crate) struct Fill<'a> {
    pub(crate) reading: &'a Reading,
    pub(crate) head: Bytes,
    pub(crate) buffer: &'a mut [u8],
}

/// An object that is being read into a buffer, in parts.
struct Whole<'a> {
    reading: &'a Reading,
    parts: Vec<Part<'a>>,
    /// The checksum that the object must have, if it is to be verified.
    checksum: Option<&'a str>,
    /// How many parts were counted into the checksum, which is computed in their order.
    counted: Mutex<(usize, Checksummer)>,
}

struct Part<'a> {
    start: u64,
    /// Each part is filled by one thread; the lock only says so to the compiler.
    buffer: Mutex<&'a mut [u8]>,
    is_filled: AtomicBool,
}

impl<'a> Whole<'a> {
    fn new(fill: Fill<'a>) -> Self {
        let Fill { reading, head, buffer } = fill;
        let start = head.len() as u64;
        let mut rest = buffer;
        let mut parts = Vec::new();
        for range in split(start..start + rest.len() as u64, reading.part) {
            let (part, behind) = rest.split_at_mut((range.end - range.start) as usize);
            rest = behind;
            parts.push(Part { start: range.start, buffer: Mutex::new(part), is_filled: AtomicBool::new(false) });
        }
        let checksum = reading.checksum();
        let mut checksummer = Checksummer::default();
        if checksum.is_some() {
            checksummer.update(&head);
        }
        Whole { reading, parts, checksum, counted: Mutex::new((0, checksummer)) }
    }

    fn fill(&self, part: &Part<'_>) -> Result<()> {
        let store = &self.reading.store;
        let mut buffer = part.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        if !store.read_into(&self.reading.path, part.start, &mut buffer)? {
            return Err(missing_object(store.name(), &self.reading.path));
        }
        drop(buffer);
        part.is_filled.store(true, Ordering::SeqCst);
        if self.checksum.is_some() {
            self.count();
        }
        Ok(())
    }

    /// Counts the parts that are filled and come next, while others are still on their way; one thread does it at a time.
    fn count(&self) {
        let is_filled = |number: usize| self.parts.get(number).filter(|part| part.is_filled.load(Ordering::SeqCst));
        loop {
            let Ok(mut counted) = self.counted.try_lock() else { return };
            while let Some(part) = is_filled(counted.0) {
                counted.1.update(&part.buffer.lock().unwrap_or_else(PoisonError::into_inner));
                counted.0 += 1;
            }
            let next = counted.0;
            drop(counted);
            // A part may have been filled meanwhile by a thread that found the lock taken.
            if is_filled(next).is_none() {
                return;
            }
        }
    }

    fn verify(self) -> Result<()> {
        let Some(expected) = self.checksum else { return Ok(()) };
        self.count();
        let (_, checksummer) = self.counted.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.reading.compare(&checksummer.finish(), expected)
    }
}

/// Fills buffers from their objects, in parts, many at once, and verifies the objects while they are read.
///
/// # Errors
/// `MissingObject`; `Corrupt` if an object ends too early, or is not what its row says; `Storage`. What the buffers hold is
/// of no use then.
pub(crate) fn fill_all(fills: Vec<Fill<'_>>) -> Result<()> {
    let wholes: Vec<Whole<'_>> = fills.into_iter().map(Whole::new).collect();
    let parts: Vec<(&Whole<'_>, &Part<'_>)> =
        wholes.iter().flat_map(|whole| whole.parts.iter().map(move |part| (whole, part))).collect();
    let at_once = wholes.iter().map(|whole| whole.reading.store.at_once()).max().unwrap_or(0);
    in_parallel(&parts, at_once, |(whole, part)| whole.fill(part))?;
    wholes.into_iter().try_for_each(Whole::verify)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_ranges_are_one_request_and_long_ones_several() {
        let asked = [100..110, 0..10, 15..20, 40..40, 105..130];
        assert_eq!(requests(&asked, 5, 1000), [0..20, 100..130]);
        assert_eq!(requests(&asked, 0, 1000), [0..10, 15..20, 100..130]);
        assert_eq!(requests(&asked, 5, 10), [0..10, 10..20, 100..110, 110..120, 120..130]);
        assert_eq!(requests(&[3..u64::MAX, 0..9], 0, u64::MAX).len(), 1);
        assert_eq!(requests(&[], 5, 10), []);
    }

    #[test]
    fn what_was_asked_for_is_put_together_again() {
        let object: Vec<u8> = (0..=255).collect();
        let asked = [100..110, 0..10, 15..20, 40..40, 105..130, 0..256];
        for (gap, part) in [(0, 7), (5, 10), (1000, 1000), (3, 1)] {
            let requests = requests(&asked, gap, part);
            let brought: Vec<Bytes> = requests
                .iter()
                .map(|range| Bytes::copy_from_slice(&object[range.start as usize..range.end as usize]))
                .collect();
            let found = taken_from(&asked, &requests, &brought);
            for (range, bytes) in asked.iter().zip(found) {
                assert_eq!(bytes, object[range.start as usize..range.end as usize], "{gap} {part} {range:?}");
            }
        }
    }
}
