//! Making zlib streams as fast as the machine allows.
//!
//! Small data goes through libdeflate whole. Large data is cut into pieces that all cores compress
//! at once; a look at a sample of each decides how:
//!
//! - what does not shrink is stored as it is, and data without any piece that shrinks is given up at once;
//! - noise, in which no sequence repeats but some bytes are commoner than others (floats mostly),
//!   gets a [Huffman code for single bytes](literals), several times faster than looking for repetitions;
//! - the rest goes through libdeflate, at the fastest levels that a few samples find good enough.
//!
//! libdeflate cannot be told what came before a piece. Where that would cost much (images, runs, what
//! repeats over and over) the pieces are [longer](reach); there a single core is fast too.
//!
//! The pieces are [joined](splice) to one valid stream that any zlib reads. Nothing depends on the
//! number of cores: equal data gives equal bytes.

mod literals;
mod splice;

use libdeflater::{Adler32, CompressionLvl, Compressor};
use rayon::prelude::*;

/// Data up to this size is compressed in one go.
const LARGE: usize = 512 * 1024;
/// The shortest and the longest part that one sample speaks for.
const PART: [usize; 2] = [1 << 20, 3 << 20];
/// Into how many parts data is cut before these get longer.
const PARTS: usize = 32;
/// How far back deflate looks for repetitions.
const WINDOW: usize = 32 * 1024;
/// A sample that shows repetitions across the whole window.
const SAMPLE: usize = WINDOW + 8 * 1024;
/// A sample that shows how good a level is, and how many of them are looked at.
const LEVEL_SAMPLE: usize = 96 * 1024;
const LEVEL_SAMPLES: usize = 8;
/// Room for what a piece grows by if nothing in it shrinks, and for the joint behind it.
const SLACK: usize = 1024;

/// Deflate with a window of 32 KiB, at the usual level.
const ZLIB_HEAD: [u8; 2] = [0x78, 0x9c];

/// The levels of libdeflate to choose from, the fastest first. The last comes as close to level 6 of
/// classic zlib as is possible: lower ones give up too early in images and among few values.
const LEVELS: [i32; 5] = [1, 4, 5, 6, 7];
const BEST_LEVEL: i32 = LEVELS[LEVELS.len() - 1];
/// What shrinks to less than this part of itself deserves the next level too: there it is fast, and
/// finds what lies behind many short runs.
const TINY: usize = 64;
const TINY_LEVEL: i32 = 8;
/// The fastest level that finds repetitions of three bytes, as rising numbers have.
const SEARCH_LEVEL: i32 = 4;

/// How a piece is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Stored,
    Literals,
    Repetitions,
}

/// What is compressed at once.
struct Piece<'a> {
    data: &'a [u8],
    method: Method,
}

/// `head`, and behind it one zlib stream of all segments; nothing if that would not be shorter than
/// `limit` bytes.
pub(crate) fn zlib_behind(head: &[u8], segments: &[&[u8]], limit: usize) -> Option<Vec<u8>> {
    let size: usize = segments.iter().map(|segment| segment.len()).sum();
    let framed = match segments {
        [data] if size <= LARGE => whole(head, data, limit),
        segments if size <= LARGE => whole(head, &segments.concat(), limit),
        segments => pieces(head, segments),
    };
    framed.filter(|framed| framed.len() < limit)
}

fn whole(head: &[u8], data: &[u8], limit: usize) -> Option<Vec<u8>> {
    // What needs more room than this is not short enough.
    let mut framed = vec![0; limit.saturating_sub(1).max(head.len())];
    framed[..head.len()].copy_from_slice(head);
    let length = compressor(BEST_LEVEL).zlib_compress(data, &mut framed[head.len()..]).ok()?;
    framed.truncate(head.len() + length);
    Some(framed)
}

fn pieces(head: &[u8], segments: &[&[u8]]) -> Option<Vec<u8>> {
    let pieces = cut(segments);
    if pieces.iter().all(|piece| piece.method == Method::Stored) {
        return None;
    }
    let levels = levels_for(&pieces);
    let body = head.len() + ZLIB_HEAD.len();
    // Every piece is compressed into a slot of its own; then the slots are moved together. The memory
    // comes as zeros from the system, and the cores that fill it share the cost of its first touch.
    let room: usize = pieces.iter().map(|piece| slot_size(piece.data)).sum();
    let mut framed = vec![0; body + room + 16];
    framed[..head.len()].copy_from_slice(head);
    framed[head.len()..body].copy_from_slice(&ZLIB_HEAD);
    let mut rest = &mut framed[body..];
    let work: Vec<_> = pieces.iter().map(|piece| (piece, rest.split_off_mut(..slot_size(piece.data)))).collect();
    let compress = || {
        let work = work.into_par_iter().enumerate().with_max_len(1);
        work.map(|(number, (piece, slot))| compress_piece(piece, levels.of(number), slot.unwrap_or_default()))
            .collect::<Vec<usize>>()
    };
    let checksum = || {
        let mut adler = Adler32::new();
        segments.iter().for_each(|segment| adler.update(segment));
        adler.sum()
    };
    let (lengths, checksum) = rayon::join(compress, checksum);
    let (mut slot, mut end) = (body, body);
    for (piece, length) in pieces.iter().zip(lengths) {
        framed.copy_within(slot..slot + length, end);
        slot += slot_size(piece.data);
        end += length;
    }
    framed.truncate(end);
    framed.extend_from_slice(&splice::LAST_BLOCK);
    framed.extend_from_slice(&checksum.to_be_bytes());
    framed.shrink_to_fit();
    Some(framed)
}

/// What a piece is compressed into.
fn slot_size(piece: &[u8]) -> usize {
    // The head of a stored block takes 5 bytes of 65535.
    piece.len() + piece.len() / 8192 + SLACK
}

/// Cuts data into pieces: parts of one size, joined where a piece must be longer.
fn cut<'a>(segments: &[&'a [u8]]) -> Vec<Piece<'a>> {
    let size: usize = segments.iter().map(|segment| segment.len()).sum();
    let part_size = (size / PARTS).clamp(PART[0], PART[1]);
    let mut pieces: Vec<Piece<'a>> = Vec::new();
    for segment in segments {
        let parts: Vec<&[u8]> = segment.chunks(part_size).collect();
        let looks: Vec<(Method, usize)> = parts.par_iter().map(|part| look_at(part)).collect();
        let (mut start, mut end, mut wanted) = (0, 0, 0);
        for (index, (part, (method, reach))) in parts.iter().zip(&looks).enumerate() {
            end += part.len();
            wanted = wanted.max(*reach);
            let next_is_alike = looks.get(index + 1).is_some_and(|(next, _)| next == method);
            if !next_is_alike || end - start >= wanted {
                pieces.push(Piece { data: &segment[start..end], method: *method });
                (start, wanted) = (end, 0);
            }
        }
    }
    pieces
}

/// Compresses a piece into its slot, ending at a whole byte and without the mark of the last block.
fn compress_piece(piece: &Piece<'_>, level: i32, slot: &mut [u8]) -> usize {
    let Piece { data, method } = *piece;
    let mut found = None;
    if method == Method::Literals {
        found = literals::encode(data, slot);
    }
    if method == Method::Repetitions || (method == Method::Literals && found.is_none()) {
        let room = slot.len() - SLACK / 2;
        let length = compressor(level).deflate_compress(data, &mut slot[..room]).ok();
        // If the joint is not found the stream is one that libdeflate never makes.
        found = length.and_then(|length| splice::open_end(slot, length));
    }
    found.filter(|length| *length < data.len()).unwrap_or_else(|| splice::store(data, slot))
}

fn compressor(level: i32) -> Compressor {
    Compressor::new(CompressionLvl::new(level).unwrap_or_default())
}

/// So much from the middle of the data.
fn middle(data: &[u8], length: usize) -> &[u8] {
    let start = data.len().saturating_sub(length) / 2;
    &data[start..(start + length).min(data.len())]
}

fn compressed_size(sample: &[u8], level: i32) -> usize {
    let mut buffer = vec![0; sample.len()];
    compressor(level).deflate_compress(sample, &mut buffer).unwrap_or(sample.len())
}

/// How a part is best compressed, and how long a piece must be for that.
fn look_at(part: &[u8]) -> (Method, usize) {
    match method_for(part) {
        Method::Repetitions => (Method::Repetitions, reach(part)),
        method => (method, 0),
    }
}

fn method_for(part: &[u8]) -> Method {
    let sample = middle(part, SAMPLE);
    let alone = literals::estimate(sample);
    // Where few bytes are common, more of what a sample is too short for repeats by chance. And what is
    // not the same all over has no method that one sample could tell.
    if alone < sample.len() * 3 / 4 || literals::is_uneven(part) {
        return Method::Repetitions;
    }
    // A little in favour of what is faster.
    if compressed_size(sample, SEARCH_LEVEL) < alone - alone / 100 {
        Method::Repetitions
    } else if alone < sample.len() - sample.len() / 200 {
        Method::Literals
    } else {
        Method::Stored
    }
}

/// How long a piece of such data must be for its beginning, which has no window to look back at, to
/// cost less than a hundredth.
fn reach(part: &[u8]) -> usize {
    let sample = middle(part, 2 * WINDOW);
    let first = compressed_size(&sample[..sample.len().min(WINDOW)], BEST_LEVEL);
    let second = compressed_size(sample, BEST_LEVEL).saturating_sub(first).max(1);
    first.saturating_sub(second).saturating_mul(100 * WINDOW) / second
}

/// At which levels pieces with repetitions are compressed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Levels {
    usual: i32,
    /// The part of the pieces that goes through the fastest level instead.
    fastest: f64,
}

impl Levels {
    /// The level of the piece of this number; the fast ones are spread evenly.
    fn of(self, number: usize) -> i32 {
        let fast_before = |number: usize| (number as f64 * self.fastest).floor();
        if fast_before(number + 1) > fast_before(number) { LEVELS[0] } else { self.usual }
    }
}

/// The fastest level that comes near the best, as a few samples show, and how many pieces may go through
/// the fastest of all before the whole is larger than it should be.
fn levels_for(pieces: &[Piece<'_>]) -> Levels {
    let with_repetitions = || pieces.iter().filter(|piece| piece.method == Method::Repetitions).map(|piece| piece.data);
    let size: usize = with_repetitions().map(<[u8]>::len).sum();
    // Long pieces are looked at several times.
    let step = (size / LEVEL_SAMPLES).max(LEVEL_SAMPLE);
    let samples: Vec<&[u8]> =
        with_repetitions().flat_map(|data| data.chunks(step)).map(|part| middle(part, LEVEL_SAMPLE)).collect();
    let samples: Vec<&[u8]> = samples.iter().copied().step_by(samples.len().div_ceil(LEVEL_SAMPLES).max(1)).collect();
    // What counts is what comes after the first window: a long piece is mostly that.
    let later = |sample: &&[u8], level: i32| {
        let first = compressed_size(&sample[..sample.len().min(WINDOW)], level);
        compressed_size(sample, level).saturating_sub(first)
    };
    let total = |level: &i32| -> usize { samples.par_iter().map(|sample| later(sample, *level)).sum() };
    let mut levels = LEVELS.to_vec();
    let mut totals: Vec<usize> = levels.iter().map(total).collect();
    let (fastest, second, last) = (totals[0], totals[levels.len() - 2], totals[levels.len() - 1]);
    if last * TINY < samples.len() * (LEVEL_SAMPLE - WINDOW) {
        levels.push(TINY_LEVEL);
        totals.push(total(&TINY_LEVEL));
    }
    let best = totals.iter().copied().min().unwrap_or(0);
    let near = |total: &usize| *total <= best + best / 80;
    let found = levels.iter().zip(&totals).find(|(_, total)| near(total));
    let (usual, found) = found.map_or((BEST_LEVEL, last), |(level, total)| (*level, *total));
    // Where the last level still finds much more than the one before, there is more to find than any tells.
    let allowed = if second - second / 100 <= last { best + best / 50 } else { found };
    let room = allowed.saturating_sub(found) as f64;
    let cost = fastest.saturating_sub(found) as f64;
    Levels { usual, fastest: if cost > room { room / cost } else { 1.0 } }
}

#[cfg(test)]
mod tests;
