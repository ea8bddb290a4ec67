//! Deflate blocks of single bytes: a Huffman code and no repetitions.
//!
//! Floats from a measurement hardly ever repeat a sequence, but their exponents are alike; looking
//! for repetitions in them costs much and finds nothing that the code alone does not.

/// The longest code: four of them and what is pending fit into 64 bits.
const LONGEST: usize = 14;
/// The bytes, and the end of the block.
const SYMBOLS: usize = 257;
const END: usize = 256;
/// The bytes that share a code.
const BLOCK: usize = 256 * 1024;

/// The probes that tell whether data is the same all over: so much in every so much.
const PROBE: usize = 1024;
const PROBE_STEP: usize = 64 * 1024;

/// In which order the lengths of the code for code lengths are told.
const LENGTH_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// About how many bytes `data` takes in such blocks.
pub(super) fn estimate(data: &[u8]) -> usize {
    let counts = count(data);
    let total = data.len() as f64;
    let bits: f64 =
        counts.iter().filter(|count| **count > 0).map(|count| *count as f64 * (total / *count as f64).log2()).sum();
    (bits / 8.0) as usize + 130
}

/// Whether small probes all over `data` differ in what they would take: not one kind of data.
pub(super) fn is_uneven(data: &[u8]) -> bool {
    let probes = data.chunks(PROBE_STEP).map(|stretch| estimate(&stretch[..stretch.len().min(PROBE)]));
    let (least, most) = probes.fold((usize::MAX, 0), |(least, most), size| (least.min(size), most.max(size)));
    most - least > PROBE / 8
}

/// Writes blocks to the start of `out`, ending at a whole byte; nothing if they do not fit.
pub(super) fn encode(data: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut writer = Writer { out, at: 0, pending: 0, bits: 0 };
    for block in data.chunks(BLOCK) {
        encode_block(block, &mut writer)?;
    }
    writer.sync()
}

fn encode_block(data: &[u8], writer: &mut Writer<'_>) -> Option<()> {
    let mut counts = count(data);
    counts[END] = 1;
    let lengths = code_lengths(&counts, LONGEST);
    let codes = codes(&lengths);
    let size: u64 = counts.iter().zip(&lengths).map(|(count, length)| count * u64::from(*length)).sum();
    // Head and end of the block take less than the rest; a wide write may reach past its end.
    if (size / 8) as usize + 512 > writer.out.len() - writer.at {
        return None;
    }
    write_head(&lengths, writer);
    let (fours, rest) = data.as_chunks::<4>();
    for four in fours {
        for byte in four {
            let (code, length) = codes[usize::from(*byte)];
            writer.pending |= u64::from(code) << writer.bits;
            writer.bits += u32::from(length);
        }
        writer.flush();
    }
    for byte in rest {
        writer.put(codes[usize::from(*byte)]);
    }
    writer.put(codes[END]);
    Some(())
}

/// The head of a block with a code of its own: the code lengths, themselves in a code.
fn write_head(lengths: &[u8; SYMBOLS], writer: &mut Writer<'_>) {
    writer.put((0b100, 3)); // not the last block, a code of its own
    writer.put((0, 5)); // 257 codes for bytes and end
    writer.put((0, 5)); // one code for distances, of no length: there are none
    let mut counts = [0u64; 19];
    lengths.iter().for_each(|length| counts[usize::from(*length)] += 1);
    counts[0] += 1; // the distances
    let length_lengths = code_lengths(&counts, 7);
    let length_codes = codes(&length_lengths);
    writer.put((15, 4)); // all 19 lengths of that code
    for symbol in LENGTH_ORDER {
        writer.put((u16::from(length_lengths[symbol]), 3));
    }
    for length in lengths {
        writer.put(length_codes[usize::from(*length)]);
    }
    writer.put(length_codes[0]);
}

struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
    pending: u64,
    bits: u32,
}

impl Writer<'_> {
    fn put(&mut self, (code, length): (u16, u8)) {
        self.pending |= u64::from(code) << self.bits;
        self.bits += u32::from(length);
        self.flush();
    }

    /// Writes the whole bytes that are pending; what is behind them is written again later.
    #[inline(always)]
    fn flush(&mut self) {
        if let Some(target) = self.out[self.at..].first_chunk_mut::<8>() {
            *target = self.pending.to_le_bytes();
        }
        let bytes = self.bits / 8;
        self.at += bytes as usize;
        self.pending >>= bytes * 8;
        self.bits %= 8;
    }

    /// An empty stored block, which ends at a whole byte.
    fn sync(mut self) -> Option<usize> {
        self.put((0, 3));
        if self.bits > 0 {
            self.bits = 8;
            self.flush();
        }
        self.out.get_mut(self.at..self.at + 4)?.copy_from_slice(&[0, 0, 0xff, 0xff]);
        Some(self.at + 4)
    }
}

/// How often each byte occurs.
fn count(data: &[u8]) -> [u64; SYMBOLS] {
    // Four tables: neighbours that are alike do not wait for each other.
    let mut tables = [[0u32; 256]; 4];
    let (fours, rest) = data.as_chunks::<4>();
    for four in fours {
        for (byte, table) in four.iter().zip(&mut tables) {
            table[usize::from(*byte)] += 1;
        }
    }
    rest.iter().for_each(|byte| tables[0][usize::from(*byte)] += 1);
    let mut counts = [0; SYMBOLS];
    for table in &tables {
        counts.iter_mut().zip(table).for_each(|(count, part)| *count += u64::from(*part));
    }
    counts
}

/// The lengths of a Huffman code, none above `longest`; zero for what does not occur.
fn code_lengths<const N: usize>(counts: &[u64; N], longest: usize) -> [u8; N] {
    let mut lengths = [0u8; N];
    let mut symbols: Vec<usize> = (0..N).filter(|symbol| counts[*symbol] > 0).collect();
    if symbols.len() < 2 {
        // A code needs two symbols to be complete.
        let only = symbols.first().copied().unwrap_or(0);
        lengths[only] = 1;
        lengths[if only == 0 { 1 } else { 0 }] = 1;
        return lengths;
    }
    symbols.sort_by_key(|symbol| counts[*symbol]);
    // Two queues: the symbols, rarest first, and the joined nodes, which come in ascending order too.
    let count = symbols.len();
    let mut weights: Vec<u64> = symbols.iter().map(|symbol| counts[*symbol]).collect();
    let mut parents = vec![0usize; 2 * count - 1];
    let (mut leaf, mut joined) = (0, count);
    for node in count..2 * count - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            let take_leaf = leaf < count && (joined >= node || weights[leaf] <= weights[joined]);
            let next = if take_leaf { &mut leaf } else { &mut joined };
            weight += weights[*next];
            parents[*next] = node;
            *next += 1;
        }
        weights.push(weight);
    }
    let mut depths = vec![0usize; 2 * count - 1];
    for node in (0..2 * count - 2).rev() {
        depths[node] = depths[parents[node]] + 1;
    }
    let mut per_length = vec![0usize; longest + 1];
    depths[..count].iter().for_each(|depth| per_length[(*depth).min(longest)] += 1);
    // Codes that were cut take too much of the space: lengthen others until all fit.
    let full = 1usize << longest;
    let mut space: usize = per_length.iter().enumerate().skip(1).map(|(length, n)| n << (longest - length)).sum();
    while space > full {
        let Some(shorter) = (1..longest).rev().find(|length| per_length[*length] > 0) else { break };
        per_length[shorter] -= 1;
        per_length[shorter + 1] += 1;
        space -= 1 << (longest - shorter - 1);
    }
    // And shorten again where that left a gap: a code must be complete.
    while space < full {
        let gain = |length: &usize| per_length[*length] > 0 && space + (1 << (longest - length)) <= full;
        let Some(longer) = (2..=longest).find(gain) else { break };
        per_length[longer] -= 1;
        per_length[longer - 1] += 1;
        space += 1 << (longest - longer);
    }
    // The rarest symbols get the longest codes.
    let mut rarest_first = symbols.into_iter();
    for length in (1..=longest).rev() {
        for symbol in rarest_first.by_ref().take(per_length[length]) {
            lengths[symbol] = length as u8;
        }
    }
    lengths
}

/// The canonical code of these lengths, turned round as deflate writes it.
fn codes<const N: usize>(lengths: &[u8; N]) -> [(u16, u8); N] {
    let mut next = [0u16; 16];
    for length in 2..16u8 {
        let shorter = usize::from(length - 1);
        let taken = lengths.iter().filter(|other| usize::from(**other) == shorter).count() as u16;
        next[shorter + 1] = (next[shorter] + taken) << 1;
    }
    lengths.map(|length| {
        if length == 0 {
            return (0, 0);
        }
        let code = next[usize::from(length)];
        next[usize::from(length)] += 1;
        (code.reverse_bits() >> (16 - length), length)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn codes_are_complete_and_bounded(counts in prop::collection::vec(prop_oneof![Just(0u64), 1u64..10, 1u64..1 << 40], 19)) {
            let counts: [u64; 19] = counts.try_into().unwrap();
            let lengths = code_lengths(&counts, 7);
            let space: usize = lengths.iter().filter(|length| **length > 0).map(|length| 1 << (7 - length)).sum();
            prop_assert_eq!(space, 1 << 7);
            prop_assert!(counts.iter().zip(&lengths).all(|(count, length)| *count == 0 || *length > 0));
        }
    }
}
