//! The portable attribute types, their ranges, and what they make of a value.

mod check;
mod json;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

pub use json::json_depth;

/// A core type: what an attribute holds, the same on every database.
///
/// [`CoreType::check`] brings a value to the one variant of [`Value`](crate::Value) that the type stores, or
/// says why it cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CoreType {
    /// Integers from -128 to 127.
    Int8,
    /// Integers of 16 bits.
    Int16,
    /// Integers of 32 bits.
    Int32,
    /// Integers of 64 bits.
    Int64,
    /// Floats of 32 bits.
    Float32,
    /// Floats of 64 bits.
    Float64,
    /// True or false.
    Bool,
    /// Universally unique identifiers.
    Uuid,
    /// JSON documents.
    Json,
    /// Bytes without meaning to the database.
    Bytes,
    /// Calendar dates.
    Date,
    /// Dates with a time of day, without a zone, to as many digits of a second (6 if unsaid).
    DateTime(Option<u8>),
    /// Text of at most so many characters; MySQL and PostgreSQL pad it inside.
    Char(u32),
    /// Text of at most so many characters.
    Varchar(u32),
    /// One of these texts.
    Enum(Vec<String>),
    /// Decimal numbers of so many digits, so many of them behind the point.
    Decimal {
        /// Digits in all.
        precision: u32,
        /// Digits behind the point.
        scale: u32,
    },
}

impl CoreType {
    /// Smallest and greatest integer, for the integer types.
    pub fn integer_range(&self) -> Option<(i64, i64)> {
        Some(match self {
            CoreType::Int8 => (i8::MIN.into(), i8::MAX.into()),
            CoreType::Int16 => (i16::MIN.into(), i16::MAX.into()),
            CoreType::Int32 => (i32::MIN.into(), i32::MAX.into()),
            CoreType::Int64 => (i64::MIN, i64::MAX),
            _ => return None,
        })
    }

    /// True for integers, floats, decimals and booleans: the types in which NaN means "no value".
    pub fn is_numeric(&self) -> bool {
        self.integer_range().is_some()
            || matches!(self, CoreType::Float32 | CoreType::Float64 | CoreType::Bool | CoreType::Decimal { .. })
    }
}

/// The canonical spelling of the type.
impl fmt::Display for CoreType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CoreType::Int8 => f.write_str("int8"),
            CoreType::Int16 => f.write_str("int16"),
            CoreType::Int32 => f.write_str("int32"),
            CoreType::Int64 => f.write_str("int64"),
            CoreType::Float32 => f.write_str("float32"),
            CoreType::Float64 => f.write_str("float64"),
            CoreType::Bool => f.write_str("bool"),
            CoreType::Uuid => f.write_str("uuid"),
            CoreType::Json => f.write_str("json"),
            CoreType::Bytes => f.write_str("bytes"),
            CoreType::Date => f.write_str("date"),
            CoreType::DateTime(None) => f.write_str("datetime"),
            CoreType::DateTime(Some(digits)) => write!(f, "datetime({digits})"),
            CoreType::Char(length) => write!(f, "char({length})"),
            CoreType::Varchar(length) => write!(f, "varchar({length})"),
            CoreType::Enum(members) => write!(f, "enum({})", quoted_list(members)),
            CoreType::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
        }
    }
}

fn quoted_list(members: &[String]) -> String {
    members.iter().map(|member| format!("'{}'", member.replace('\'', "''"))).collect::<Vec<_>>().join(",")
}
