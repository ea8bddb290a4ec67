//! Compression of values into zlib streams, in parallel.
//!
//! libdeflate does the work. Data is cut into pieces of [`PIECE`] bytes that all cores compress at once;
//! the pieces are [joined](splice) into one valid stream that any zlib reads. The bytes do not depend on
//! the number of cores.
//!
//! Each piece is compressed at a low level, with two exceptions: data that would [hardly](is_worth) shrink is
//! stored, and data that shrinks to almost nothing is compressed at [`RUNS_LEVEL`].

mod splice;

use std::cell::RefCell;

use libdeflater::{Adler32, CompressionLvl, Compressor};
use rayon::prelude::*;

use crate::cores::on_all_cores;

/// Bytes that are compressed at once, and independently of all others: libdeflate accepts no dictionary.
const PIECE: usize = 512 * 1024;
/// The percentage of their size below which codes for single bytes do not bring even data.
const EVEN: usize = 88;
/// How far back deflate looks for repetitions.
const WINDOW: usize = 32 * 1024;
/// Bytes from the middle of a group that are compressed to decide how: enough to repeat what is a window away.
const SAMPLE: usize = WINDOW + 8 * 1024;
/// Short stretches all over a piece, and their length, whose bytes are counted to see whether it can shrink.
const PROBES: usize = 8;
const PROBE: usize = 1024;
/// Pieces that one sample speaks for.
const GROUP: usize = 8;
/// Room for the joint after a piece.
const SLACK: usize = 1024;

/// Deflate with a window of 32 KiB, at the usual level.
const ZLIB_HEAD: [u8; 2] = [0x78, 0x9c];

/// The fastest level of libdeflate.
const FAST_LEVEL: i32 = 1;
/// The next level also finds repetitions of three bytes, which matter for rising numbers and text. With the better of
/// the two, recordings, images, event times and text come within 10 % of the size that level 6 of classic zlib
/// reaches, in a fifth to a tenth of the time.
const NEXT_LEVEL: i32 = 2;
/// The level for long runs, such as masks: there it halves the size, and takes no longer.
const RUNS_LEVEL: i32 = 6;
/// Data that shrinks to less than one part in this many consists of long runs.
const RUNS: usize = 8;

/// Whether a compressed size is worth reading the data through zlib: less than 92 % of the plain size.
/// Floating-point noise shrinks by 4 to 8 %, and reading it compressed takes twenty times as long.
fn is_worth(size: usize, plain: usize) -> bool {
    size < plain - plain * 8 / 100
}

/// How a piece is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Store,
    Compress(i32),
}

/// Returns `head` followed by one zlib stream of all segments, or `None` if that is not shorter than
/// `limit` bytes.
pub(crate) fn zlib_behind(head: &[u8], segments: &[&[u8]], limit: usize) -> Option<Vec<u8>> {
    let size: usize = segments.iter().map(|segment| segment.len()).sum();
    let framed = match segments {
        [data] if size <= PIECE => whole(head, data, limit),
        segments if size <= PIECE => whole(head, &segments.concat(), limit),
        segments => on_all_cores(size.div_ceil(PIECE), || joined(head, segments)),
    };
    framed.filter(|framed| framed.len() < limit)
}

fn whole(head: &[u8], data: &[u8], limit: usize) -> Option<Vec<u8>> {
    let Method::Compress(level) = method_for(data) else { return None };
    // A stream that does not fit is not short enough.
    let mut framed = vec![0; limit.saturating_sub(1).max(head.len())];
    framed[..head.len()].copy_from_slice(head);
    let length = with_compressor(level, |compressor| compressor.zlib_compress(data, &mut framed[head.len()..])).ok()?;
    framed.truncate(head.len() + length);
    framed.shrink_to_fit();
    Some(framed)
}

fn joined(head: &[u8], segments: &[&[u8]]) -> Option<Vec<u8>> {
    let pieces = cut(segments);
    if pieces.iter().all(|(_, method)| *method == Method::Store) {
        return None;
    }
    let body = head.len() + ZLIB_HEAD.len();
    // Every piece is compressed into its own slot, then the slots are moved together. The memory comes
    // zeroed from the system, and the cores that fill it share the cost of touching it first.
    let room: usize = pieces.iter().map(|(piece, _)| slot_size(piece)).sum();
    let mut framed = vec![0; body + room + 16];
    framed[..head.len()].copy_from_slice(head);
    framed[head.len()..body].copy_from_slice(&ZLIB_HEAD);
    let mut rest = &mut framed[body..];
    let work: Vec<_> = pieces
        .iter()
        .map(|(piece, method)| (*piece, *method, rest.split_off_mut(..slot_size(piece)).unwrap_or_default()))
        .collect();
    let compress = || -> Vec<usize> {
        work.into_par_iter().with_max_len(1).map(|(piece, method, slot)| write_piece(piece, method, slot)).collect()
    };
    let checksum = || {
        let mut adler = Adler32::new();
        segments.iter().for_each(|segment| adler.update(segment));
        adler.sum()
    };
    let (lengths, checksum) = rayon::join(compress, checksum);
    let (mut slot, mut end) = (body, body);
    for ((piece, _), length) in pieces.iter().zip(lengths) {
        framed.copy_within(slot..slot + length, end);
        slot += slot_size(piece);
        end += length;
    }
    framed.truncate(end);
    framed.extend_from_slice(&splice::LAST_BLOCK);
    framed.extend_from_slice(&checksum.to_be_bytes());
    framed.shrink_to_fit();
    Some(framed)
}

/// The most bytes that a piece takes: a stored block of 65,535 bytes has a head of 5.
fn slot_size(piece: &[u8]) -> usize {
    piece.len() + piece.len() / 8192 + SLACK
}

/// Writes a piece into its slot, ending at a whole byte and without the mark of the last block.
fn write_piece(piece: &[u8], method: Method, slot: &mut [u8]) -> usize {
    let compressed = match method {
        Method::Store => None,
        Method::Compress(level) => {
            let room = slot.len() - SLACK / 2;
            with_compressor(level, |compressor| compressor.deflate_compress(piece, &mut slot[..room])).ok()
        }
    };
    // `open_end` finds no joint only in streams that libdeflate never writes.
    let opened = compressed.and_then(|length| splice::open_end(slot, length));
    opened.filter(|length| *length < piece.len()).unwrap_or_else(|| splice::store(piece, slot))
}

/// Cuts segments into pieces, each with the method for it.
fn cut<'a>(segments: &[&'a [u8]]) -> Vec<(&'a [u8], Method)> {
    // Trying a method takes longer than storing a piece, so successive pieces that look alike are tried together.
    let groups: Vec<&[u8]> = segments.iter().flat_map(|segment| groups(segment)).collect();
    let methods: Vec<Method> = groups.par_iter().map(|group| method_for(group)).collect();
    let pieces = |(group, method): (&&'a [u8], Method)| {
        // Runs would be cut short at the end of each piece, and are compressed fast by a single core.
        let length = if method == Method::Compress(RUNS_LEVEL) { group.len().max(1) } else { PIECE };
        group.chunks(length).map(|piece| (piece, method)).collect::<Vec<_>>()
    };
    groups.iter().zip(methods).flat_map(pieces).collect()
}

/// Stretches of at most [`GROUP`] pieces that look alike.
fn groups(segment: &[u8]) -> Vec<&[u8]> {
    let alike: Vec<bool> = segment.par_chunks(PIECE).map(is_even).collect();
    let mut groups = Vec::new();
    let (mut rest, mut next) = (segment, 0);
    while next < alike.len() {
        let count = alike[next..].iter().take(GROUP).take_while(|found| **found == alike[next]).count();
        let (group, after) = rest.split_at((count * PIECE).min(rest.len()));
        groups.push(group);
        (rest, next) = (after, next + count);
    }
    groups
}

/// Whether all bytes are about equally frequent, as a few probes show: such data shrinks only by repetitions.
fn is_even(piece: &[u8]) -> bool {
    let step = piece.len().div_ceil(PROBES).max(1);
    let probes: Vec<u8> = piece.chunks(step).flat_map(|part| middle(part, PROBE)).copied().collect();
    coded_size(&probes) >= probes.len() / 100 * EVEN
}

/// How data is best written, found by compressing a sample of it.
fn method_for(data: &[u8]) -> Method {
    let sample = middle(data, SAMPLE);
    let fast = compressed_size(sample, FAST_LEVEL);
    let next = compressed_size(sample, NEXT_LEVEL);
    if next * RUNS < sample.len() && compressed_size(sample, RUNS_LEVEL) < next - next / 16 {
        Method::Compress(RUNS_LEVEL)
    } else if !is_worth(next, sample.len()) && is_even(data) {
        Method::Store
    } else if next < fast - fast / 25 {
        Method::Compress(NEXT_LEVEL)
    } else {
        Method::Compress(FAST_LEVEL)
    }
}

fn compressed_size(sample: &[u8], level: i32) -> usize {
    let mut buffer = vec![0; sample.len()];
    with_compressor(level, |compressor| compressor.deflate_compress(sample, &mut buffer)).unwrap_or(sample.len())
}

/// The size of `data` if each byte were coded by its frequency alone (its entropy of order zero).
fn coded_size(data: &[u8]) -> usize {
    let mut counts = [0u32; 256];
    data.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let total = data.len() as f64;
    let bits: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) * (total / f64::from(*count)).log2())
        .sum();
    (bits / 8.0) as usize
}

/// That many bytes from the middle of the data.
fn middle(data: &[u8], length: usize) -> &[u8] {
    let start = data.len().saturating_sub(length) / 2;
    &data[start..(start + length).min(data.len())]
}

/// Calls `work` with this thread's compressor of a level, which is made once: making one costs more than
/// compressing a small value.
fn with_compressor<T>(level: i32, work: impl FnOnce(&mut Compressor) -> T) -> T {
    thread_local! {
        static COMPRESSORS: RefCell<Vec<(i32, Compressor)>> = const { RefCell::new(Vec::new()) };
    }
    COMPRESSORS.with_borrow_mut(|compressors| {
        let index = compressors.iter().position(|(found, _)| *found == level).unwrap_or_else(|| {
            compressors.push((level, Compressor::new(CompressionLvl::new(level).unwrap_or_default())));
            compressors.len() - 1
        });
        work(&mut compressors[index].1)
    })
}

#[cfg(test)]
mod tests;
