//! The header of a `.npy` file.

use bytes::Bytes;
use lodestore_types::{DType, Error, ErrorKind, NdArray, Order, Result};
use serde_json::Value as Json;

use super::descr::{descr_text, from_descr, shape_text};
use super::{MAX_NDIM, literal};
use crate::layout::orders_agree;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// NumPy aligns the data to this.
const ALIGNMENT: usize = 64;
/// NumPy leaves room for so many digits of the axis that could grow.
const GROWTH_DIGITS: usize = 21;
/// A header longer than this describes no array that anyone made.
const LONGEST: usize = 1 << 20;

/// What the header of a `.npy` file tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The element type.
    pub dtype: DType,
    /// The extents.
    pub shape: Vec<usize>,
    /// The order of the elements.
    pub order: Order,
    /// Where the data begins: the length of magic, version and header in bytes.
    pub length: usize,
}

impl Header {
    /// The header for an array, exactly as `numpy.save` writes it.
    pub fn of(array: &NdArray) -> (Header, Bytes) {
        Header::new(array.dtype().clone(), array.shape().to_vec(), array.order())
    }

    /// The header for an array of this type, shape and order. It is as long for any extent of the axis that grows: the
    /// first one, or the last of a column-major array.
    pub fn new(dtype: DType, shape: Vec<usize>, order: Order) -> (Header, Bytes) {
        let order = if orders_agree(&shape) { Order::C } else { order };
        let text = format!(
            "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}",
            descr_text(&dtype),
            if order == Order::Fortran { "True" } else { "False" },
            shape_text(&shape),
        );
        let growing = if order == Order::Fortran { shape.last() } else { shape.first() };
        let growth = growing.map_or(0, |extent| GROWTH_DIGITS.saturating_sub(extent.to_string().len()));
        let text = text + &" ".repeat(growth);
        let latin1: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        let bytes = match latin1 {
            Some(text) => wrap(&text, 1).unwrap_or_else(|| wrap_wide(&text, 2)),
            None => wrap_wide(text.as_bytes(), 3),
        };
        let header = Header { dtype, shape, order, length: bytes.len() };
        (header, bytes.into())
    }

    /// How many bytes from the start of a file the header takes; the first 12 must be given, or the
    /// whole file if it is shorter.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if this is no `.npy` file.
    pub fn length_of(start: &[u8]) -> Result<usize> {
        let corrupt = |why: String| Err(Error::new(ErrorKind::Corrupt, format!("this is no `.npy` file: {why}")));
        let (Some(magic), Some(version)) = (start.get(..6), start.get(6..8)) else {
            return corrupt(format!("it has only {} bytes", start.len()));
        };
        if magic != MAGIC {
            return corrupt(format!("it begins with `{}`", magic.escape_ascii()));
        }
        let length = match (version[0], start.get(8..10), start.get(8..12)) {
            (1, Some(&[a, b]), _) => 10 + usize::from(u16::from_le_bytes([a, b])),
            (2 | 3, _, Some(&[a, b, c, d])) => 12usize.saturating_add(u32::from_le_bytes([a, b, c, d]) as usize),
            (1..=3, ..) => return corrupt("it ends inside its header".to_owned()),
            (version, ..) => return corrupt(format!("its format version {version} is not known")),
        };
        if length > LONGEST {
            return corrupt(format!("its header would have {length} bytes"));
        }
        Ok(length)
    }

    /// Reads the header at the start of `file`; more may follow.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if this is no `.npy` file, or ends inside the header;
    /// [`ErrorKind::Unsupported`] for arrays of objects.
    pub fn parse(file: &[u8]) -> Result<Header> {
        let length = Header::length_of(file)?;
        let version = file[6];
        let start = if version == 1 { 10 } else { 12 };
        let Some(text) = file.get(start..length) else {
            let found = file.len();
            return Err(damaged(format!("it has {length} bytes, {found} are there")));
        };
        let text = match version {
            3 => std::str::from_utf8(text).map_err(|_| damaged("it is not UTF-8".into()))?.to_owned(),
            _ => text.iter().map(|byte| char::from(*byte)).collect(),
        };
        let Json::Object(told) = literal::parse(&text)? else { return Err(damaged("it is no dict".into())) };
        let get = |key: &str| told.get(key).ok_or_else(|| damaged(format!("it tells no `{key}`")));
        let order = match get("fortran_order")? {
            Json::Bool(true) => Order::Fortran,
            Json::Bool(false) => Order::C,
            other => return Err(damaged(format!("`fortran_order` is {other}"))),
        };
        let shape = shape_of(get("shape")?).ok_or_else(|| damaged("`shape` is no shape".into()))?;
        let header = Header { dtype: from_descr(get("descr")?)?, shape, order, length };
        header.data_size()?;
        Ok(header)
    }

    /// The size of the data in bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if the shape is larger than memory.
    pub fn data_size(&self) -> Result<usize> {
        let size = match self.shape.contains(&0) {
            true => Some(0),
            false => self.shape.iter().try_fold(self.dtype.itemsize(), |size, extent| size.checked_mul(*extent)),
        };
        size.filter(|size| *size < isize::MAX as usize - self.length)
            .ok_or_else(|| damaged(format!("an array of shape {:?} is larger than memory", self.shape)))
    }
}

/// Reads a shape from JSON.
pub(super) fn shape_of(json: &Json) -> Option<Vec<usize>> {
    let extents = json.as_array().filter(|extents| extents.len() <= MAX_NDIM)?;
    extents.iter().map(|extent| extent.as_u64().and_then(|extent| usize::try_from(extent).ok())).collect()
}

fn damaged(why: String) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the header of a `.npy` file is damaged: {why}"))
}

/// Version 1, whose length has two bytes.
fn wrap(text: &[u8], version: u8) -> Option<Vec<u8>> {
    let padding = padding(10 + text.len() + 1);
    let length = u16::try_from(text.len() + padding + 1).ok()?;
    Some(frame(version, &length.to_le_bytes(), text, padding))
}

/// Versions 2 and 3, whose length has four bytes.
fn wrap_wide(text: &[u8], version: u8) -> Vec<u8> {
    let padding = padding(12 + text.len() + 1);
    frame(version, &((text.len() + padding + 1) as u32).to_le_bytes(), text, padding)
}

/// What brings the data to its alignment: never nothing, as in NumPy.
fn padding(length: usize) -> usize {
    ALIGNMENT - length % ALIGNMENT
}

fn frame(version: u8, length: &[u8], text: &[u8], padding: usize) -> Vec<u8> {
    let mut bytes = [MAGIC, &[version, 0][..], length, text].concat();
    bytes.resize(bytes.len() + padding, b' ');
    bytes.push(b'\n');
    bytes
}
