//! The numbers of the format: frame tags, node codes, element type ids.

use lodestore_types::{ByteOrder, DType, Kind, Scalar};

/// Begins a compressed frame; the length of the plain form follows.
pub(super) const COMPRESSED: &[u8] = b"ZL123\0";
/// Begins a plain form that MATLAB clients can read too.
pub(super) const MYM: &[u8; 4] = b"mYm\0";
/// Begins a plain form with nodes that only Python knows.
pub(super) const DJ0: &[u8; 4] = b"dj0\0";

pub(super) const ARRAY: u8 = b'A';
pub(super) const SPARSE: u8 = b'P';
pub(super) const STRUCT: u8 = b'S';
pub(super) const CELL: u8 = b'C';
pub(super) const RECORDS: u8 = b'F';
pub(super) const TUPLE: u8 = 1;
pub(super) const LIST: u8 = 2;
pub(super) const SET: u8 = 3;
pub(super) const DICT: u8 = 4;
pub(super) const TEXT: u8 = 5;
pub(super) const BYTES: u8 = 6;
pub(super) const INT: u8 = 10;
pub(super) const BOOL: u8 = 11;
pub(super) const COMPLEX: u8 = 12;
pub(super) const FLOAT: u8 = 13;
pub(super) const DECIMAL: u8 = b'd';
pub(super) const TEMPORAL: u8 = b't';
pub(super) const UUID: u8 = b'u';
pub(super) const NULL: u8 = 0xff;

/// The element type of characters, two bytes each.
pub(super) const CHAR_ID: u32 = 4;
/// The element type of values.
pub(super) const OBJECT_ID: u32 = 5;
/// The first of the `datetime64` types; the others follow by unit.
pub(super) const DATETIME_ID: u32 = 65536;

/// The most dimensions that NumPy has.
pub(super) const MAX_NDIM: usize = 64;
/// How deep values may nest: about as deep as the peer gets, and no risk for a stack of 2 MiB.
pub(super) const MAX_DEPTH: usize = 256;

const TIME_UNITS: [&str; 13] = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"];

const NUMBERS: [(u32, Kind, usize); 11] = [
    (3, Kind::Bool, 1),
    (6, Kind::Float, 8),
    (7, Kind::Float, 4),
    (8, Kind::Int, 1),
    (9, Kind::UInt, 1),
    (10, Kind::Int, 2),
    (11, Kind::UInt, 2),
    (12, Kind::Int, 4),
    (13, Kind::UInt, 4),
    (14, Kind::Int, 8),
    (15, Kind::UInt, 8),
];

/// The id of a real number or time type in the format, if it has one.
pub(super) fn id_of(scalar: &Scalar) -> Option<u32> {
    if scalar.kind == Kind::DateTime {
        let unit = scalar.unit.as_ref().filter(|unit| unit.count == 1)?;
        let index = TIME_UNITS.iter().position(|name| *name == unit.name)?;
        return Some(DATETIME_ID + index as u32);
    }
    NUMBERS.iter().find(|(_, kind, size)| (*kind, *size) == (scalar.kind, scalar.size)).map(|(id, ..)| *id)
}

/// The little-endian element type of an id, for numbers and times.
pub(super) fn dtype_of(id: u32) -> Option<DType> {
    if let Some(unit) = id.checked_sub(DATETIME_ID) {
        return TIME_UNITS.get(unit as usize).map(|unit| DType::datetime64(unit));
    }
    NUMBERS.iter().find(|(known, ..)| *known == id).map(|(_, kind, size)| DType::native(*kind, *size))
}

/// True if the bytes of each number must be turned round to become little-endian.
pub(super) fn is_big_endian(scalar: &Scalar) -> bool {
    scalar.byte_order == ByteOrder::Big
}
