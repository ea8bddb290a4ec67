//! The vocabulary that every room of Lodestore shares: values, types, names, paths and the error.
//!
//! Nothing here does I/O, but for the files that a [`Payload`] is made of. The types to know are
//!
//! - [`Value`]: anything that one attribute of one row can hold, [`NdArray`] among it;
//! - [`CoreType`]: the portable attribute types, which check a value and bring it to its stored form;
//! - [`TableName`], [`FullTableName`] and [`StorePath`]: text that was checked once, at the door;
//! - [`Error`] with its [`ErrorKind`]: what went wrong, where, and what to do about it.
//!
//! ```
//! use lodestore_types::{CoreType, ErrorKind, Value};
//!
//! let age = CoreType::parse("int8")?.expect("a core type");
//! assert_eq!(age.check(Value::Int(31))?, Value::Int(31));
//!
//! let error = age.check(Value::Int(300)).unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::InvalidValue);
//! assert_eq!(error.to_string(), "value 300 is out of range for `int8` (-128 to 127)");
//! # Ok::<(), lodestore_types::Error>(())
//! ```

mod array;
mod calendar;
mod core_type;
mod decimal;
mod decimal_sum;
mod dtype;
mod error;
mod foreign;
mod integer;
mod name;
mod payload;
mod process;
mod reference;
mod secret;
mod span;
mod store_path;
mod temporal;
mod value;

pub use array::{NdArray, Order};
pub use calendar::{
    date_from_days, datetime_from_microseconds, days_from_date, days_from_text, microseconds_from_datetime,
    microseconds_from_text,
};
pub use core_type::{CoreType, json_depth};
pub use decimal::Decimal;
pub use decimal_sum::{DecimalSum, MEAN_DIGITS};
pub use dtype::{ByteOrder, DType, Field, Kind, Scalar, TimeUnit};
pub use error::{Error, ErrorKind, Result};
pub use foreign::{Foreign, ForeignObject};
pub use integer::BigInt;
pub use name::{AttributeName, FullTableName, SchemaName, TableName, Tier, nearest};
pub use payload::{FileSegment, Payload, Segment};
pub use process::PerProcess;
pub use reference::Reference;
pub use secret::{MASK, mask_urls};
pub use span::Span;
pub use store_path::StorePath;
pub use temporal::{parse_date, parse_datetime, parse_time, span_text};
pub use value::{Complex, ObjectArray, ObjectArrayKind, RecordArray, StructArray, Value};

pub use jiff::Timestamp;
pub use jiff::civil::{Date, DateTime, Time};
pub use uuid::Uuid;
