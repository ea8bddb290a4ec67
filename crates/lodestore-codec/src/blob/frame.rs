//! The frame around a packed value: plain, or compressed with zlib.

use std::alloc::{Layout, alloc_zeroed};

use bytes::Bytes;
use libdeflater::{DecompressionError, Decompressor};
use lodestore_types::{Error, ErrorKind, Result};

use super::codes;
use super::read::corrupt;
use crate::deflate::zlib_behind;

/// A plain form up to this size is not worth compressing.
const SMALL: usize = 1000;

/// The most that one byte of a deflate stream can become: 258 bytes from a quarter of it, and a little.
const MAX_RATIO: usize = 1032;

/// The plain form of a value: tag and node, and the end of the node if it is too large to copy.
pub(super) struct Plain {
    pub(super) start: Vec<u8>,
    pub(super) end: Bytes,
}

impl Plain {
    /// The plain form in one piece.
    pub(super) fn into_bytes(mut self) -> Bytes {
        self.start.extend_from_slice(&self.end);
        self.start.into()
    }

    /// The compressed form, if it is shorter; else the plain form itself.
    pub(super) fn compress(self) -> Bytes {
        let length = self.start.len() + self.end.len();
        if length <= SMALL {
            return self.into_bytes();
        }
        let head = [codes::COMPRESSED, &(length as u64).to_le_bytes()].concat();
        let segments = [&self.start[..], &self.end];
        let segments = if self.end.is_empty() { &segments[..1] } else { &segments };
        zlib_behind(&head, segments, length).map_or_else(|| self.into_bytes(), Bytes::from)
    }
}

/// The plain form with its tag, and where the node begins; `width` is the size of a count in bytes.
pub(super) fn open(blob: Bytes, width: usize) -> Result<(Bytes, usize)> {
    let plain = match blob.strip_prefix(codes::COMPRESSED) {
        Some(rest) => inflate(rest, width)?,
        None => blob,
    };
    if plain.starts_with(codes::MYM) || plain.starts_with(codes::DJ0) {
        return Ok((plain, 4));
    }
    let begin: String = plain.iter().take(8).flat_map(|byte| byte.escape_ascii()).map(char::from).collect();
    Err(Error::new(ErrorKind::Corrupt, format!("these {} bytes are no blob: they begin with `{begin}`", plain.len()))
        .with_hint("a blob begins with `mYm`, `dj0` or `ZL123`"))
}

/// Memory of zeros, or an error if there is none: how much it takes, only the blob says.
fn zeroed(length: usize) -> Result<Vec<u8>> {
    let fail = || {
        Error::new(ErrorKind::OutOfMemory, format!("there is no memory for the {length} bytes that the blob holds"))
            .with_hint("fetch it where there is more, or leave the attribute out by a projection")
    };
    let layout = Layout::array::<u8>(length).map_err(|_| fail())?;
    if length == 0 {
        return Ok(Vec::new());
    }
    // `try_reserve` and zeros written by hand would touch all of the memory before it is filled.
    // SAFETY: the size is not zero.
    let start = unsafe { alloc_zeroed(layout) };
    if start.is_null() {
        return Err(fail());
    }
    // SAFETY: the global allocator has allocated as many bytes with the alignment of `u8`, and they are initialised.
    Ok(unsafe { Vec::from_raw_parts(start, length, length) })
}

fn inflate(rest: &[u8], width: usize) -> Result<Bytes> {
    let Some((length, stream)) = rest.split_at_checked(width) else {
        return Err(corrupt("the compressed blob is cut short: it does not tell its length"));
    };
    let mut wide = [0; 8];
    wide[..width].copy_from_slice(length);
    let length = u64::from_le_bytes(wide);
    let most = stream.len().saturating_mul(MAX_RATIO);
    let expected = usize::try_from(length).ok().filter(|expected| *expected <= most).ok_or_else(|| {
        corrupt(format!(
            "the compressed blob tells {length} bytes, its {} bytes can become at most {most}",
            stream.len()
        ))
    })?;
    let mut plain = zeroed(expected)?;
    match Decompressor::new().zlib_decompress(stream, &mut plain) {
        Ok(found) if found == expected => Ok(plain.into()),
        Ok(found) => Err(corrupt(format!("blob size mismatch: expected {expected}, got {found}"))),
        Err(DecompressionError::InsufficientSpace) => {
            Err(corrupt(format!("blob size mismatch: expected {expected}, got more")))
        }
        Err(DecompressionError::BadData) => Err(corrupt("the zlib stream of the blob is damaged or cut short")),
    }
}
