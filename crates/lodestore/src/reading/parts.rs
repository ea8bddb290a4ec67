//! Which requests bring some ranges, and buffers that are filled by several at once.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
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

/// A buffer to fill with the bytes of an object from `start` on.
pub(crate) struct Fill<'a> {
    pub(crate) reading: &'a Reading,
    pub(crate) start: u64,
    pub(crate) buffer: &'a mut [u8],
}

/// Fills buffers from their objects, in parts, many at once.
///
/// # Errors
/// `MissingObject`; `Corrupt` if an object ends too early; `Storage`. What the buffers hold is of no use then.
pub(crate) fn fill_all(fills: Vec<Fill<'_>>) -> Result<()> {
    let mut parts = Vec::new();
    for Fill { reading, start, buffer } in fills {
        let mut rest = buffer;
        for range in split(start..start + rest.len() as u64, reading.part) {
            let (part, behind) = rest.split_at_mut((range.end - range.start) as usize);
            rest = behind;
            // Each part is filled by one thread; the lock only says so to the compiler.
            parts.push((reading, range.start, Mutex::new(part)));
        }
    }
    let fill = |(reading, start, part): &(&Reading, u64, Mutex<&mut [u8]>)| {
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        match reading.store.read_into(&reading.path, *start, &mut part)? {
            true => Ok(()),
            false => Err(missing_object(reading.store.name(), &reading.path)),
        }
    };
    let at_once = parts.iter().map(|(reading, ..)| reading.store.at_once()).max().unwrap_or(0);
    in_parallel(&parts, at_once, fill).map(drop)
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
