//! `<blob>`: any value, packed in the peer's `mYm` and `dj0` formats.
//!
//! Stores numbers, text, times, containers, arrays of every kind and MATLAB cells and structures,
//! nested at will: in the table as `<blob>`, or as a hash-addressed object with `<blob@>` or
//! `<blob@store>`. DataJoint reads these bytes, and what DataJoint and MATLAB's mYm wrote is read
//! here; the bytes before compression are the peer's. What the format cannot hold, or would give
//! back different, is refused with the place inside the value.
//!
//! Some types come back as a relative: a 0-dimensional array is a NumPy scalar, text arrays become
//! arrays of objects, arrays of records become [`RecordArray`](lodestore_types::RecordArray)s and
//! lose padding between fields, JSON becomes the dicts and lists it stands for, arrays of single
//! bytes (`S1`) become text as characters of MATLAB do.
//!
//! ```
//! use lodestore_codec::blob;
//! use lodestore_types::{NdArray, Value};
//!
//! let value = Value::Dict(vec![("trace".into(), NdArray::from_f64(&[1.0, 2.0]).into())]);
//! let bytes = blob::pack(&value)?;
//! assert_eq!(blob::unpack(bytes)?, value);
//! # Ok::<(), lodestore_types::Error>(())
//! ```

mod codes;
mod frame;
mod read;
mod read_array;
mod refusal;
mod write;
mod write_array;
mod write_json;

use bytes::Bytes;
use lodestore_types::{CoreType, Error, ErrorKind, Result, Value};

use crate::codec::{Codec, Context, Encoded, Inner, Stored, TypeSpec};
use read::Reader;
use write::Writer;

/// Whether a long blob is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// With zlib, if the plain form is longer than 1000 bytes and becomes shorter.
    #[default]
    Zlib,
    /// Not at all.
    None,
}

/// How wide the counts and lengths in a blob are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CountWidth {
    /// 64 bits, as every current writer does.
    #[default]
    Bits64,
    /// 32 bits, as old versions of mYm did. The blob itself does not tell.
    Bits32,
}

/// How [`pack_opts`] packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PackOptions<'a> {
    /// Whether a long blob is compressed.
    pub compression: Compression,
    /// What the value is called in messages; `value` if nothing.
    pub name: &'a str,
}

/// How [`unpack_opts`] unpacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnpackOptions {
    /// How wide counts are.
    pub counts: CountWidth,
}

/// The codec `<blob>`.
#[derive(Debug, Clone, Copy, Default)]
pub struct BlobCodec;

/// Packs a value.
///
/// # Errors
/// [`ErrorKind::InvalidType`] or [`ErrorKind::InvalidValue`], with the path inside the value.
pub fn pack(value: &Value) -> Result<Bytes> {
    pack_opts(value, PackOptions::default())
}

/// Like [`pack`], with options.
///
/// # Errors
/// As [`pack`].
pub fn pack_opts(value: &Value, options: PackOptions<'_>) -> Result<Bytes> {
    let plain = Writer::plain_form(value).map_err(|refusal| refusal.into_error(root(options.name)))?;
    Ok(match options.compression {
        Compression::Zlib => plain.compress(),
        Compression::None => plain.into_bytes(),
    })
}

/// Unpacks a value. Its arrays and byte strings share the bytes of the blob.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if these bytes are no blob; [`ErrorKind::Unsupported`] for sparse arrays.
pub fn unpack(blob: impl Into<Bytes>) -> Result<Value> {
    unpack_opts(blob, UnpackOptions::default())
}

/// Like [`unpack`], with options.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_opts(blob: impl Into<Bytes>, options: UnpackOptions) -> Result<Value> {
    let width = match options.counts {
        CountWidth::Bits64 => 8,
        CountWidth::Bits32 => 4,
    };
    let (plain, start) = frame::open(blob.into(), width)?;
    Reader::new(plain, start, width).whole()
}

fn root(name: &str) -> &str {
    if name.is_empty() { "value" } else { name }
}

impl Codec for BlobCodec {
    fn name(&self) -> &str {
        "blob"
    }

    fn inner(&self, in_store: bool) -> Result<Inner> {
        Ok(match in_store {
            true => Inner::Codec(TypeSpec { codec: "hash".into(), store: Some(String::new()) }),
            false => Inner::Core(CoreType::Bytes),
        })
    }

    fn validate(&self, value: &Value) -> Result<()> {
        Writer::check(value).map_err(|refusal| refusal.into_error(root("")))
    }

    fn encode(&self, value: Value, context: &Context) -> Result<Encoded> {
        let options = PackOptions { name: &context.attribute, ..PackOptions::default() };
        Ok(Encoded::Value(Value::Bytes(pack_opts(&value, options)?)))
    }

    fn decode(&self, stored: Stored, _: &Context) -> Result<Value> {
        match stored.value {
            Value::Bytes(blob) => unpack(blob),
            other => {
                Err(Error::new(ErrorKind::Corrupt, format!("a blob is stored as bytes, found {}", other.type_name())))
            }
        }
    }
}

#[cfg(test)]
mod tests;
