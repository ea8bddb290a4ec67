//! Attachments that are kept compressed: a NUL and `ZLIB`, the length of the plain payload as 64 bits, a zlib stream.
//!
//! A plain payload begins with a name, and so never with a NUL. Other programs that know the plain form alone find no
//! name in this one and refuse it, instead of taking it for a file's content.

use bytes::Bytes;
use libdeflater::Decompressor;
use lodestore_types::{Error, ErrorKind, Payload, Result};

use crate::deflate::zlib_behind;

/// What a compressed attachment begins with.
const MARK: &[u8] = b"\0ZLIB";
/// So long is what comes before the stream.
const HEAD: usize = MARK.len() + 8;
/// A payload up to this size is not worth compressing.
const SMALL: u64 = 1000;
/// A payload beyond this size stays as it is, and goes through piece by piece; a frame is shorter.
pub const LARGE: u64 = 16 << 20;
/// So much of a payload tells whether the rest is worth looking at.
const SAMPLE: usize = 64 << 10;

/// The payload compressed, if it is of a size for that and becomes shorter by a sixteenth; else as it is.
pub(super) fn compress(payload: Payload) -> Result<Payload> {
    let size = payload.size();
    if size <= SMALL || size > LARGE {
        return Ok(payload);
    }
    let plain = payload.clone().into_bytes()?;
    // Images, videos and archives are compressed already.
    let sample = &plain[..plain.len().min(SAMPLE)];
    let worth = |length: usize| length - length / 16;
    if zlib_behind(b"", &[sample], worth(sample.len())).is_none() {
        return Ok(payload);
    }
    let head = [MARK, &size.to_le_bytes()].concat();
    Ok(zlib_behind(&head, &[&plain], worth(plain.len())).map_or(payload, |framed| Bytes::from(framed).into()))
}

/// True if a payload with this beginning is compressed.
pub fn is_compressed(begin: &[u8]) -> bool {
    begin.starts_with(MARK)
}

/// The plain payload of what [`is_compressed`].
pub(super) fn expand(framed: &[u8]) -> Result<Bytes> {
    let damaged = || Error::new(ErrorKind::Corrupt, "the compressed attachment is damaged or cut short");
    let (head, stream) = framed.split_at_checked(HEAD).ok_or_else(damaged)?;
    let told = head[MARK.len()..].try_into().map(u64::from_le_bytes).map_err(|_| damaged())?;
    // Nothing longer is ever written: whoever tells so wants our memory.
    let length = usize::try_from(told).ok().filter(|_| told <= LARGE).ok_or_else(damaged)?;
    let mut plain = vec![0; length];
    match Decompressor::new().zlib_decompress(stream, &mut plain) {
        Ok(found) if found == length => Ok(plain.into()),
        _ => Err(damaged()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(content: Vec<u8>) -> Bytes {
        compress(Bytes::from(content).into()).unwrap().into_bytes().unwrap()
    }

    #[test]
    fn what_repeats_is_compressed_and_comes_back() {
        let content = b"log.txt\0the same line\n".repeat(5000);
        let framed = compressed(content.clone());
        assert!(is_compressed(&framed) && framed.len() < content.len() / 20);
        assert_eq!(expand(&framed).unwrap(), content);
    }

    #[test]
    fn what_would_gain_nothing_stays_as_it_is() {
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..200_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        for content in [b"a\0".repeat(500), noise, vec![b'a'; LARGE as usize + 1]] {
            assert_eq!(compressed(content.clone()), content);
        }
    }

    #[test]
    fn hostile_frames_are_refused() {
        let framed = compressed(b"log.txt\0the same line\n".repeat(500));
        for length in 0..framed.len() {
            assert!(expand(&framed[..length]).is_err());
        }
        let mut huge = framed.to_vec();
        huge[MARK.len()..HEAD].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(expand(&huge).unwrap_err().kind(), ErrorKind::Corrupt);
        let mut damaged = framed.to_vec();
        damaged[HEAD + 20] ^= 1;
        assert!(expand(&damaged).is_err());
    }
}
