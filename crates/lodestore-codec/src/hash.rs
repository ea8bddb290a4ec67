//! What names content: the peer's hash in paths, and a checksum that nobody can forge.
//!
//! [`content_hash`] is MD5 in lower-case Base32, 26 characters: the name of a hash-addressed object.
//! [`checksum`] is SHA-256 in hexadecimal, `sha256:...`: what [verifies](verify) an object. Both
//! have a streaming form, for files that are not in memory.
//!
//! ```
//! use lodestore_codec::{Payload, hash};
//!
//! let payload = Payload::from(bytes::Bytes::from("abc"));
//! assert_eq!(hash::content_hash(&payload)?, "saavbgb42jh3bvuwh56sryl7oi");
//! assert!(hash::checksum(&payload)?.starts_with("sha256:ba7816bf8f01cfea"));
//! # Ok::<(), lodestore_types::Error>(())
//! ```

use lodestore_types::{Error, ErrorKind, Result};
use md5::{Digest, Md5};
use sha2::Sha256;

use crate::codec::Payload;

/// The letters of RFC 4648 Base32, in lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The length of a content hash in characters.
const HASH_LENGTH: usize = 26;

/// Computes a [`content_hash`] piece by piece.
#[derive(Debug, Clone, Default)]
pub struct ContentHasher(Md5);

/// Computes a [`checksum`] piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Checksummer(Sha256);

impl ContentHasher {
    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all that was taken in.
    pub fn finish(self) -> String {
        base32(&self.0.finalize())
    }
}

impl Checksummer {
    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all that was taken in.
    pub fn finish(self) -> String {
        let mut text = String::from("sha256:");
        for byte in self.0.finalize() {
            text.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
        }
        text
    }
}

/// The hash that names this content; files among it are read piece by piece.
///
/// # Errors
/// [`ErrorKind::Storage`] if a file cannot be read.
pub fn content_hash(payload: &Payload) -> Result<String> {
    let mut hasher = ContentHasher::default();
    payload.read_pieces(|piece| hasher.update(piece))?;
    Ok(hasher.finish())
}

/// The checksum of this content; files among it are read piece by piece.
///
/// # Errors
/// As [`content_hash`].
pub fn checksum(payload: &Payload) -> Result<String> {
    let mut checksummer = Checksummer::default();
    payload.read_pieces(|piece| checksummer.update(piece))?;
    Ok(checksummer.finish())
}

/// Both, [`content_hash`] and [`checksum`], in one reading.
///
/// # Errors
/// As [`content_hash`].
pub fn hash_and_checksum(payload: &Payload) -> Result<(String, String)> {
    let (mut hasher, mut checksummer) = (ContentHasher::default(), Checksummer::default());
    payload.read_pieces(|piece| {
        hasher.update(piece);
        checksummer.update(piece);
    })?;
    Ok((hasher.finish(), checksummer.finish()))
}

/// The hash that names these bytes.
pub fn content_hash_of(bytes: &[u8]) -> String {
    let mut hasher = ContentHasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// True for 26 characters of lower-case Base32.
pub fn is_content_hash(text: &str) -> bool {
    text.len() == HASH_LENGTH && text.bytes().all(|byte| BASE32.contains(&byte))
}

/// Compares content with the checksum that a column's JSON tells.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if they differ; [`ErrorKind::Unsupported`] if the checksum is of another kind.
pub fn verify(bytes: &[u8], expected: &str) -> Result<()> {
    let mut found = Checksummer::default();
    found.update(bytes);
    verify_checksum(&found.finish(), expected)
}

/// Like [`verify`], for content whose checksum was computed already.
///
/// # Errors
/// As [`verify`].
pub fn verify_checksum(found: &str, expected: &str) -> Result<()> {
    if !expected.starts_with("sha256:") {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("`{}` is not a checksum of a known kind", expected.escape_debug()),
        )
        .with_hint("known are `sha256:` and 64 hexadecimal digits"));
    }
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Corrupt, format!("checksum mismatch: expected `{expected}`, got `{found}`"))
        .with_hint("the object was damaged or replaced; restore it from a backup"))
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut pending, mut bits) = (0u32, 0);
    for byte in bytes {
        pending = pending << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(BASE32[(pending >> bits & 31) as usize]));
        }
        pending &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(BASE32[(pending << (5 - bits) & 31) as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn segments_are_one_content() {
        let whole = Payload::from(Bytes::from("hello world"));
        let split = Payload(vec!["hello".into(), Bytes::new().into(), " world".into()]);
        assert_eq!(content_hash(&whole).unwrap(), "l23dxo7ad3xnbe6lek5y6wwnym");
        let both = hash_and_checksum(&split).unwrap();
        assert_eq!(both, (content_hash(&whole).unwrap(), checksum(&whole).unwrap()));
        assert_eq!(content_hash_of(b"hello world"), both.0);
        let known = "sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
        assert_eq!(both.1, known);
        assert!(verify(b"hello world", known).is_ok());
        assert_eq!(verify(b"", known).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(verify(b"", "md5:1").unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn hashes_are_told_from_other_text() {
        assert!(is_content_hash(&content_hash_of(b"")));
        for text in ["", "saavbgb42jh3bvuwh56sryl7o", "SAAVBGB42JH3BVUWH56SRYL7OI", "a1a1a1a1a1a1a1a1a1a1a1a1a1"] {
            assert!(!is_content_hash(text));
        }
    }
}
