//! Anything that one attribute of one row can hold.

use std::fmt;

use bytes::Bytes;
use jiff::civil::{Date, DateTime, Time};
use uuid::Uuid;

use crate::{BigInt, Decimal, Foreign, NdArray, Reference};

/// A complex number of two 64-bit floats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Complex {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

/// What an array of values stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectArrayKind {
    /// A NumPy array of objects.
    Object,
    /// A MATLAB cell array.
    Cell,
}

/// An array whose elements are values of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectArray {
    /// What it stands for.
    pub kind: ObjectArrayKind,
    /// The extents.
    pub shape: Vec<usize>,
    /// The elements in C order.
    pub items: Vec<Value>,
}

/// A MATLAB structure array: each element has every field.
#[derive(Debug, Clone, PartialEq)]
pub struct StructArray {
    /// The extents.
    pub shape: Vec<usize>,
    /// The names of the fields.
    pub fields: Vec<String>,
    /// The elements in C order, each with a value for every field.
    pub items: Vec<Vec<Value>>,
}

/// A NumPy structured array kept field by field, as the blob format does.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordArray {
    /// The extents.
    pub shape: Vec<usize>,
    /// Name and content of each field: an [`NdArray`], an [`ObjectArray`] or another record array,
    /// each of the shape above (and perhaps more dimensions behind it).
    pub fields: Vec<(String, Value)>,
}

/// Anything that one attribute of one row can hold, from NULL to an array of arrays.
///
/// Values compare by content; a NaN is unlike itself, as everywhere.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// SQL NULL, Python `None`.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer of up to 64 bits.
    Int(i64),
    /// An integer that needs more.
    BigInt(BigInt),
    /// A 64-bit float.
    Float(f64),
    /// A complex number.
    Complex(Complex),
    /// An exact decimal number.
    Decimal(Decimal),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Bytes),
    /// A UUID.
    Uuid(Uuid),
    /// A calendar date.
    Date(Date),
    /// A time of day, to the microsecond.
    Time(Time),
    /// A date with a time of day and no zone.
    DateTime(DateTime),
    /// A JSON document.
    Json(serde_json::Value),
    /// An array of numbers, booleans, times, text or records.
    Array(NdArray),
    /// An array of values.
    Objects(ObjectArray),
    /// A MATLAB structure array.
    Struct(StructArray),
    /// A NumPy structured array.
    Records(RecordArray),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A set, in the order in which it was met.
    Set(Vec<Value>),
    /// A mapping, in the order in which it was made.
    Dict(Vec<(Value, Value)>),
    /// An object in a store that was not read yet.
    Reference(Reference),
    /// An object of another language that only its codec understands.
    Foreign(Foreign),
}

impl Value {
    /// An integer in the smallest variant that holds it.
    pub fn integer(value: BigInt) -> Value {
        value.to_i64().map_or_else(|| Value::BigInt(value.clone()), Value::Int)
    }

    /// The name of the type, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Int(_) | Value::BigInt(_) => "int",
            Value::Float(_) => "float",
            Value::Complex(_) => "complex",
            Value::Decimal(_) => "decimal",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes",
            Value::Uuid(_) => "uuid",
            Value::Date(_) => "date",
            Value::Time(_) => "time",
            Value::DateTime(_) => "datetime",
            Value::Json(_) => "json",
            Value::Array(_) => "array",
            Value::Objects(array) if array.kind == ObjectArrayKind::Cell => "cell array",
            Value::Objects(_) => "array of objects",
            Value::Struct(_) => "struct array",
            Value::Records(_) => "structured array",
            Value::List(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Set(_) => "set",
            Value::Dict(_) => "dict",
            Value::Reference(_) => "reference",
            Value::Foreign(_) => "object",
        }
    }

    /// True for [`Value::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// About how many bytes it takes in memory, for the size of a batch.
    pub fn weight(&self) -> usize {
        const SMALL: usize = 256;
        let content = match self {
            Value::Array(array) => array.nbytes(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Text(text) => text.len(),
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => items.iter().map(Value::weight).sum(),
            Value::Dict(items) => items.iter().map(|(key, item)| key.weight() + item.weight()).sum(),
            Value::Objects(array) => array.items.iter().map(Value::weight).sum(),
            Value::Records(array) => array.fields.iter().map(|(_, field)| field.weight()).sum(),
            Value::Struct(array) => array.items.iter().flatten().map(Value::weight).sum(),
            _ => 0,
        };
        content + SMALL
    }

    /// The integer, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if it is a float or an integer that a float holds exactly.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Float(value) => Some(*value),
            Value::Int(value) if (*value as f64) as i64 == *value => Some(*value as f64),
            _ => None,
        }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The array, if it is one.
    pub fn as_array(&self) -> Option<&NdArray> {
        match self {
            Value::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The reference, if it is one.
    pub fn as_reference(&self) -> Option<&Reference> {
        match self {
            Value::Reference(reference) => Some(reference),
            _ => None,
        }
    }
}

/// A short rendering for messages and previews: long content is cut, arrays show type and shape.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("None"),
            Value::Bool(value) => f.write_str(if *value { "True" } else { "False" }),
            Value::Int(value) => value.fmt(f),
            Value::BigInt(value) => f.write_str(&shorten(&value.to_string())),
            Value::Float(value) => write!(f, "{value:?}"),
            Value::Complex(Complex { re, im }) => write!(f, "({re}{im:+}j)"),
            Value::Decimal(value) => f.write_str(&shorten(value.as_str())),
            Value::Text(text) => write!(f, "{:?}", shorten(text)),
            Value::Bytes(bytes) => write!(f, "<{} bytes>", bytes.len()),
            Value::Uuid(value) => value.fmt(f),
            Value::Date(value) => value.fmt(f),
            Value::Time(value) => value.fmt(f),
            Value::DateTime(value) => write!(f, "{} {}", value.date(), value.time()),
            Value::Json(value) => f.write_str(&shorten(&value.to_string())),
            Value::Array(array) => write!(f, "<array {} {:?}>", array.dtype(), array.shape()),
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => {
                write!(f, "<{} of {}>", self.type_name(), items.len())
            }
            Value::Dict(items) => write!(f, "<dict of {}>", items.len()),
            Value::Objects(ObjectArray { shape, .. })
            | Value::Struct(StructArray { shape, .. })
            | Value::Records(RecordArray { shape, .. }) => write!(f, "<{} {shape:?}>", self.type_name()),
            Value::Reference(reference) => write!(f, "<{} {}>", reference.codec, reference.path),
            Value::Foreign(object) => write!(f, "{object:?}"),
        }
    }
}

/// At most forty characters of `text`, with dots where it was cut.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

macro_rules! from {
    ($($source:ty => $variant:ident $(via $convert:path)?),+ $(,)?) => {
        $(impl From<$source> for Value {
            fn from(value: $source) -> Value { Value::$variant($($convert)?(value)) }
        })+
    };
}

from! {
    bool => Bool, i8 => Int via i64::from, i16 => Int via i64::from, i32 => Int via i64::from, i64 => Int,
    u8 => Int via i64::from, u16 => Int via i64::from, u32 => Int via i64::from,
    f32 => Float via f64::from, f64 => Float, Decimal => Decimal,
    String => Text, &str => Text via str::to_owned, Bytes => Bytes, Vec<u8> => Bytes via Bytes::from,
    Uuid => Uuid, Date => Date, Time => Time, DateTime => DateTime,
    serde_json::Value => Json, NdArray => Array, Reference => Reference,
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_short() {
        assert_eq!(Value::from("x".repeat(100)).to_string().len(), 45);
        assert_eq!(Value::from(vec![1u8, 2]).to_string(), "<2 bytes>");
        assert_eq!(Value::from(NdArray::from_f64(&[1.0])).to_string(), "<array <f8 [1]>");
        assert_eq!(Value::from(None::<i64>).to_string(), "None");
    }
}
