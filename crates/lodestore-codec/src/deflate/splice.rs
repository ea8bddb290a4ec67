//! Joining deflate streams: the last block of each loses its mark, and an empty stored block brings
//! the next one to a whole byte.
//!
//! libdeflate does not tell where its last block begins and ends, so the stream is read through,
//! symbol by symbol, without making anything of it.

/// An empty block that is the last of its stream.
pub(super) const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// The longest content of a stored block.
const LONGEST_STORED: usize = 65_535;

/// Writes `data` as it is in stored blocks. `out` must have room for 5 bytes more per 65535.
pub(super) fn store(data: &[u8], out: &mut [u8]) -> usize {
    let mut at = 0;
    for block in data.chunks(LONGEST_STORED) {
        let length = block.len() as u16;
        out[at] = 0;
        out[at + 1..at + 3].copy_from_slice(&length.to_le_bytes());
        out[at + 3..at + 5].copy_from_slice(&(!length).to_le_bytes());
        out[at + 5..at + 5 + block.len()].copy_from_slice(block);
        at += 5 + block.len();
    }
    at
}

/// Makes the deflate stream in the first `length` bytes of `out` one that can be continued; the new
/// length, or nothing if it is not understood or there is no room for the joint.
pub(super) fn open_end(out: &mut [u8], length: usize) -> Option<usize> {
    let (last_block, end) = Scanner { data: &out[..length], at: 0 }.scan()?;
    out[last_block / 8] &= !(1 << (last_block % 8));
    // Behind the end are zero bits: the head of a stored block is three of them.
    let joint = (end + 3).div_ceil(8);
    if joint > length {
        *out.get_mut(length)? = 0;
    }
    out.get_mut(joint..joint + 4)?.copy_from_slice(&[0, 0, 0xff, 0xff]);
    Some(joint + 4)
}

/// The bits that are looked at together where bytes are coded one by one: two or three of them.
const LITERAL_WIDTH: u32 = 12;

struct Scanner<'a> {
    data: &'a [u8],
    /// In bits.
    at: usize,
}

/// What the next bits of a stream stand for, in a table: as many literals as fit into the width of the
/// table, and perhaps what follows them. A byte at a time would take as long as a fast level itself.
#[derive(Clone, Copy, Default)]
struct Entry {
    /// All of it, with the further bits of a length. Zero if no code begins so.
    bits: u8,
    kind: Kind,
}

/// How it ends: a distance follows a length.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Literal,
    Length,
    End,
}

const LENGTH_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

impl Scanner<'_> {
    /// Where the last block begins, and where it ends; in bits.
    fn scan(mut self) -> Option<(usize, usize)> {
        loop {
            let start = self.at;
            let last = self.take(1)? == 1;
            match self.take(2)? {
                0 => {
                    self.at = self.at.next_multiple_of(8);
                    let length = self.take(16)?;
                    self.take(16)?;
                    self.at += length * 8;
                }
                1 => {
                    let mut lengths = [8u8; 288];
                    lengths[144..256].fill(9);
                    lengths[256..280].fill(7);
                    self.symbols(&lengths, &[5; 30])?;
                }
                2 => self.own_codes()?,
                _ => return None,
            }
            if self.at > self.data.len() * 8 {
                return None;
            }
            if last {
                return Some((start, self.at));
            }
        }
    }

    fn own_codes(&mut self) -> Option<()> {
        let (literals, distances, told) = (self.take(5)? + 257, self.take(5)? + 1, self.take(4)? + 4);
        let mut length_lengths = [0u8; 19];
        for symbol in &LENGTH_ORDER[..told] {
            length_lengths[*symbol] = self.take(3)? as u8;
        }
        let (symbols, width) = symbol_table(&length_lengths, 0)?;
        let mut lengths: Vec<u8> = Vec::with_capacity(literals + distances);
        while lengths.len() < literals + distances {
            let (symbol, bits) = symbols[(self.peek() as usize) & ((1 << width) - 1)];
            if bits == 0 {
                return None;
            }
            self.at += usize::from(bits);
            let (value, times) = match symbol {
                16 => (*lengths.last()?, 3 + self.take(2)?),
                17 => (0, 3 + self.take(3)?),
                18 => (0, 11 + self.take(7)?),
                length => (length as u8, 1),
            };
            lengths.extend(std::iter::repeat_n(value, times));
        }
        let (literals, distances) = lengths.split_at(literals);
        self.symbols(literals, distances)
    }

    /// Reads through the symbols of a block.
    fn symbols(&mut self, literals: &[u8], distances: &[u8]) -> Option<()> {
        let (literals, literal_width) = literal_table(literals)?;
        let (distances, distance_width) = distance_table(distances)?;
        let (literal_mask, distance_mask) = ((1u64 << literal_width) - 1, (1u64 << distance_width) - 1);
        let end = self.data.len() * 8;
        while self.at <= end {
            // 57 bits are there at least: literals and a length take up to 20, a distance up to 28.
            let window = self.peek();
            let entry = literals[(window & literal_mask) as usize];
            if entry.bits == 0 {
                return None;
            }
            self.at += usize::from(entry.bits);
            match entry.kind {
                Kind::Literal => {}
                Kind::Length => {
                    let bits = distances[((window >> entry.bits) & distance_mask) as usize];
                    if bits == 0 {
                        return None;
                    }
                    self.at += usize::from(bits);
                }
                Kind::End => return Some(()),
            }
        }
        None
    }

    fn take(&mut self, bits: usize) -> Option<usize> {
        let value = self.peek() & ((1 << bits) - 1);
        self.at += bits;
        (self.at <= self.data.len() * 8).then_some(value as usize)
    }

    /// The next 57 bits or more, the next one lowest; zeros behind the end.
    #[inline(always)]
    fn peek(&self) -> u64 {
        let rest = self.data.get(self.at / 8..).unwrap_or_default();
        let word = match rest.first_chunk::<8>() {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        word >> (self.at % 8)
    }
}

/// Symbol and length of every code, found by the bits that begin with it: so many, or as many as the
/// longest code has.
fn symbol_table(lengths: &[u8], width: u32) -> Option<(Vec<(u16, u8)>, u32)> {
    let width = width.max(u32::from(lengths.iter().copied().max().filter(|longest| *longest <= 15)?));
    let mut table = vec![(0u16, 0u8); 1 << width];
    let mut code = 0u32;
    for length in 1..=width {
        for (symbol, _) in lengths.iter().enumerate().filter(|(_, other)| u32::from(**other) == length) {
            if code >= 1 << length {
                return None;
            }
            let first = (code.reverse_bits() >> (32 - length)) as usize;
            for entry in table[first..].iter_mut().step_by(1 << length) {
                *entry = (symbol as u16, length as u8);
            }
            code += 1;
        }
        code <<= 1;
    }
    Some((table, width))
}

fn literal_table(lengths: &[u8]) -> Option<(Vec<Entry>, u32)> {
    let (symbols, width) = symbol_table(lengths, LITERAL_WIDTH)?;
    let entry = |index: usize| {
        let mut bits = 0;
        loop {
            let (symbol, code) = symbols[index >> bits];
            // The bits behind the index are not known: a code that needs them is left to the next look.
            if code == 0 || bits + u32::from(code) > width {
                return Entry { bits: bits as u8, kind: Kind::Literal };
            }
            bits += u32::from(code);
            let (kind, further) = match symbol {
                0..256 => continue,
                256 => (Kind::End, 0),
                257..265 | 285.. => (Kind::Length, 0),
                length => (Kind::Length, (length - 261) / 4),
            };
            return Entry { bits: bits as u8 + further as u8, kind };
        }
    };
    Some(((0..symbols.len()).map(entry).collect(), width))
}

fn distance_table(lengths: &[u8]) -> Option<(Vec<u8>, u32)> {
    let (symbols, width) = symbol_table(lengths, 0)?;
    let bits = |(symbol, bits): (u16, u8)| if bits == 0 { 0 } else { bits + (symbol / 2).saturating_sub(1) as u8 };
    Some((symbols.into_iter().map(bits).collect(), width))
}
