//! `<npy@>`: arrays as standard `.npy` files, read in parts.
//!
//! Takes arrays of every element type but objects: numbers, booleans, times, text, bytes, structured
//! types, of any byte order and memory order, and writes exactly what `numpy.save` writes. Only in
//! a store: `<npy@>` or `<npy@store>`. The column's JSON has the peer's keys `path`, `store`,
//! `dtype`, `shape`, then ours: `descr`, `order` and `header` (the length of the file's header in
//! bytes), with which a slice needs no look at the file before, and `size` and `checksum`. Anything
//! that reads NumPy files reads the objects.
//!
//! Fetching gives a [`Reference`]: nothing is read. [`header_of`] tells
//! what its row knows; [`plan`] and [`Plan::gather`] read slices, [`read`] a whole file.

mod descr;
mod header;
mod index;
mod literal;
mod slice;

pub use descr::{descr_json, dtype_name, from_descr, parse_dtype};
pub use header::Header;
pub use index::Index;
pub use slice::{Plan, PlanOptions, plan};

use bytes::Bytes;
use lodestore_types::{CoreType, Error, ErrorKind, NdArray, Order, Reference, Result, Value};
use serde_json::{Map, Value as Json, json};

use crate::codec::{Addressing, Codec, Context, Encoded, Inner, NewObject, Payload, Stored};
use crate::layout::{orders_agree, reverse_axes};
use crate::reference::reference_from_column;

/// The most dimensions that NumPy has.
const MAX_NDIM: usize = 64;

/// The codec `<npy@>`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NpyCodec;

impl Codec for NpyCodec {
    fn name(&self) -> &str {
        "npy"
    }

    fn inner(&self, in_store: bool) -> Result<Inner> {
        match in_store {
            true => Ok(Inner::Core(CoreType::Json)),
            false => Err(Error::new(ErrorKind::InvalidDefinition, "`<npy>` requires @ (store only)")
                .with_hint("write `<npy@>` for the default store or `<npy@store>`, or use `<blob>` in the table")),
        }
    }

    fn validate(&self, value: &Value) -> Result<()> {
        array_of(value).map(|_| ())
    }

    fn encode(&self, value: Value, _: &Context) -> Result<Encoded> {
        let array = array_of(&value)?;
        let (header, head) = Header::of(array);
        Ok(Encoded::Object(NewObject {
            addressing: Addressing::Schema { extension: ".npy".to_owned() },
            payload: Payload(vec![head.into(), array.data().clone().into()]),
            metadata: metadata_of(&header),
        }))
    }

    /// A reference; the array is not read.
    fn decode(&self, stored: Stored, context: &Context) -> Result<Value> {
        reference_from_column(self.name(), stored.value, context).map(Value::Reference)
    }
}

fn array_of(value: &Value) -> Result<&NdArray> {
    match value {
        Value::Array(array) => Ok(array),
        Value::Objects(_) | Value::Records(_) | Value::Struct(_) => {
            Err(Error::new(ErrorKind::InvalidType, "`<npy>` does not support object dtype arrays")
                .with_hint("use `<blob@>`, which holds arrays of any values"))
        }
        other => {
            Err(Error::new(ErrorKind::InvalidType, format!("`<npy>` requires an array, got {}", other.type_name()))
                .with_hint("convert it with `numpy.asarray`, or use `<blob@>`"))
        }
    }
}

/// What the column tells about an array.
pub fn metadata_of(header: &Header) -> Map<String, Json> {
    let mut metadata = Map::new();
    metadata.insert("dtype".into(), dtype_name(&header.dtype).into());
    metadata.insert("shape".into(), json!(header.shape));
    metadata.insert("descr".into(), descr_json(&header.dtype));
    metadata.insert("order".into(), if header.order == Order::Fortran { "F" } else { "C" }.into());
    metadata.insert("header".into(), header.length.into());
    metadata
}

/// What a row tells about its array: all of the header that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The element type.
    pub dtype: lodestore_types::DType,
    /// The extents.
    pub shape: Vec<usize>,
    /// The header in full, if the row tells order and header length. The peer's rows do not: read
    /// the start of the object then, and [parse](Header::parse) it.
    pub header: Option<Header>,
}

/// Reads what a reference to an array tells.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if element type or shape are missing or do not agree with the size.
pub fn header_of(reference: &Reference) -> Result<Known> {
    let told = &reference.metadata;
    let damaged = |what: &str| {
        Error::new(ErrorKind::Corrupt, format!("the column's JSON tells no sound `{what}` of an array"))
            .with("path", &reference.path)
    };
    let dtype = match (told.get("descr"), told.get("dtype")) {
        (Some(descr), _) => from_descr(descr)?,
        (None, Some(Json::String(text))) => parse_dtype(text)?,
        _ => return Err(damaged("dtype")),
    };
    let shape = told.get("shape").and_then(header::shape_of).ok_or_else(|| damaged("shape"))?;
    let size = shape.iter().try_fold(dtype.itemsize(), |size, extent| size.checked_mul(*extent));
    if size.is_none() && !shape.contains(&0) {
        return Err(damaged("shape"));
    }
    let order = match told.get("order").and_then(Json::as_str) {
        Some("C") => Some(Order::C),
        Some("F") => Some(Order::Fortran),
        None => None,
        Some(_) => return Err(damaged("order")),
    };
    let length = told.get("header").and_then(Json::as_u64).and_then(|length| usize::try_from(length).ok());
    let header =
        order.zip(length).map(|(order, length)| Header { dtype: dtype.clone(), shape: shape.clone(), order, length });
    if let Some(header) = &header {
        let expected = (header.data_size()? as u64).saturating_add(header.length as u64);
        if reference.size().is_some_and(|size| size != expected) {
            return Err(damaged("size"));
        }
    }
    Ok(Known { dtype, shape, header })
}

/// The elements in row-major order.
pub fn row_major(array: &NdArray) -> Bytes {
    if array.order() == Order::C || orders_agree(array.shape()) {
        return array.data().clone();
    }
    let reversed: Vec<usize> = array.shape().iter().rev().copied().collect();
    let mut turned = Vec::with_capacity(array.nbytes());
    reverse_axes(array.data(), &reversed, array.dtype().itemsize(), &mut turned);
    turned.into()
}

/// Reads a whole file; the array shares its bytes.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if it is no `.npy` file or ends too early; [`ErrorKind::Unsupported`] for
/// arrays of objects.
pub fn read(file: Bytes) -> Result<NdArray> {
    let header = Header::parse(&file)?;
    let size = header.data_size()?;
    if file.len() - header.length < size {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "the `.npy` file is cut short: {size} bytes of data are expected, {} are there",
                file.len() - header.length
            ),
        ));
    }
    NdArray::new(header.dtype, header.shape, header.order, file.slice(header.length..header.length + size))
}

#[cfg(test)]
mod tests;
